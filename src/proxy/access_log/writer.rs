//! Lines into the access log's file, which may be moved away and opened anew.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::Receiver;

use super::Message;
use super::line::Lines;
use crate::config::AccessLogFile;
use crate::telemetry::metrics::Metrics;

pub(super) struct Writer {
    file: AccessLogFile,
    out: Out,
    reopen: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
    /// Whether the last write went wrong, which is said once.
    failing: bool,
}

enum Out {
    Stdout,
    File(File),
}

impl Out {
    fn open(file: &AccessLogFile) -> io::Result<Self> {
        match file {
            AccessLogFile::Stdout => Ok(Self::Stdout),
            AccessLogFile::Path(path) => {
                OpenOptions::new().create(true).append(true).open(path).map(Self::File)
            }
        }
    }

    /// Whole lines, in one go.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(lines)?;
                out.flush()
            }
            Self::File(file) => file.write_all(lines),
        }
    }
}

impl Writer {
    pub(super) fn open(
        file: AccessLogFile,
        reopen: Arc<AtomicBool>,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let out = Out::open(&file)?;
        Ok(Self { file, out, reopen, metrics, failing: false })
    }

    /// Until it is told to finish, or nobody is left who would.
    pub(super) fn run(&mut self, entries: &Receiver<Message>, lines: &Lines) {
        let mut batch = Vec::new();
        while let Ok(first) = entries.recv() {
            let (mut next, mut count, mut finish) = (Some(first), 0, false);
            while let Some(message) = next {
                match message {
                    Message::Entry(entry) => {
                        lines.append(&mut batch, *entry);
                        count += 1;
                    }
                    Message::Finish => finish = true,
                }
                let has_room = batch.len() < crate::config::limits::ACCESS_LOG_WRITE_BYTES;
                next = if has_room { entries.try_recv().ok() } else { None };
            }
            self.write(&batch, count);
            batch.clear();
            if finish {
                return;
            }
        }
    }

    fn write(&mut self, lines: &[u8], count: u64) {
        if self.reopen.swap(false, Relaxed) {
            match Out::open(&self.file) {
                Ok(out) => self.out = out,
                Err(error) => {
                    tracing::error!(%error, "cannot open the access log anew; the old file is kept");
                }
            }
        }
        match self.out.write(lines) {
            Ok(()) => self.failing = false,
            Err(error) => {
                self.metrics.access_log_dropped.with_label_values(&["write_failed"]).inc_by(count);
                if !self.failing {
                    tracing::error!(%error, "cannot write the access log; lines are dropped");
                }
                self.failing = true;
            }
        }
    }
}
