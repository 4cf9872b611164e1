//! The key that everything secret in the store is encrypted under: from the environment, or from a
//! key file beside the database.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::StoreError;
use super::ring::Given;
use super::seal::DataKey;
use crate::config::limits;
use crate::model::secret::Secret;

/// Where the store's key comes from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// The value of `LEAKGATE_KEY`: any string of at least 32 bytes.
    Environment(Secret),
    /// The values of `LEAKGATE_KEY` and `LEAKGATE_OLD_KEY`, to go over from the second to the first.
    Rotating(Secret, Secret),
    /// A file beside the database (`leakgate.db`: `leakgate.key`), made at first start.
    File,
}

impl KeySource {
    /// The source that `LEAKGATE_KEY` and `LEAKGATE_OLD_KEY` ask for: their values where the first is
    /// set, else the key file.
    pub fn from_environment(value: Option<Secret>, old: Option<Secret>) -> Self {
        match (value, old) {
            (Some(value), Some(old)) => Self::Rotating(value, old),
            (Some(value), None) => Self::Environment(value),
            (None, _) => Self::File,
        }
    }

    /// The keys, where they are not in a file.
    pub(super) fn given(&self) -> Result<Option<Given>, StoreError> {
        Ok(match self {
            Self::Environment(value) => Some(Given { main: from_environment(value)?, old: None }),
            Self::Rotating(value, old) => {
                Some(Given { main: from_environment(value)?, old: Some(from_environment(old)?) })
            }
            Self::File => None,
        })
    }
}

/// The key out of `LEAKGATE_KEY`.
fn from_environment(value: &Secret) -> Result<DataKey, StoreError> {
    if value.len() < limits::STORE_KEY_BYTES {
        return Err(StoreError::Unusable(format!(
            "a key (LEAKGATE_KEY, LEAKGATE_OLD_KEY) is {} bytes long and must have at least {}: make one with `openssl rand -hex 32`",
            value.len(),
            limits::STORE_KEY_BYTES
        )));
    }
    DataKey::derive(value)
}

/// The key out of the file at `path`, or none where there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<DataKey>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(path, "cannot be read", &error.to_string())),
    };
    let mode = file
        .metadata()
        .map_err(|error| unusable(path, "cannot be read", &error.to_string()))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        return Err(StoreError::Unusable(format!(
            "the key file {0} is open to others (mode {1:03o}): run `chmod 600 {0}`",
            path.display(),
            mode & 0o777
        )));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(limits::STORE_KEY_FILE_BYTES));
    file.take(limits::STORE_KEY_FILE_BYTES as u64)
        .read_to_end(&mut text)
        .map_err(|error| unusable(path, "cannot be read", &error.to_string()))?;
    let key = text.trim_ascii();
    if key.len() < limits::STORE_KEY_BYTES {
        return Err(StoreError::Unusable(format!(
            "the key file {} holds no key: put the right one back, or delete it if nothing has been stored yet",
            path.display()
        )));
    }
    DataKey::derive(&Secret::new(key.to_vec())).map(Some)
}

/// Makes a new key file, which must not be there yet, and answers with its key once the file is on
/// disk.
pub(super) fn create(path: &Path) -> Result<DataKey, StoreError> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    rand::fill(bytes.as_mut_slice())
        .map_err(|_| StoreError::Failed("the system gave no random bytes".to_owned()))?;
    let mut text = Zeroizing::new(String::with_capacity(65));
    for byte in bytes.iter() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    let key = DataKey::derive(&Secret::new(text.as_bytes().to_vec()))?;
    text.push('\n');

    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| unusable(path, "cannot be made", &error.to_string()))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    });
    if let Err(error) = written {
        // Half a key file would be taken for a damaged one at the next start.
        let _ = fs::remove_file(path);
        return Err(unusable(path, "cannot be written", &error.to_string()));
    }
    Ok(key)
}

fn unusable(path: &Path, what: &str, why: &str) -> StoreError {
    StoreError::Unusable(format!("the key file {} {what}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_file_is_private_and_gives_the_same_key_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("leakgate.key");
        assert!(read(&path).unwrap().is_none());
        let made = create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let read_again = read(&path).unwrap().unwrap();
        let sealed = made.seal(1, b"aad", b"plain").unwrap();
        assert_eq!(read_again.open(b"aad", &sealed).unwrap().as_slice(), b"plain");
        assert!(create(&path).is_err(), "a key file is never overwritten");
    }

    #[test]
    fn a_file_open_to_others_or_without_a_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("leakgate.key");
        create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "\n").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("holds no key"));
    }

    #[test]
    fn a_short_key_says_how_to_make_one() {
        let error = from_environment(&Secret::from("x".repeat(31))).unwrap_err().to_string();
        assert!(error.contains("openssl rand -hex 32"), "{error}");
        assert!(from_environment(&Secret::from("x".repeat(32))).is_ok());
    }
}
