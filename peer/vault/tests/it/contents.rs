//! Contents: how much of them, for how long, and whether they are what they were.

use std::path::{Path, PathBuf};

use carecord_vault::{Limits, Swept};
use tonic::Code;

use crate::world::{VAULT, Ward, cid, now, random_id, refused};

const HOUR: i64 = 3_600;

fn small() -> Limits {
    Limits {
        unnamed_bytes_per_person: 1_000,
        unnamed_contents_per_person: 3,
        unnamed_bytes_per_organisation: 1_500,
        ..Limits::default()
    }
}

#[tokio::test]
async fn what_no_record_names_counts_against_its_sender_and_their_organisation() {
    let ward = Ward::new();
    let (patient, author) = (ward.person("patient"), ward.person("practitioner"));
    let dir = tempfile::tempdir().unwrap();
    let vault = ward.vault(VAULT, dir.path(), small()).await;
    let (record, bytes) = (random_id(), [1; 900]);
    let stored = vault.put(&author, &record, &bytes).await.unwrap();
    vault.put(&author, &record, &bytes).await.unwrap(); // the same once more is no more
    let more = vault.put(&author, &random_id(), &[2; 101]).await;
    refused(more, Code::ResourceExhausted, "CR-VLT-019 ");
    let others = vault.put(&patient, &random_id(), &[3; 601]).await;
    refused(others, Code::ResourceExhausted, "CR-VLT-019 ");
    vault.put(&patient, &random_id(), &[3; 600]).await.unwrap();

    // With the record committed and its wraps stored there is room again.
    let added = ward.record_as(&author, &patient, &stored, record);
    vault.put_wraps(author.wraps(&added, vec![patient.wrap_of(&added)], 0)).await.unwrap();
    for text in [&b"one"[..], b"two", b"three"] {
        vault.put(&author, &random_id(), text).await.unwrap();
    }
    let fourth = vault.put(&author, &random_id(), b"four").await;
    refused(fourth, Code::ResourceExhausted, "CR-VLT-019 ");

    vault.stop().await;
    let vault = ward.vault(VAULT, dir.path(), small()).await;
    let fourth = vault.put(&author, &random_id(), b"four").await;
    refused(fourth, Code::ResourceExhausted, "CR-VLT-019 ");
}

#[tokio::test]
async fn a_committed_record_makes_room_without_its_wraps_too() {
    let ward = Ward::new();
    let (patient, author) = (ward.person("patient"), ward.person("practitioner"));
    let dir = tempfile::tempdir().unwrap();
    let vault = ward.vault(VAULT, dir.path(), small()).await;
    let record = random_id();
    let stored = vault.put(&author, &record, &[1; 1_000]).await.unwrap();
    ward.record_as(&author, &patient, &stored, record);
    vault.put(&author, &random_id(), &[2; 1_000]).await.unwrap();
}

#[tokio::test]
async fn what_no_record_names_is_removed_after_a_time_and_what_one_names_is_not() {
    let ward = Ward::new();
    let (patient, author) = (ward.person("patient"), ward.person("practitioner"));
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { unnamed_seconds: HOUR, ..Limits::default() };
    let vault = ward.vault(VAULT, dir.path(), limits).await;
    let (named, record) = (b"named", random_id());
    let stored = vault.put(&author, &record, named).await.unwrap();
    ward.record_as(&author, &patient, &stored, record);
    let orphan = vault.put(&author, &random_id(), b"orphan").await.unwrap();
    // Somebody else's promise about the same bytes takes nothing away when it is not kept.
    vault.put(&patient, &random_id(), named).await.unwrap();

    let swept = vault.service.sweep(now() + HOUR - 60).await.unwrap();
    assert_eq!(swept, Swept { named: 1, ..Swept::default() });
    let later = now() + 2 * HOUR;
    assert_eq!(vault.service.sweep(later).await.unwrap(), Swept::default(), "no block is known");
    ward.reaches(now());
    assert_eq!(vault.service.sweep(later).await.unwrap(), Swept::default(), "the peer lags");
    assert_eq!(vault.get(&author, &orphan).await.unwrap(), b"orphan");

    vault.stop().await;
    let vault = ward.vault(VAULT, dir.path(), limits).await;
    ward.reaches(later);
    let swept = vault.service.sweep(later).await.unwrap();
    assert_eq!(swept, Swept { removed: 1, removed_bytes: 6, named: 0 });
    refused(vault.get(&author, &orphan).await, Code::NotFound, "CR-VLT-012 ");
    assert_eq!(vault.get(&author, &stored).await.unwrap(), named);
    vault.put(&author, &random_id(), b"orphan").await.unwrap();
}

