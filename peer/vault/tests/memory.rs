//! What a delete costs where a record has very many wraps, as an attacker left them before there was a limit.
//!
//! A program of its own: the figure is the process's memory.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::sync::Arc;

#[path = "it/world.rs"]
#[allow(dead_code)]
mod world;

use carecord_vault::Limits;
use world::{VAULT, Ward, cid};

const ROWS: usize = 100_000;
const VALUE_BYTES: usize = 2_000;
/// Four deletes at once, with the database's own buffers; the rows are 200 MB, and were held four times.
const GROWTH_MAX_KIB: u64 = 96 << 10;

#[tokio::test]
async fn deletes_of_an_absent_key_hold_neither_the_values_nor_all_keys() {
    let ward = Ward::new();
    let (patient, author) = (ward.person("patient"), ward.person("practitioner"));
    let record = ward.record(&author, &patient, &cid("a record"));
    let dir = tempfile::tempdir().unwrap();
    fill(&dir.path().join("wraps"), &record);
    let vault = Arc::new(ward.vault(VAULT, dir.path(), Limits::default()).await);

    let before = resident_kib("VmRSS");
    std::fs::write("/proc/self/clear_refs", "5").unwrap(); // the peak begins anew
    let deletes = (0..4).map(|_| {
        let (vault, absent) = (Arc::clone(&vault), patient.deletion(&record, &"0".repeat(32)));
        tokio::spawn(async move { vault.delete(absent).await.unwrap() })
    });
    for delete in deletes.collect::<Vec<_>>() {
        assert_eq!(delete.await.unwrap(), 0);
    }
    let growth = resident_kib("VmHWM").saturating_sub(before);
    assert!(growth < GROWTH_MAX_KIB, "four deletes took {growth} KiB");

    let all = vault.delete(patient.deletion(&record, "")).await.unwrap();
    assert_eq!(all as usize, ROWS);
}

fn fill(path: &std::path::Path, record: &world::Added) {
    std::fs::create_dir_all(path).unwrap();
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    let db = rocksdb::DB::open(&options, path).unwrap();
    for rows in (0..ROWS).collect::<Vec<_>>().chunks(1_000) {
        let mut batch = rocksdb::WriteBatch::default();
        for row in rows {
            let key = format!("w/care/{}/{}/{row:032x}1", record.id, record.data_key);
            batch.put(key, world::random::<VALUE_BYTES>());
        }
        db.write(batch).unwrap();
    }
    db.flush().unwrap();
}

fn resident_kib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
