//! What the demo makes up and leaves no trace of.

use std::io;
use std::path::PathBuf;

use aws_lc_rs::rand;

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A folder that is removed with everything in it when this goes.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// A new folder that only this user can read.
    pub(super) fn new() -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let path = std::env::temp_dir().join(format!("leakgate-demo-{}", uuid::Uuid::now_v7()));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// The URL of a store in it.
    pub(super) fn url(&self) -> String {
        format!("sqlite:{}", self.0.join("leakgate.db").display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed lies in the system's folder for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A made-up token: the prefix and so many random characters.
///
/// # Errors
/// Where the system gives no random bytes.
pub(super) fn sample(prefix: &str, length: usize) -> io::Result<String> {
    let mut bytes = vec![0; length];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    let random = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len()));
    Ok(prefix.chars().chain(random.map(|byte| char::from(*byte))).collect())
}