#[tokio::test]
async fn nothing_is_removed_where_the_operator_says_never() {
    let ward = Ward::new();
    let author = ward.person("practitioner");
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { unnamed_seconds: 0, ..Limits::default() };
    let vault = ward.vault(VAULT, dir.path(), limits).await;
    let orphan = vault.put(&author, &random_id(), b"orphan").await.unwrap();
    ward.reaches(now() + 1_000 * HOUR);
    assert_eq!(vault.service.sweep(now() + 900 * HOUR).await.unwrap(), Swept::default());
    assert_eq!(vault.get(&author, &orphan).await.unwrap(), b"orphan");
}

#[tokio::test]
async fn a_nearly_full_disk_refuses_writes_and_serves_reads_and_deletes() {
    let ward = Ward::new();
    let (patient, author) = (ward.person("patient"), ward.person("practitioner"));
    let dir = tempfile::tempdir().unwrap();
    let vault = ward.vault(VAULT, dir.path(), Limits::default()).await;
    let record = random_id();
    let stored = vault.put(&author, &record, b"content").await.unwrap();
    let added = ward.record_as(&author, &patient, &stored, record);
    vault.put_wraps(author.wraps(&added, vec![patient.wrap_of(&added)], 0)).await.unwrap();
    vault.stop().await;

    let full = Limits { free_bytes: u64::MAX / 2, ..Limits::default() };
    let vault = ward.vault(VAULT, dir.path(), full).await;
    let put = vault.put(&author, &random_id(), b"more").await;
    refused(put, Code::ResourceExhausted, "CR-VLT-022 ");
    let wraps = author.wraps(&added, vec![author.wrap_of(&added)], 0);
    refused(vault.put_wraps(wraps).await, Code::ResourceExhausted, "CR-VLT-022 ");
    assert_eq!(vault.get(&author, &stored).await.unwrap(), b"content");
    let tx_id = ward.open(&patient, &added);
    vault.release(patient.release(&added, &tx_id)).await.unwrap();
    assert_eq!(vault.delete(patient.deletion(&added, "")).await.unwrap(), 1);
}

#[tokio::test]
async fn a_flipped_bit_in_a_stored_content_is_seen_on_read() {
    let ward = Ward::new();
    let author = ward.person("practitioner");
    let dir = tempfile::tempdir().unwrap();
    let vault = ward.vault(VAULT, dir.path(), Limits::default()).await;
    let sizes = [1, 100, 256 << 10, (1 << 20) + 1, 3 << 20];
    for (number, size) in sizes.into_iter().enumerate() {
        let bytes = vec![number as u8; size];
        let stored = vault.put(&author, &random_id(), &bytes).await.unwrap();
        let file = file_of(dir.path(), &stored);
        for at in [0, size / 2, size - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            std::fs::write(&file, damaged).unwrap();
            refused(vault.get(&author, &stored).await, Code::DataLoss, "CR-VLT-023 ");
        }
        std::fs::write(&file, &bytes[..size - 1]).unwrap();
        refused(vault.get(&author, &stored).await, Code::DataLoss, "CR-VLT-023 ");
        std::fs::write(&file, &bytes).unwrap();
        assert_eq!(vault.get(&author, &stored).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_content_under_another_id_is_not_taken() {
    let ward = Ward::new();
    let author = ward.person("practitioner");
    let dir = tempfile::tempdir().unwrap();
    let vault = ward.vault(VAULT, dir.path(), small()).await;
    let header = vault.header(&author, &cid("announced"), 9);
    refused(vault.put_parts(header.clone(), b"different").await, Code::DataLoss, "CR-VLT-010 ");
    refused(vault.put_parts(header, b"announced").await, Code::AlreadyExists, "CR-VLT-044 ");
    vault.put(&author, &random_id(), &[1; 1_000]).await.unwrap(); // the failed ones hold no room
}

fn file_of(dir: &Path, cid: &str) -> PathBuf {
    dir.join("contents").join(&cid[cid.len() - 2..]).join(cid)
}
