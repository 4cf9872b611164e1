//! The key file of a store of SQLite, and the two that are beside it while keys are rotated: `.key.new`
//! until the database has gone over to it, `.key.old` until nothing is sealed under that.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::store::seal::DataKey;
use crate::store::{StoreError, key};

/// Where they are.
#[derive(Clone, Debug)]
pub(super) struct KeyFiles {
    pub(super) key: PathBuf,
    new: PathBuf,
    old: PathBuf,
}

impl KeyFiles {
    pub(super) fn of(key: &Path) -> Self {
        let with = |end: &str| {
            let mut name: OsString = key.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        };
        Self { key: key.to_owned(), new: with(".new"), old: with(".old") }
    }

    pub(super) fn main(&self) -> Result<Option<DataKey>, StoreError> {
        key::read(&self.key)
    }

    pub(super) fn new_one(&self) -> Result<Option<DataKey>, StoreError> {
        key::read(&self.new)
    }

    pub(super) fn old_one(&self) -> Result<Option<DataKey>, StoreError> {
        key::read(&self.old)
    }

    /// The key to go over to: made, unless an earlier try has made it.
    pub(super) fn next(&self) -> Result<DataKey, StoreError> {
        match self.new_one()? {
            Some(key) => Ok(key),
            None => key::create(&self.new),
        }
    }

    /// Puts the new key into its place, once the database has gone over to it.
    pub(super) fn put_in_place(&self) -> Result<(), StoreError> {
        if exists(&self.key) {
            fs::rename(&self.key, &self.old).map_err(|error| self.failed(&error))?;
        }
        fs::rename(&self.new, &self.key).map_err(|error| self.failed(&error))?;
        self.sync().map_err(|error| self.failed(&error))
    }

    /// Removes the old key, once nothing is sealed under it.
    pub(super) fn remove_old(&self) -> Result<(), StoreError> {
        match fs::remove_file(&self.old) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.failed(&error)),
            _ => self.sync().map_err(|error| self.failed(&error)),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let directory = self.key.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }

    fn failed(&self, error: &io::Error) -> StoreError {
        StoreError::Failed(format!(
            "the key files {0}, {1} and {2} cannot be changed: {error}; leave all of them there and start leakgate again",
            self.key.display(),
            self.new.display(),
            self.old.display()
        ))
    }
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}
