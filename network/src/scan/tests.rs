//! The scan over folders made up for it: leaks of each kind are named, and nothing else is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use carecord_blocks::RecordLog;
use carecord_blocks::record_log::Options as LogOptions;
use carecord_blocks::storage::{Disk, Storage};
use rocksdb::{DB, DBCompressionType, Options as TableOptions};

use super::*;

const NAME: &str = "Alberto Atencio";
const KEY: [u8; 32] = [0xA7; 32];

fn terms() -> Terms {
    let mut terms = Terms::new();
    terms.add_name(&["Alberto"], "Atencio");
    terms.add_text(Class::Street, "883 Nader Harbor");
    terms.add_key(&KEY);
    terms
}

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn table(folder: &Path, rows: &[(&str, &[u8])]) {
    fs::create_dir_all(folder).unwrap();
    let mut options = TableOptions::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_compression_type(DBCompressionType::Lz4);
    let families = [("state", options.clone()), ("index", options.clone())];
    let db = DB::open_cf_with_opts(&options, folder, families).unwrap();
    let state = db.cf_handle("state").unwrap();
    for (key, value) in rows {
        db.put_cf(&state, key, value).unwrap();
    }
    db.flush_cf(&state).unwrap();
}

fn record_log(folder: &Path, bodies: &[&[u8]]) {
    let disk: Arc<dyn Storage> = Disk::open(folder).unwrap();
    let mut log = RecordLog::open(disk, LogOptions::new(*b"BLKS")).unwrap();
    for body in bodies {
        log.append(1, 0, 0, body).unwrap();
    }
    log.sync().unwrap();
}

/// A folder with a bit of everything that a network's has, and nothing that it must not have.
fn network() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(root, "network.json", b"{\"schema\":\"carecord.network/v1\"}");
    write(root, "logs/peer1.log", b"level=info msg=\"committed block\" number=7\n");
    write(root, "nodes/peer1/node.toml", b"name = \"peer1\"\n");
    write(root, "nodes/peer1/data/vault/contents/ab/cid", &[0x5A; 3000]);
    write(root, "organizations/peerOrganizations/a.example/msp/cacerts/ca.pem", b"-----BEGIN");
    table(&root.join("nodes/peer1/data/ledgers/care/state"), &[("key", b"value")]);
    table(&root.join("nodes/peer1/data/vault/wraps"), &[("w/care/1/2/3", b"wrap")]);
    record_log(&root.join("nodes/peer1/data/ledgers/care/blocks"), &[b"block 0", b"block 1"]);
    record_log(&root.join("nodes/orderer1/data/care"), &[b"genesis"]);
    dir
}

fn hits(root: &Path) -> Vec<(Class, Kind, String, String)> {
    let report = folder(root, &terms(), Options::default()).unwrap();
    assert_eq!(report.clean, report.hits.is_empty());
    report.hits.into_iter().map(|hit| (hit.class, hit.kind, hit.path, hit.view)).collect()
}

#[test]
fn a_clean_network_is_clean_and_every_store_is_counted() {
    let dir = network();
    let report = folder(dir.path(), &terms(), Options::default()).unwrap();
    assert!(report.clean && report.complete, "{:?}", report.hits);
    let totals = report.totals;
    assert_eq!((totals.tables, totals.column_families, totals.rows), (2, 6, 2));
    assert_eq!((totals.record_logs, totals.records), (2, 3));
    let files: u64 =
        report.stores.iter().filter(|s| s.kind == Kind::Files).map(|store| store.items).sum();
    assert_eq!(files, totals.files);
}

#[test]
fn a_leak_in_each_kind_of_store_is_named_with_its_place() {
    let dir = network();
    let root = dir.path();
    write(root, "logs/peer2.log", format!("msg=\"opened for {NAME}\"").as_bytes());
    let state = "nodes/peer2/data/ledgers/care/state";
    table(&root.join(state), &[("883 nader harbor", b"x"), ("key", &KEY)]);
    let blocks = "nodes/peer2/data/ledgers/care/blocks";
    record_log(&root.join(blocks), &[b"block 0", b"{ \"family\" : \"Atencio\" }"]);
    let found = hits(root);
    let named = |class, kind, path: &str, view: &str| {
        let expected = (class, kind, path.to_owned(), view.to_owned());
        assert!(found.contains(&expected), "{expected:?} is not in {found:?}");
    };
    named(Class::FullName, Kind::Files, "logs/peer2.log", "raw");
    named(Class::Street, Kind::Table, state, "raw");
    named(Class::DataKey, Kind::Table, state, "raw");
    named(Class::NameField, Kind::RecordLog, blocks, "without-whitespace");
}

#[test]
fn no_report_holds_a_term_unless_it_is_asked_for() {
    let dir = network();
    write(dir.path(), "nodes/peer1/Alberto_Atencio.json", NAME.as_bytes());
    for show in [false, true] {
        let report = folder(dir.path(), &terms(), Options { show, ..Options::default() }).unwrap();
        assert!(!report.clean);
        let text = serde_json::to_string(&report).unwrap() + &report.table();
        assert_eq!(text.contains(NAME), show, "{text}");
        assert!(!text.contains("Alberto_Atencio"), "the path is painted over: {text}");
    }
}

#[test]
fn only_the_folders_of_people_are_left_out_and_their_bytes_are_counted() {
    let dir = network();
    let users = "organizations/peerOrganizations/a.example/users/x@a.example";
    write(dir.path(), &format!("{users}/carecord/encryption.key"), &KEY);
    write(dir.path(), "wallets/x/record.json", NAME.as_bytes());
    let report = folder(dir.path(), &terms(), Options::default()).unwrap();
    assert!(report.clean, "{:?}", report.hits);
    let left_out: Vec<_> = report.excluded.iter().map(|rule| (rule.files, rule.bytes)).collect();
    assert_eq!(left_out, [(1, 32), (1, NAME.len() as u64)]);

    write(dir.path(), &format!("{users}/msp/signcerts/cert.pem"), NAME.as_bytes());
    write(dir.path(), "nodes/peer1/data/wallets/x", NAME.as_bytes());
    write(dir.path(), "nodes/peer1/carecord/encryption.key", &KEY);
    let found: BTreeSet<_> = hits(dir.path()).into_iter().map(|(_, _, path, _)| path).collect();
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn a_store_that_cannot_be_read_makes_the_scan_fail() {
    let dir = network();
    write(dir.path(), "nodes/peer3/data/state/CURRENT", b"MANIFEST-000009\n");
    let failure = folder(dir.path(), &terms(), Options::default()).unwrap_err();
    assert_eq!(failure.code(), BLIND);
}

#[test]
fn every_canary_is_found_and_the_network_stays_as_it_was() {
    let dir = network();
    let before = listing(dir.path());
    let proof = canary::prove_folder(dir.path()).unwrap();
    assert_eq!((proof.tables, proof.record_logs), (2, 2));
    let of = |kind| proof.canaries.iter().filter(|canary| canary.kind == kind).count();
    // Four rows in each column family, four records in each log.
    assert_eq!((of(Kind::Table), of(Kind::RecordLog)), (2 * 3 * 4, 2 * 4));
    for view in ["raw", "gzip", "zlib", "base64", "hex", "utf-16", "json-escapes"]
        .into_iter()
        .chain(["percent-escapes", "without-whitespace", "certificate"])
    {
        assert!(proof.canaries.iter().any(|canary| canary.view == view), "{view}");
    }
    assert!(proof.canaries.iter().all(|canary| canary.found));
    assert_eq!(listing(dir.path()), before);
}

fn listing(root: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(listing(&path));
        } else {
            files.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}
