//! Logs: one line per event on stderr, at levels that `/logspec` can change while the node runs.
//!
//! A specification is Fabric's: `info:endorser,gateway=debug:ledger=warn`. A logger's name is mapped to the
//! modules that do the same work here.

use prometheus::IntCounterVec;
use tracing::{Level, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, Registry as Spans,
    layer::{Context, SubscriberExt},
    reload,
    util::SubscriberInitExt,
};

use crate::Registry;

/// The level where a specification names none.
pub const DEFAULT_SPEC: &str = "info";

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why a specification or the set-up was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is not a logging specification.
    #[error("invalid logging specification '{spec}': bad segment '{segment}'")]
    BadSegment {
        /// The whole text.
        spec: String,
        /// The part that could not be read.
        segment: String,
    },
    /// Something else in the process logs already.
    #[error("logging is already set up")]
    AlreadySet,
}

/// Reads and changes the levels of a running node.
#[derive(Clone)]
pub struct LogSpec {
    spec: std::sync::Arc<std::sync::Mutex<String>>,
    reload: Option<reload::Handle<EnvFilter, Spans>>,
}

/// Counts log entries by level.
struct EntryCounter {
    checked: IntCounterVec,
    written: IntCounterVec,
}

/// Sets up logging for the process; call it once, first thing.
pub fn init(spec: &str, format: Format, registry: &Registry) -> Result<LogSpec, Error> {
    let (filter, handle) = reload::Layer::new(filter(spec)?);
    let counter = EntryCounter::new(registry);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let base = tracing_subscriber::registry().with(filter).with(counter);
    match format {
        Format::Text => base.with(lines).try_init(),
        Format::Json => base.with(lines.json()).try_init(),
    }
    .map_err(|_| Error::AlreadySet)?;
    Ok(LogSpec::over(spec, Some(handle)))
}

// === impl LogSpec ===

impl LogSpec {
    /// A specification that is kept and checked but changes nothing, for nodes that run inside a test.
    pub fn detached(spec: &str) -> Result<Self, Error> {
        filter(spec)?;
        Ok(Self::over(spec, None))
    }

    fn over(spec: &str, reload: Option<reload::Handle<EnvFilter, Spans>>) -> Self {
        Self { spec: std::sync::Arc::new(std::sync::Mutex::new(spec.to_owned())), reload }
    }

    /// The specification in force.
    pub fn get(&self) -> String {
        self.spec.lock().expect("no holder of this lock panics").clone()
    }

    /// Puts another specification in force; an empty one means the default.
    pub fn set(&self, spec: &str) -> Result<(), Error> {
        let spec = if spec.is_empty() { DEFAULT_SPEC } else { spec };
        let filter = filter(spec)?;
        if let Some(handle) = &self.reload
            && let Err(error) = handle.reload(filter)
        {
            tracing::error!(%error, "logging specification was not applied");
        }
        *self.spec.lock().expect("no holder of this lock panics") = spec.to_owned();
        Ok(())
    }
}

impl std::fmt::Debug for LogSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LogSpec").field(&self.get()).finish()
    }
}

/// Fabric's specification as tracing's filter.
fn filter(spec: &str) -> Result<EnvFilter, Error> {
    let bad =
        |segment: &str| Error::BadSegment { spec: spec.to_owned(), segment: segment.to_owned() };
    let mut directives = vec![DEFAULT_SPEC.to_owned()];
    for segment in spec.split(':').filter(|segment| !segment.is_empty()) {
        let (loggers, level) = segment.split_once('=').unwrap_or(("", segment));
        let level = level_name(level).ok_or_else(|| bad(segment))?;
        if loggers.is_empty() {
            if segment.contains('=') {
                return Err(bad(segment));
            }
            directives.push(level.to_owned());
        }
        for logger in loggers.split(',').filter(|logger| !logger.is_empty()) {
            if !logger.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
                return Err(bad(segment));
            }
            directives
                .extend(targets(logger).into_iter().map(|target| format!("{target}={level}")));
        }
    }
    EnvFilter::try_new(directives.join(",")).map_err(|_| bad(spec))
}

fn level_name(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "debug" => "debug",
        "info" => "info",
        "warn" | "warning" => "warn",
        "error" | "dpanic" | "panic" | "fatal" => "error",
        _ => return None,
    })
}

/// The modules that do here what the named logger's code does in Fabric.
fn targets(logger: &str) -> Vec<String> {
    let first = logger.split('.').next().unwrap_or(logger);
    let known: &[&str] = match first {
        "endorser" => &["carecord_peer::endorser"],
        "gateway" => &["carecord_peer::gateway"],
        "chaincode" | "lifecycle" => &["carecord_peer::chaincode", "carecord_chaincode"],
        "deliveryClient" | "blocksprovider" => &["carecord_peer::puller"],
        "committer" => &["carecord_peer::committer"],
        "deliver" | "common" => &["carecord_peer::deliver", "carecord_orderer::deliver"],
        "kvledger" | "ledger" | "statedb" => &["carecord_ledger"],
        "blkstorage" => &["carecord_blocks"],
        "msp" => &["carecord_msp"],
        "policies" | "cauthdsl" | "channelconfig" => &["carecord_channel"],
        "orderer" => &["carecord_orderer", "carecord_consensus"],
        "comm" | "grpc" => &["carecord_comm", "tonic", "h2", "hyper"],
        _ => return vec![logger.replace('.', "::"), format!("carecord_{}", first)],
    };
    known.iter().map(|target| (*target).to_owned()).collect()
}

// === impl EntryCounter ===

impl EntryCounter {
    fn new(registry: &Registry) -> Self {
        let level: &[&str] = &["level"];
        Self {
            checked: registry.counter_vec(
                "logging_entries_checked",
                "Number of log entries checked against the active logging level.",
                level,
            ),
            written: registry.counter_vec(
                "logging_entries_written",
                "Number of log entries that are written.",
                level,
            ),
        }
    }
}

impl<S: Subscriber> Layer<S> for EntryCounter {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            _ => "debug",
        };
        self.checked.with_label_values(&[level]).inc();
        self.written.with_label_values(&[level]).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fabrics_specifications_are_understood() {
        for spec in
            ["info", "debug", "info:endorser=debug", "warning:gateway,ledger=debug:msp=error"]
        {
            assert!(filter(spec).is_ok(), "{spec}");
        }
        let directives = filter("warn:endorser=debug").expect("valid").to_string();
        assert!(directives.contains("carecord_peer::endorser=debug"), "{directives}");
        assert!(directives.contains("warn"), "{directives}");
    }

    #[test]
    fn a_wrong_segment_is_named() {
        let error = filter("info:endorser=loud").expect_err("no such level");
        assert_eq!(
            error.to_string(),
            "invalid logging specification 'info:endorser=loud': bad segment 'endorser=loud'"
        );
        assert!(filter("=debug").is_err());
        assert!(filter("a b=debug").is_err());
    }

    #[test]
    fn a_refused_specification_changes_nothing() {
        let spec = LogSpec::detached("info").expect("valid");
        assert!(spec.set("nonsense").is_err());
        assert_eq!(spec.get(), "info");
        spec.set("debug").expect("valid");
        assert_eq!(spec.get(), "debug");
    }
}
