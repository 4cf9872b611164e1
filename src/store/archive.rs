//! The file of a backup: a first line that says what it is, then the parts, each with its length before
//! it, compressed as one stream with a checksum.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The first line.
const MAGIC: &[u8] = b"leakgate backup 1\n";

/// How hard it is compressed: zstd's own default.
const LEVEL: i32 = 3;

/// Why a backup cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("is not a backup of leakgate")]
    Foreign,
    #[error("is damaged or not whole")]
    Damaged,
    #[error("cannot be read: {0}")]
    Failed(io::Error),
    #[error("cannot be unpacked: {0}")]
    Unwritable(io::Error),
}

/// A file that only its owner reads, which must not be there yet.
pub(super) fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Files that go away when this does.
#[derive(Default)]
pub(super) struct Scraps(pub(super) Vec<PathBuf>);

impl Drop for Scraps {
    fn drop(&mut self) {
        for path in &self.0 {
            // What is not there any more is what was put in its place.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Packs these files into a new one, which is on disk when this returns.
pub(super) fn pack(parts: &[PathBuf], into: &Path) -> io::Result<u64> {
    let mut file = private(into)?;
    file.write_all(MAGIC)?;
    let mut stream = zstd::Encoder::new(BufWriter::new(file), LEVEL)?;
    stream.include_checksum(true)?;
    for part in parts {
        let part = File::open(part)?;
        let length = part.metadata()?.len();
        stream.write_all(&length.to_le_bytes())?;
        let copied = io::copy(&mut part.take(length), &mut stream)?;
        if copied != length {
            return Err(io::Error::other("a file became shorter while it was packed"));
        }
    }
    let file = stream.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// Unpacks a file into as many new ones as there are parts in it.
pub(super) fn unpack(from: &Path, into: &[PathBuf]) -> Result<(), Unreadable> {
    let mut file = BufReader::new(File::open(from).map_err(Unreadable::Failed)?);
    let mut magic = vec![0; MAGIC.len()];
    file.read_exact(&mut magic).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => Unreadable::Foreign,
        _ => Unreadable::Failed(error),
    })?;
    if magic != MAGIC {
        return Err(Unreadable::Foreign);
    }
    let damaged = |_: io::Error| Unreadable::Damaged;
    let mut stream = zstd::Decoder::with_buffer(file).map_err(damaged)?.single_frame();
    for part in into {
        let mut length = [0; 8];
        stream.read_exact(&mut length).map_err(damaged)?;
        let mut part = private(part).map_err(Unreadable::Unwritable)?;
        let mut left = u64::from_le_bytes(length);
        let mut piece = vec![0; 64 * 1024];
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            let piece = piece.get_mut(..wanted).unwrap_or_default();
            stream.read_exact(piece).map_err(damaged)?;
            part.write_all(piece).map_err(Unreadable::Unwritable)?;
            left -= wanted as u64;
        }
        part.sync_all().map_err(Unreadable::Unwritable)?;
    }
    // The checksum is looked at where the stream ends, which it must here.
    match stream.read(&mut [0]) {
        Ok(0) => Ok(()),
        _ => Err(Unreadable::Damaged),
    }
}
