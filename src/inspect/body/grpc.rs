//! The messages of gRPC and gRPC-Web in a body.

use super::about::{About, Named};
use super::stream::Stream;
use super::{Env, Place};
use crate::decode::Layer;
use crate::inspect::decide;

/// Bytes before each message: flags, and its length.
const PREFIX: usize = 5;
/// Flag of a compressed message.
const COMPRESSED: u8 = 1;
/// Flags that are known: beside it, the one of trailers of gRPC-Web.
const FLAGS: u8 = 0x80 | COMPRESSED;

/// State of taking messages out of a stream.
pub(in crate::inspect) struct Messages {
    coding: Option<Named>,
    outer: Vec<Layer>,
    depth: usize,
    prefix: Vec<u8>,
    /// Bytes left of the message under way.
    left: usize,
    message: Option<Box<Stream>>,
    count: u64,
    /// Whether an unknown coding was told of.
    told: bool,
}

impl Messages {
    /// Compressed ones have this coding.
    pub(in crate::inspect) fn new(coding: Option<Named>, outer: &[Layer], depth: usize) -> Self {
        Self {
            coding,
            outer: outer.to_vec(),
            depth,
            prefix: Vec::with_capacity(PREFIX),
            left: 0,
            message: None,
            count: 0,
            told: false,
        }
    }

    /// Takes the next bytes. False where they are no messages.
    pub(in crate::inspect) fn push(&mut self, mut piece: &[u8], env: &mut Env<'_>) -> bool {
        while !piece.is_empty() {
            if let Some(message) = &mut self.message {
                let (of_it, behind) = piece.split_at(self.left.min(piece.len()));
                message.push(of_it, env);
                self.left -= of_it.len();
                piece = behind;
                if self.left == 0 {
                    message.finish(env);
                    self.message = None;
                }
                continue;
            }
            let (of_it, behind) = piece.split_at((PREFIX - self.prefix.len()).min(piece.len()));
            self.prefix.extend_from_slice(of_it);
            piece = behind;
            let [flags, length @ ..] = self.prefix.as_slice() else { continue };
            let Ok(length) = <[u8; 4]>::try_from(length) else { continue };
            let (flags, length) = (*flags, u32::from_be_bytes(length) as usize);
            self.prefix.clear();
            if flags & !FLAGS != 0 {
                env.incomplete(&decide::MALFORMED);
                return false;
            }
            if length > 0 {
                self.begin(flags & COMPRESSED != 0, length, env);
            }
            self.count += 1;
        }
        true
    }

    fn begin(&mut self, compressed: bool, length: usize, env: &mut Env<'_>) {
        let mut about = About::default();
        if compressed {
            match self.coding {
                Some(Named::Unknown) if !self.told => {
                    self.told = true;
                    env.incomplete(&decide::CODING);
                }
                // Compressed, though nothing says how.
                None | Some(Named::Identity) if !self.told => {
                    self.told = true;
                    env.incomplete(&decide::MALFORMED);
                }
                Some(coding @ (Named::Coding(_) | Named::Deflate)) => about.codings.push(coding),
                _ => {}
            }
        }
        let place = Place::Message(self.count);
        self.message = Some(Box::new(Stream::plain(about, &self.outer, place, self.depth)));
        self.left = length;
    }

    /// Decides what is undecided as if the stream ended here.
    pub(in crate::inspect) fn settle(&mut self, env: &mut Env<'_>) {
        if let Some(message) = &mut self.message {
            message.settle(env);
        }
    }

    /// Ends the stream.
    pub(in crate::inspect) fn finish(&mut self, env: &mut Env<'_>) {
        if let Some(mut message) = self.message.take() {
            message.finish(env);
            env.incomplete(&decide::MALFORMED);
        } else if !self.prefix.is_empty() {
            env.incomplete(&decide::MALFORMED);
        }
    }
}
