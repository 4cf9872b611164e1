//! Decompression, as bytes come in and in bounded pieces.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use crate::decode::Layer;

/// Bytes that are decompressed in one go.
const PIECE: usize = 16 * 1024;
/// Binary logarithm of the largest window of zstd: what every decoder must support for HTTP.
const ZSTD_WINDOW: u32 = 23;
/// Binary logarithm of the window of deflate.
const DEFLATE_WINDOW: u8 = 15;
/// Bytes of the longest magic number.
pub const MAGIC: usize = 4;

/// One way of compression.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Coding {
    /// Files of gzip, one behind the other.
    Gzip,
    /// Deflate in the frame of zlib.
    Zlib,
    /// Deflate as it is.
    Deflate,
    /// Brotli.
    Brotli,
    /// Frames of Zstandard, one behind the other.
    Zstd,
}

impl Coding {
    /// The layer that is undone.
    pub const fn layer(self) -> Layer {
        match self {
            Self::Gzip => Layer::Gzip,
            Self::Zlib | Self::Deflate => Layer::Deflate,
            Self::Brotli => Layer::Brotli,
            Self::Zstd => Layer::Zstd,
        }
    }
}

/// The compression of a text that begins so, by its magic number; brotli and bare deflate have none.
/// It may be said of other texts too: zlib's magic number is short.
pub fn sniff(beginning: &[u8]) -> Option<Coding> {
    match *beginning {
        [0x1f, 0x8b, 8, ..] => Some(Coding::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Coding::Zstd),
        // A header of zlib: deflate, a window of 32 KiB at most, no dictionary, and its check bits.
        [method, flags, ..]
            if method & 0x0f == 8
                && method >> 4 <= 7
                && flags & 0x20 == 0
                && u16::from_be_bytes([method, flags]).is_multiple_of(31) =>
        {
            Some(Coding::Zlib)
        }
        _ => None,
    }
}

/// The bytes are not what they were said to be, or end early.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the compressed bytes are damaged or incomplete")]
pub struct Undecodable;

/// How far a decompression has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing came in.
    Fresh,
    /// In the middle.
    Inside,
    /// A member or frame is complete, and another may follow.
    Between,
    /// What may be another one has begun.
    Again,
    /// What follows is not looked at.
    Over,
}

/// State of decompressing one stream. Holds a window (up to 16 MiB for brotli, as it is used, 8 MiB
/// for zstd, 32 KiB for the others) and 16 KiB of output.
pub struct Inflater {
    coding: Coding,
    engine: Engine,
    phase: Phase,
    buffer: Box<[u8]>,
}

enum Engine {
    Flate(Box<Decompress>),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    Zstd(Box<Decoder<'static>>),
}

/// What one step did.
struct Step {
    read: usize,
    written: usize,
    ended: bool,
    /// Whether the bytes behind that are damaged.
    broken: bool,
}

impl Inflater {
    /// The beginning of a stream. Nothing where the library has no memory for it.
    pub fn new(coding: Coding) -> Option<Self> {
        Some(Self {
            coding,
            engine: Engine::new(coding)?,
            phase: Phase::Fresh,
            buffer: vec![0; PIECE].into_boxed_slice(),
        })
    }

    /// Begins another stream, and tells whether it can.
    pub fn begin_anew(&mut self) -> bool {
        self.phase = Phase::Fresh;
        self.engine.restart(self.coding)
    }

    /// What it undoes.
    pub fn coding(&self) -> Coding {
        self.coding
    }

    /// Takes the next bytes and hands on what they decompress to, piece by piece, as long as `out`
    /// says true. An empty piece tells that another member or frame begins, which has its cost.
    ///
    /// # Errors
    ///
    /// Where the bytes are damaged; what could be decompressed before has been handed on.
    pub fn push(
        &mut self,
        mut input: &[u8],
        out: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), Undecodable> {
        if self.phase == Phase::Fresh && !input.is_empty() {
            self.phase = Phase::Inside;
        }
        loop {
            if self.phase == Phase::Between {
                if !self.follows(&mut input) {
                    return Ok(());
                }
                if !out(&[]) {
                    return Ok(());
                }
            }
            if self.phase == Phase::Over || (input.is_empty() && self.phase == Phase::Fresh) {
                return Ok(());
            }
            let Some(step) = self.engine.step(input, &mut self.buffer) else {
                if self.phase == Phase::Again {
                    self.phase = Phase::Over;
                    return Ok(());
                }
                return Err(Undecodable);
            };
            input = input.get(step.read..).unwrap_or_default();
            if step.written > 0 {
                self.phase = Phase::Inside;
                if !out(self.buffer.get(..step.written).unwrap_or_default()) {
                    return Ok(());
                }
            }
            if step.broken {
                return Err(Undecodable);
            }
            if step.ended {
                self.phase = Phase::Between;
            } else if step.written < self.buffer.len() {
                if input.is_empty() {
                    return Ok(());
                }
                if step.read == 0 && step.written == 0 {
                    return Err(Undecodable);
                }
            }
        }
    }

