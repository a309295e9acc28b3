//! The walk over a network's folder: which bytes belong to which store, and what is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use super::matcher::Matcher;
use super::report::{Excluded, Hit, Kind, Report, SCHEMA, Store, Totals};
use super::search::{Found, Search};
use super::source::WINDOW_BYTES;
use super::{Options, blind, records, tables};
use crate::error::Outcome;
use crate::state::{NetworkDir, NetworkFile};

/// Folders this deep are stores of their own; what lies deeper counts to them.
const STORE_DEPTH: usize = 4;
/// The owner of what belongs to no node.
const NETWORK: &str = "network";

/// A rule that leaves something out: its text, the reason, and whether it concerns a path given in its parts.
type Rule = (&'static str, &'static str, fn(&[&str]) -> bool);

/// What is left out: the folders of people, where their own keys and records have their place.
const RULES: [Rule; 2] = [
    (
        "organizations/*/*/users/*/carecord",
        "a person's own encryption key, which only their client reads",
        |path| {
            let [first, _, _, users, _, own, ..] = path else { return false };
            (*first, *users, *own) == ("organizations", "users", "carecord")
        },
    ),
    ("wallets", "keys and records that the client side of this machine keeps", |path| {
        path.first() == Some(&"wallets")
    }),
];

/// Where to look, and whom the places belong to.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// The network's folder, then folders of nodes outside of it.
    roots: Vec<PathBuf>,
    /// Beginnings of paths, or names of folders, and the node they belong to.
    owners: Vec<(PathBuf, String)>,
}

/// Scans everything that a layout names.
pub(super) fn scan(layout: &Layout, matcher: &Matcher, options: Options) -> Outcome<Report> {
    let excluded = RULES.map(|(rule, reason, _)| Excluded { rule, reason, files: 0, bytes: 0 });
    let mut scan = Scan {
        layout,
        matcher,
        options,
        search: Search::new(matcher),
        totals: Totals::default(),
        files: BTreeMap::new(),
        stores: Vec::new(),
        excluded,
        hits: Vec::new(),
        seen: BTreeSet::new(),
    };
    for root in &layout.roots {
        scan.folder(root)?;
    }
    Ok(scan.report())
}

/// Which rule leaves `path`, given below the network's folder, out.
pub(super) fn excluded(path: &Path) -> Option<usize> {
    let parts: Vec<&str> = path
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    RULES.iter().position(|(_, _, concerns)| concerns(&parts))
}

// === impl Layout ===

impl Layout {
    /// The folder of a network.
    pub(super) fn of(dir: &NetworkDir, file: &NetworkFile) -> Self {
        let mut layout = Self::plain(dir.root());
        for node in &file.nodes {
            let own = node.config_file.parent().unwrap_or(&node.config_file);
            for path in [own, &node.data_dir, &node.log_file] {
                if !layout.roots.iter().any(|root| path.starts_with(root)) {
                    layout.roots.push(path.to_owned());
                }
                layout.owners.push((layout.below(path), node.name.clone()));
            }
            layout.owners.push((PathBuf::from(&node.tls_server_name), node.name.clone()));
        }
        layout
    }

    /// Any folder.
    pub(super) fn plain(root: &Path) -> Self {
        Self { roots: vec![root.to_owned()], owners: Vec::new() }
    }

    /// The path below the network's folder; one outside of it stays whole.
    fn below(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.roots[0]).unwrap_or(path).to_owned()
    }

    fn owner(&self, path: &Path) -> String {
        let is_theirs = |place: &Path| {
            path.starts_with(place) || path.components().any(|part| part.as_os_str() == place)
        };
        let owner = self.owners.iter().find(|(place, _)| is_theirs(place));
        owner.map_or_else(|| NETWORK.to_owned(), |(_, name)| name.clone())
    }
}

/// A scan under way.
struct Scan<'a> {
    layout: &'a Layout,
    matcher: &'a Matcher,
    options: Options,
    search: Search<'a>,
    totals: Totals,
    files: BTreeMap<(String, String), Store>,
    stores: Vec<Store>,
    excluded: [Excluded; RULES.len()],
    hits: Vec<Hit>,
    seen: BTreeSet<(String, Kind, String, u32)>,
}

