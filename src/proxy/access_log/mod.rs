//! The access log: a JSON line for each sampled request, and for each that was refused or failed. Its
//! lines are made and written by a thread of their own, so that no worker waits for a disk.

mod credentials;
mod line;
mod writer;

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use jiff::Timestamp;

use self::line::Lines;
use self::writer::Writer;
use super::kept_head::KeptHead;
use crate::config::{AccessLogFile, limits};
use crate::matcher::PatchsetHandle;
use crate::model::fingerprint::FingerprintKey;
use crate::telemetry::metrics::Metrics;

/// What a line tells of, as the worker knows it.
pub(crate) struct Entry {
    pub(crate) at: Timestamp,
    pub(crate) request_id: HeaderValue,
    pub(crate) client: IpAddr,
    pub(crate) peer: IpAddr,
    /// Whether the client's connection was secured by TLS.
    pub(crate) secure: bool,
    /// Who the client was by its certificate.
    pub(crate) certificate: Option<String>,
    pub(crate) protocol: &'static str,
    pub(crate) head: Option<KeptHead>,
    /// The fields of the head whose credentials are shown as fingerprints.
    pub(crate) credentials: Arc<[HeaderName]>,
    pub(crate) upstream: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) outcome: &'static str,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) duration: Duration,
    pub(crate) upstream_time: Option<Duration>,
    pub(crate) inspection_time: Option<Duration>,
}

enum Message {
    Entry(Box<Entry>),
    Finish,
}

/// The access log of a process.
pub struct AccessLog {
    queue: AccessQueue,
    reopen: Arc<AtomicBool>,
    writer: JoinHandle<()>,
}

/// Why there is no access log.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the access log {}: {source}; check gateway.access_log.file", path.display())]
pub struct AccessLogError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl AccessLog {
    /// Opens it. Credentials are shown by their fingerprints under `key`, tokens of the patchset in
    /// force by theirs.
    ///
    /// # Errors
    /// [`AccessLogError`] where the file cannot be opened for appending.
    pub fn start(
        file: &AccessLogFile,
        key: FingerprintKey,
        patchset: PatchsetHandle,
        metrics: Arc<Metrics>,
    ) -> Result<Self, AccessLogError> {
        let failed = |source| AccessLogError { path: file.path(), source };
        let (sender, entries) = mpsc::sync_channel(limits::ACCESS_LOG_QUEUE);
        let reopen = Arc::new(AtomicBool::new(false));
        let writer = Writer::open(file.clone(), Arc::clone(&reopen), Arc::clone(&metrics));
        let mut writer = writer.map_err(failed)?;
        let lines = Lines { key, patchset };
        let writer = thread::Builder::new()
            .name("leakgate-access-log".to_owned())
            .spawn(move || writer.run(&entries, &lines))
            .map_err(failed)?;
        Ok(Self { queue: AccessQueue { sender, metrics }, reopen, writer })
    }

    /// Where workers put their entries.
    pub(crate) fn queue(&self) -> AccessQueue {
        self.queue.clone()
    }

    /// Opens the file anew before the next line, since it was moved away.
    pub fn reopen(&self) {
        self.reopen.store(true, Relaxed);
    }

    /// Writes what is queued, and ends. Blocks until that is done.
    pub fn finish(self) {
        // A thread that has ended takes no message.
        let _ = self.queue.sender.send(Message::Finish);
        if self.writer.join().is_err() {
            tracing::error!("the access log's thread ended by itself");
        }
    }
}

/// Where a worker puts its entries.
#[derive(Clone)]
pub(crate) struct AccessQueue {
    sender: SyncSender<Message>,
    metrics: Arc<Metrics>,
}

impl AccessQueue {
    /// One more; dropped and counted where the queue is full.
    pub(crate) fn put(&self, entry: Entry) {
        if self.sender.try_send(Message::Entry(Box::new(entry))).is_err() {
            self.metrics.access_log_dropped.with_label_values(&["queue_full"]).inc();
        }
    }
}