    /// Ends the stream.
    ///
    /// # Errors
    ///
    /// Where it is not at an end.
    pub fn finish(&self) -> Result<(), Undecodable> {
        if self.phase == Phase::Inside { Err(Undecodable) } else { Ok(()) }
    }

    /// Whether another file of gzip has begun in it so many bytes ago.
    pub fn has_begun_again(&self, bytes: usize) -> bool {
        let Engine::Flate(flate) = &self.engine else { return false };
        self.phase == Phase::Again && usize::try_from(flate.total_in()) == Ok(bytes)
    }

    /// Whether nothing more comes of it.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Whether another member or frame begins behind the one that has ended; made ready for it.
    fn follows(&mut self, input: &mut &[u8]) -> bool {
        if self.coding == Coding::Gzip {
            // Files on tape are filled up with zeros.
            let zeros = input.iter().take_while(|&&byte| byte == 0).count();
            *input = input.get(zeros..).unwrap_or_default();
        }
        let Some(&first) = input.first() else { return false };
        let begins = match self.coding {
            Coding::Gzip => first == 0x1f,
            Coding::Zstd => first == 0x28 || first & 0xf0 == 0x50,
            Coding::Zlib | Coding::Deflate | Coding::Brotli => false,
        };
        self.phase =
            if begins && self.engine.restart(self.coding) { Phase::Again } else { Phase::Over };
        self.phase == Phase::Again
    }
}

impl Engine {
    fn new(coding: Coding) -> Option<Self> {
        Some(match coding {
            Coding::Gzip => Self::Flate(Box::new(Decompress::new_gzip(DEFLATE_WINDOW))),
            Coding::Zlib => Self::Flate(Box::new(Decompress::new(true))),
            Coding::Deflate => Self::Flate(Box::new(Decompress::new(false))),
            Coding::Brotli => {
                let alloc = StandardAlloc::default;
                Self::Brotli(Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())))
            }
            Coding::Zstd => {
                let mut decoder = Decoder::new().ok()?;
                decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW)).ok()?;
                Self::Zstd(Box::new(decoder))
            }
        })
    }

    /// Begins anew, as brotli cannot.
    fn restart(&mut self, coding: Coding) -> bool {
        match self {
            Self::Flate(flate) => {
                flate.reset(coding != Coding::Deflate);
                true
            }
            Self::Brotli(_) => false,
            Self::Zstd(zstd) => zstd.reinit().is_ok(),
        }
    }

    /// Decompresses as much as fits, or nothing where the bytes are damaged.
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Option<Step> {
        match self {
            Self::Flate(flate) => {
                let (came_in, went_out) = (flate.total_in(), flate.total_out());
                let status = flate.decompress(input, out, FlushDecompress::None);
                let read = usize::try_from(flate.total_in() - came_in).ok()?;
                let written = usize::try_from(flate.total_out() - went_out).ok()?;
                match status {
                    Ok(status) => {
                        let ended = status == Status::StreamEnd;
                        Some(Step { read, written, ended, broken: false })
                    }
                    // What was decompressed before the damage counts.
                    Err(_) if written > 0 => {
                        Some(Step { read, written, ended: false, broken: true })
                    }
                    Err(_) => None,
                }
            }
            Self::Brotli(state) => {
                let (mut left, mut read) = (input.len(), 0);
                let (mut room, mut written, mut total) = (out.len(), 0, 0);
                let result = BrotliDecompressStream(
                    &mut left,
                    &mut read,
                    input,
                    &mut room,
                    &mut written,
                    out,
                    &mut total,
                    state,
                );
                match result {
                    BrotliResult::ResultFailure if written == 0 => None,
                    BrotliResult::ResultSuccess => {
                        Some(Step { read, written, ended: true, broken: false })
                    }
                    BrotliResult::ResultFailure => {
                        Some(Step { read, written, ended: false, broken: true })
                    }
                    _ => Some(Step { read, written, ended: false, broken: false }),
                }
            }
            Self::Zstd(zstd) => {
                let mut input = InBuffer::around(input);
                let mut out = OutBuffer::around(out);
                let result = zstd.run(&mut input, &mut out);
                let (read, written) = (input.pos(), out.pos());
                match result {
                    Ok(0) if read + written > 0 => {
                        Some(Step { read, written, ended: true, broken: false })
                    }
                    Ok(_) => Some(Step { read, written, ended: false, broken: false }),
                    Err(_) if written > 0 => {
                        Some(Step { read, written, ended: false, broken: true })
                    }
                    Err(_) => None,
                }
            }
        }
    }
}
