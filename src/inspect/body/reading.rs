//! One way to read a stream of bytes: what undoes its layer, and the stream that comes of it.

use super::Env;
use super::grpc::Messages;
use super::multipart::Multipart;
use super::stream::Stream;
use crate::config::limits;
use crate::decode::charset::Transcoder;
use crate::decode::inflate::Inflater;
use crate::decode::transfer::Transfer;
use crate::inspect::decide;

/// One way to read a stream.
pub(in crate::inspect) enum Reading {
    Coded { inflater: Box<Inflater>, declared: bool, next: Box<Stream> },
    Charset { transcoder: Transcoder, declared: bool, malformed: bool, next: Box<Stream> },
    Transfer { transfer: Transfer, next: Box<Stream> },
    Multipart(Box<Multipart>),
    Messages(Box<Messages>),
}

impl Reading {
    /// Takes the next bytes. False where this reading has come to an end before the stream.
    pub(in crate::inspect) fn push(&mut self, piece: &[u8], env: &mut Env<'_>) -> bool {
        match self {
            Self::Coded { inflater, next, .. } => {
                let mut room = true;
                let result = inflater.push(piece, &mut |text| {
                    room = env.budget.unpack_piece(text);
                    if room {
                        next.push(text, env);
                    }
                    room
                });
                result.is_ok() && room
            }
            Self::Charset { transcoder, declared, malformed, next } => {
                let mut room = true;
                transcoder.push(piece, false, &mut |text| {
                    room = env.budget.unpack(text.len());
                    if room {
                        next.push(text, env);
                    }
                    room
                });
                if *declared && !*malformed && transcoder.malformed() {
                    *malformed = true;
                    env.incomplete(&decide::MALFORMED);
                }
                // What only looked like it was something else.
                room && (*declared || !transcoder.is_hopeless())
            }
            Self::Transfer { transfer, next } => {
                let mut text = Vec::new();
                for piece in piece.chunks(limits::TRANSFER_PIECE_BYTES) {
                    text.clear();
                    transfer.push(piece, &mut text);
                    if !env.budget.unpack(text.len()) {
                        return false;
                    }
                    next.push(&text, env);
                }
                true
            }
            Self::Multipart(multipart) => {
                multipart.push(piece, env);
                true
            }
            Self::Messages(messages) => messages.push(piece, env),
        }
    }

    /// Decides what is undecided as if the stream ended here.
    pub(in crate::inspect) fn settle(&mut self, env: &mut Env<'_>) {
        match self {
            Self::Coded { next, .. } | Self::Charset { next, .. } | Self::Transfer { next, .. } => {
                next.settle(env)
            }
            Self::Multipart(multipart) => multipart.settle(env),
            Self::Messages(messages) => messages.settle(env),
        }
    }

    /// Ends the stream. False where a coding is not at its end.
    pub(in crate::inspect) fn finish(&mut self, env: &mut Env<'_>) -> bool {
        match self {
            Self::Coded { inflater, next, .. } => {
                next.close(env);
                return inflater.finish().is_ok();
            }
            Self::Charset { transcoder, declared, malformed, next } => {
                transcoder.push(&[], true, &mut |text| {
                    let room = env.budget.unpack(text.len());
                    if room {
                        next.push(text, env);
                    }
                    room
                });
                if *declared && !*malformed && transcoder.malformed() {
                    env.incomplete(&decide::MALFORMED);
                }
                next.close(env);
            }
            Self::Transfer { transfer, next } => {
                let mut rest = Vec::new();
                transfer.finish(&mut rest);
                if env.budget.unpack(rest.len()) {
                    next.push(&rest, env);
                }
                next.close(env);
            }
            Self::Multipart(multipart) => multipart.finish(env),
            Self::Messages(messages) => messages.finish(env),
        }
        true
    }

    /// Ends what was read so far, where reading does not go on.
    pub(in crate::inspect) fn abandon(&mut self, env: &mut Env<'_>) {
        match self {
            Self::Coded { next, .. } | Self::Charset { next, .. } | Self::Transfer { next, .. } => {
                next.close(env)
            }
            Self::Multipart(_) | Self::Messages(_) => {}
        }
    }

    /// Gives back what others can use.
    pub(in crate::inspect) fn recycle(self, env: &mut Env<'_>) {
        if let Self::Coded { inflater, .. } = self {
            env.shared.spare(*inflater);
        }
    }
}
