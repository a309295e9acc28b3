//! The thread that writes a channel's log: appends what waits, syncs once, reports.

use std::sync::mpsc as thread_mpsc;
use std::time::Instant;

use carecord_consensus::{Event, PersistToken, Record};
use carecord_monitoring::OrdererMetrics;
use tokio::sync::mpsc;

use crate::Error;
use crate::storage::Appender;

/// The way to the writer's thread; the thread ends with it.
pub(crate) struct Writer {
    jobs: thread_mpsc::Sender<Job>,
    thread: std::thread::JoinHandle<Option<Appender>>,
}

struct Job {
    token: PersistToken,
    records: Vec<Record>,
    sync: bool,
}

struct Thread {
    channel: String,
    appender: Appender,
    reports: mpsc::UnboundedSender<Event>,
    metrics: OrdererMetrics,
}

// === impl Writer ===

impl Writer {
    /// Starts the thread. A failed write ends it and is told to `fatal`: the process must restart and recover.
    pub(crate) fn start(
        channel: &str,
        appender: Appender,
        reports: mpsc::UnboundedSender<Event>,
        fatal: mpsc::UnboundedSender<Error>,
        metrics: OrdererMetrics,
    ) -> Result<Self, Error> {
        let (jobs, waiting) = thread_mpsc::channel();
        let thread = Thread { channel: channel.to_owned(), appender, reports, metrics };
        let spawned =
            std::thread::Builder::new().name(format!("log {channel}")).spawn(move || match thread
                .run(&waiting)
            {
                Ok(appender) => Some(appender),
                Err(error) => {
                    let _ = fatal.send(error);
                    None
                }
            });
        let failed = |source| Error::Disk { what: "writer thread".to_owned(), source };
        Ok(Self { jobs, thread: spawned.map_err(failed)? })
    }

    /// Lets it write what is queued, and gives the log's writable end back; nothing if writing failed.
    pub(crate) async fn end(self) -> Option<Appender> {
        let Self { jobs, thread } = self;
        drop(jobs);
        tokio::task::spawn_blocking(move || thread.join().ok().flatten()).await.ok().flatten()
    }

    /// Queues records; how many can wait is bounded by the core, which awaits its reports.
    pub(crate) fn write(&self, token: PersistToken, records: Vec<Record>, sync: bool) {
        // If the thread has ended, the owner learns of it by the end of its reports.
        let _ = self.jobs.send(Job { token, records, sync });
    }
}

// === impl Thread ===

impl Thread {
    fn run(mut self, waiting: &thread_mpsc::Receiver<Job>) -> Result<Appender, Error> {
        while let Ok(first) = waiting.recv() {
            let begun = Instant::now();
            let (mut last, mut sync) = (first.token, first.sync);
            self.appender.append(&first.records)?;
            while let Ok(job) = waiting.try_recv() {
                self.appender.append(&job.records)?;
                (last, sync) = (job.token, sync || job.sync);
            }
            if sync {
                self.appender.sync()?;
                let seconds = begun.elapsed().as_secs_f64();
                let name = [self.channel.as_str()];
                self.metrics.raft.data_persist_duration.with_label_values(&name).observe(seconds);
                self.metrics.blockstorage_commit_time.with_label_values(&name).observe(seconds);
            }
            // An owner that ended needs to hear nothing.
            let _ = self.reports.send(Event::Persisted { token: last });
        }
        Ok(self.appender)
    }
}
