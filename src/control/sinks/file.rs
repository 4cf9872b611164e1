//! A file, or standard output, with a line of JSON for each entry.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::{Deliver, Delivery, Failure, format};
use crate::model::sink::Format;

/// How often files were asked to be opened anew.
#[derive(Clone, Default)]
pub(super) struct Reopenings(Arc<AtomicU64>);

impl Reopenings {
    /// Has every file opened anew before its next line.
    pub(super) fn ask(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Lines of JSON.
pub(super) struct Lines {
    to: Arc<Mutex<To>>,
    format: Format,
}

enum To {
    Stdout,
    File {
        path: PathBuf,
        reopenings: Reopenings,
        /// What is written to, and how often it had been asked for when it was opened.
        open: Option<(File, u64)>,
    },
}

impl Lines {
    pub(super) fn stdout(format: Format) -> Self {
        Self { to: Arc::new(Mutex::new(To::Stdout)), format }
    }

    pub(super) fn file(path: PathBuf, reopenings: Reopenings, format: Format) -> Self {
        let to = To::File { path, reopenings, open: None };
        Self { to: Arc::new(Mutex::new(to)), format }
    }
}

#[async_trait]
impl Deliver for Lines {
    async fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<(), Failure> {
        let mut text = String::new();
        for entry in delivery.entries {
            text.push_str(&format::shown(entry, self.format).to_string());
            text.push('\n');
        }
        let to = Arc::clone(&self.to);
        let written = tokio::task::spawn_blocking(move || {
            to.lock().unwrap_or_else(PoisonError::into_inner).write(text.as_bytes())
        });
        let written = written.await.map_err(|_| Failure::new("writing broke off"))?;
        written.map_err(|error| Failure::new(format!("it cannot be written: {error}")))
    }
}

impl To {
    fn write(&mut self, text: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = std::io::stdout().lock();
                stdout.write_all(text).and_then(|()| stdout.flush())
            }
            Self::File { path, reopenings, open } => {
                let asked = reopenings.count();
                let mut file = match open.take() {
                    Some((file, opened)) if opened == asked => file,
                    _ => opened(path)?,
                };
                let length = file.seek(SeekFrom::End(0))?;
                if let Err(error) = file.write_all(text) {
                    // Half a batch would be there twice; what cannot be taken back is.
                    let _ = file.set_len(length);
                    return Err(error);
                }
                *open = Some((file, asked));
                Ok(())
            }
        }
    }
}

/// A file to add lines to. A line that a kill has cut short is ended first.
fn opened(path: &PathBuf) -> std::io::Result<File> {
    let mut file =
        OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)?;
    if file.seek(SeekFrom::End(0))? > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}
