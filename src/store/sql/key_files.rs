//! The key file of a store of SQLite, and the two that are beside it while keys are rotated: `.key.new`
//! until the database has gone over to it, `.key.old` until nothing is sealed under that.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::database::Connection;
use super::fingerprint_key;
use crate::store::ring::Given;
use crate::store::seal::DataKey;
use crate::store::{StoreError, key};

/// Where they are.
#[derive(Clone, Debug)]
pub(super) struct KeyFiles {
    key: PathBuf,
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

    /// The keys out of their files, with a new one where nothing was stored yet; none where there is
    /// none.
    pub(super) fn given(
        &self,
        is_new: bool,
        notices: &mut Vec<String>,
    ) -> Result<Option<Given>, StoreError> {
        let main = match key::read(&self.key)? {
            Some(key) => key,
            // A rotation was cut off between two renames.
            None => match key::read(&self.new)? {
                Some(key) => key,
                None if is_new => {
                    notices.push(format!(
                        "made a new key file {} (mode 0600): back it up; without it the tokens cannot be read",
                        self.key.display()
                    ));
                    key::create(&self.key)?
                }
                None => return Ok(None),
            },
        };
        Ok(Some(Given { main, old: key::read(&self.old)? }))
    }

    /// The keys, with the new one first where a rotation was cut off before its file was in its place;
    /// where the store is written, the file is put there.
    pub(super) async fn settled(
        &self,
        decisions: &mut dyn Connection,
        given: Given,
        writes: bool,
    ) -> Result<Given, StoreError> {
        match key::read(&self.new)? {
            Some(new) if fingerprint_key::is_under(decisions, &new).await? => {
                // The one before it is in the first file still, or was moved on already.
                let old = key::read(&self.key)?.or(given.old);
                if writes {
                    self.put_in_place()?;
                }
                Ok(Given { main: new, old })
            }
            _ => Ok(given),
        }
    }

    /// The key to go over to: made, unless an earlier try has made it.
    pub(super) fn next(&self) -> Result<DataKey, StoreError> {
        match key::read(&self.new)? {
            Some(key) => Ok(key),
            None => key::create(&self.new),
        }
    }

    /// Puts the new key into its place, once the database has gone over to it. One that is there already
    /// stays.
    pub(super) fn put_in_place(&self) -> Result<(), StoreError> {
        if !exists(&self.new) {
            return Ok(());
        }
        if exists(&self.key) {
            fs::rename(&self.key, &self.old).map_err(|error| self.failed(&error))?;
        }
        fs::rename(&self.new, &self.key).map_err(|error| self.failed(&error))?;
        self.sync().map_err(|error| self.failed(&error))
    }

    /// Removes the old key, once nothing is sealed under it.
    pub(super) fn remove_old(&self) -> Result<(), StoreError> {
        // It may have failed when the database went over to the new key.
        self.put_in_place()?;
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
