//! What a scan says: what it looked at, what it left out, what it found, and never what the found term is.

use std::collections::BTreeMap;

use serde::Serialize;

use super::terms::Class;
use crate::output;

/// Version of the report's form.
pub(super) const SCHEMA: &str = "carecord.scan/v1";

/// A leak of this many terms is known well enough without the others.
pub(super) const HITS_MAX: usize = 1000;

/// Everything a scan did and found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Always `carecord.scan/v1`.
    pub schema: &'static str,
    /// Whether nothing was found.
    pub clean: bool,
    /// Whether everything was looked at: no node ran, no file went away, no stream was too long.
    pub complete: bool,
    /// Terms looked for, by class.
    pub terms: BTreeMap<Class, usize>,
    /// Terms left out because random bytes would hold them.
    pub terms_too_short: usize,
    /// Sums over all stores.
    pub totals: Totals,
    /// Every store, in the order of its owner.
    pub stores: Vec<Store>,
    /// What was left out on purpose, by rule.
    pub excluded: Vec<Excluded>,
    /// Nodes that ran during the scan; their newest rows may be in memory only.
    pub running: Vec<String>,
    /// How much was found.
    pub hits_total: u64,
    /// What was found, the first thousand.
    pub hits: Vec<Hit>,
}

/// Sums over all stores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Files read byte by byte.
    pub files: u64,
    /// Their bytes.
    pub file_bytes: u64,
    /// RocksDB databases dumped.
    pub tables: u64,
    /// Their column families.
    pub column_families: u64,
    /// Their rows.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub row_bytes: u64,
    /// Record logs read.
    pub record_logs: u64,
    /// Their records.
    pub records: u64,
    /// Bytes of their records.
    pub record_bytes: u64,
    /// Certificates decoded.
    pub certificates: u64,
    /// Compressed streams followed.
    pub streams: u64,
    /// Bytes of decoded views, all kinds together.
    pub decoded_bytes: u64,
    /// Compressed streams that were longer than the limit and read up to it.
    pub cut_streams: u64,
    /// Files that went away during the scan.
    pub vanished: u64,
}

/// The kind of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Files, byte by byte.
    Files,
    /// The rows of a RocksDB database.
    Table,
    /// The records of a block log or an orderer's log.
    RecordLog,
}

/// A store: all files of one kind of an owner, a database, or a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Store {
    /// The node it belongs to, or the part of the network's folder that it lies in.
    pub owner: String,
    /// What it is.
    pub kind: Kind,
    /// Its folder, below the network's.
    pub path: String,
    /// Files, rows or records.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The column families of a database, each with its rows.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub column_families: BTreeMap<String, u64>,
}

/// A rule that leaves something out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Excluded {
    /// The rule.
    pub rule: &'static str,
    /// Why it may be left out.
    pub reason: &'static str,
    /// Files it left out.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A term that was found somewhere; each term once per place and view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// The owner of the store.
    pub owner: String,
    /// The kind of the store.
    pub kind: Kind,
    /// File, database or log, with terms in its name painted over.
    pub path: String,
    /// Where in it.
    pub place: String,
    /// How it had to be decoded, outermost first; `raw` if it lay open.
    pub view: String,
    /// What kind of secret it is.
    pub class: Class,
    /// Number of the term in this scan, the same for every place it is found at.
    pub term: u32,
    /// The term, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
}

// === impl Report ===

impl Report {
    /// The report for people: stores, exclusions, findings.
    pub fn table(&self) -> String {
        let stores = self.stores.iter().map(|store| {
            let kind = kind_word(store.kind).to_owned();
            let (items, bytes) = (store.items.to_string(), store.bytes.to_string());
            [store.owner.clone(), kind, items, bytes, store.path.clone()]
        });
        let excluded = self
            .excluded
            .iter()
            .map(|rule| [rule.rule.to_owned(), rule.files.to_string(), rule.bytes.to_string()]);
        let mut parts = vec![
            output::table(["OWNER", "STORE", "ITEMS", "BYTES", "PATH"], stores),
            output::table(["LEFT OUT", "FILES", "BYTES"], excluded),
        ];
        if !self.hits.is_empty() {
            let hits = self.hits.iter().map(|hit| {
                let class = hit.class.word().to_owned();
                let place = format!("{} {}", hit.path, hit.place);
                [class, hit.view.clone(), place, hit.shown.clone().unwrap_or_default()]
            });
            parts.push(output::table(["FOUND", "VIEW", "WHERE", "TERM"], hits));
        }
        parts.push(self.summary());
        parts.join("\n\n")
    }

    /// The report in one line.
    pub fn summary(&self) -> String {
        let terms: usize = self.terms.values().sum();
        let totals = &self.totals;
        let mut line = format!(
            "{} found of {terms} terms in {} files ({} bytes), {} tables ({} rows), {} record logs ({} records), \
             {} certificates",
            self.hits_total,
            totals.files,
            totals.file_bytes,
            totals.tables,
            totals.rows,
            totals.record_logs,
            totals.records,
            totals.certificates,
        );
        if totals.cut_streams > 0 {
            line += &format!("; {} compressed streams not read to their end", totals.cut_streams);
        }
        if !self.running.is_empty() {
            line += &format!("; still running: {}", self.running.join(", "));
        }
        line
    }
}

/// The kind in tables.
fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Files => "files",
        Kind::Table => "table",
        Kind::RecordLog => "record log",
    }
}