// === impl Scan ===

impl Scan<'_> {
    /// Everything in `path`, the names included; then, if it is a database or a log, its rows or records.
    fn folder(&mut self, path: &Path) -> Outcome<()> {
        let below = self.layout.below(path);
        if let Some(rule) = excluded(&below) {
            return self.leave_out(path, rule);
        }
        if !self.layout.roots.iter().any(|root| root == path) {
            self.name(&below);
        }
        let mut label = None;
        for entry in entries(path)? {
            let Some(kind) = self.unless_vanished(&entry, fs::symlink_metadata(&entry))? else {
                continue;
            };
            if kind.is_dir() {
                self.folder(&entry)?;
            } else if kind.is_file() {
                label = label.or_else(|| records::label(&entry));
                self.file(&entry, kind.len())?;
            } else if kind.is_symlink() {
                self.link(&entry)?;
            }
        }
        if tables::is_table(path) {
            self.table(path)?;
        }
        match label {
            Some(label) => self.record_log(path, label),
            None => Ok(()),
        }
    }

    fn file(&mut self, path: &Path, length: u64) -> Outcome<()> {
        let below = self.layout.below(path);
        if let Some(rule) = excluded(&below) {
            return self.leave_out(path, rule);
        }
        self.name(&below);
        let read = if length <= WINDOW_BYTES as u64 {
            fs::read(path).map(|bytes| {
                self.search.bytes(&bytes);
                bytes.len() as u64
            })
        } else {
            File::open(path).and_then(|file| self.search.source(&file))
        };
        let Some(bytes) = self.unless_vanished(path, read)? else { return Ok(()) };
        self.take_hits(&below, Kind::Files, |found| match found.trail.is_raw() {
            true => format!("at byte {}", found.offset),
            false => format!("from byte {} on", found.offset),
        });
        self.totals.files += 1;
        self.totals.file_bytes += bytes;
        let owner = self.layout.owner(&below);
        let group: PathBuf =
            below.parent().into_iter().flat_map(Path::components).take(STORE_DEPTH).collect();
        let group = self.matcher.redact(&group.display().to_string());
        let store = self.files.entry((owner.clone(), group.clone())).or_insert_with(|| Store {
            owner,
            kind: Kind::Files,
            path: group,
            items: 0,
            bytes: 0,
            column_families: BTreeMap::new(),
        });
        store.items += 1;
        store.bytes += bytes;
        Ok(())
    }

    /// A link is not followed: what it points to is scanned where it lies, or lies outside.
    fn link(&mut self, path: &Path) -> Outcome<()> {
        let below = self.layout.below(path);
        let Some(target) = self.unless_vanished(path, fs::read_link(path))? else { return Ok(()) };
        self.search.bytes(target.as_os_str().as_encoded_bytes());
        self.take_hits(&below, Kind::Files, |_| "what it points to".to_owned());
        self.name(&below);
        Ok(())
    }

    fn name(&mut self, below: &Path) {
        self.search.bytes(below.as_os_str().as_encoded_bytes());
        self.take_hits(below, Kind::Files, |_| "its name".to_owned());
    }

    fn table(&mut self, path: &Path) -> Outcome<()> {
        let below = self.layout.below(path);
        let mut found = Vec::new();
        let search = &mut self.search;
        let dumped = tables::dump(path, |place, rows| {
            search.bytes(rows);
            found.extend(search.take_found().into_iter().map(|one| (place.clone(), one)));
        })?;
        for (place, one) in found {
            self.hit(&below, Kind::Table, place, one);
        }
        self.totals.tables += 1;
        self.totals.column_families += dumped.column_families.len() as u64;
        self.totals.rows += dumped.rows;
        self.totals.row_bytes += dumped.bytes;
        self.add_store(&below, Kind::Table, dumped.rows, dumped.bytes, dumped.column_families);
        Ok(())
    }

    fn record_log(&mut self, path: &Path, label: [u8; 4]) -> Outcome<()> {
        let below = self.layout.below(path);
        let (mut count, mut bytes) = (0, 0);
        let mut found = Vec::new();
        let search = &mut self.search;
        records::read(path, label, |place, body| {
            search.bytes(body);
            found.extend(search.take_found().into_iter().map(|one| (place.clone(), one)));
            count += 1;
            bytes += body.len() as u64;
        })?;
        for (place, one) in found {
            self.hit(&below, Kind::RecordLog, place, one);
        }
        self.totals.record_logs += 1;
        self.totals.records += count;
        self.totals.record_bytes += bytes;
        self.add_store(&below, Kind::RecordLog, count, bytes, BTreeMap::new());
        Ok(())
    }

    fn add_store(
        &mut self,
        below: &Path,
        kind: Kind,
        items: u64,
        bytes: u64,
        column_families: BTreeMap<String, u64>,
    ) {
        let owner = self.layout.owner(below);
        let path = self.matcher.redact(&below.display().to_string());
        self.stores.push(Store { owner, kind, path, items, bytes, column_families });
    }

    fn take_hits(&mut self, below: &Path, kind: Kind, place: impl Fn(&Found) -> String) {
        for found in self.search.take_found() {
            self.hit(below, kind, place(&found), found);
        }
    }

    fn hit(&mut self, below: &Path, kind: Kind, place: String, found: Found) {
        let path = self.matcher.redact(&below.display().to_string());
        let view = found.trail.text();
        // The name of a folder is part of every name below it: once is enough.
        let is_new = self.seen.insert((path.clone(), kind, view.clone(), found.term));
        if !is_new || self.hits.len() >= self.options.listed {
            return;
        }
        self.hits.push(Hit {
            owner: self.layout.owner(below),
            kind,
            path,
            place,
            view,
            class: self.matcher.class(found.term),
            term: found.term,
            shown: self.options.show.then(|| self.matcher.shown(found.term).to_owned()),
        });
    }

    fn leave_out(&mut self, path: &Path, rule: usize) -> Outcome<()> {
        let Some(kind) = self.unless_vanished(path, fs::symlink_metadata(path))? else {
            return Ok(());
        };
        if kind.is_dir() {
            return entries(path)?.iter().try_for_each(|entry| self.leave_out(entry, rule));
        }
        self.excluded[rule].files += 1;
        self.excluded[rule].bytes += kind.len();
        Ok(())
    }

    /// A running node deletes files; anything else that cannot be read makes the scan fail.
    fn unless_vanished<T>(&mut self, path: &Path, read: io::Result<T>) -> Outcome<Option<T>> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.totals.vanished += 1;
                Ok(None)
            }
            Err(error) => Err(blind(path, error)),
        }
    }

    fn report(mut self) -> Report {
        let counts = self.search.counts;
        self.totals.certificates = counts.certificates;
        self.totals.streams = counts.streams;
        self.totals.cut_streams = counts.cut_streams;
        self.totals.decoded_bytes = counts.decoded_bytes;
        self.stores.extend(self.files.into_values());
        self.stores.sort_by(|a, b| (&a.owner, a.kind, &a.path).cmp(&(&b.owner, b.kind, &b.path)));
        Report {
            schema: SCHEMA,
            clean: self.seen.is_empty(),
            complete: self.totals.cut_streams == 0 && self.totals.vanished == 0,
            terms: self.matcher.counts().iter().copied().collect(),
            terms_too_short: self.matcher.too_short(),
            totals: self.totals,
            stores: self.stores,
            excluded: self.excluded.into(),
            running: Vec::new(),
            hits_total: self.seen.len() as u64,
            hits: self.hits,
        }
    }
}

/// What lies in a folder, sorted; a single file is its own only entry.
fn entries(path: &Path) -> Outcome<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let read = || -> io::Result<Vec<PathBuf>> {
        fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect()
    };
    let mut entries = read().map_err(|error| blind(path, error))?;
    entries.sort_unstable();
    Ok(entries)
}
