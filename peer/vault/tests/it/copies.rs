//! Copies at other organisations: made, proven, restored; parts of contents; receipts.

use std::path::{Path, PathBuf};

use carecord_proto::carecord::vault::receipt::What;
use carecord_sdk::seal::{Binding, DataKey, SEGMENT_BYTES};
use carecord_vault::{Limits, Round, verify_receipt};
use tempfile::TempDir;
use tonic::Code;

use crate::world::{Added, Person, Running, VAULT, Ward, acquaint, random_id, refused};

const MEMBERS: [&str; 4] = ["WardMSP", "ClinicMSP", "LabMSP", "InsurerMSP"];

/// Vaults of four organisations; a record's content lies in the hospital's.
struct Fleet {
    ward: Ward,
    author: Person,
    dirs: Vec<TempDir>,
    vaults: Vec<Option<Running>>,
}

impl Fleet {
    async fn new() -> Self {
        let ward = Ward::among(&MEMBERS[1..]);
        let author = ward.person("practitioner");
        let dirs: Vec<TempDir> = MEMBERS.map(|_| tempfile::tempdir().unwrap()).into();
        let mut fleet = Self { ward, author, dirs, vaults: Vec::new() };
        for at in 0..MEMBERS.len() {
            fleet.vaults.push(None);
            fleet.start(at).await;
        }
        fleet
    }

    async fn start(&mut self, at: usize) {
        self.vaults[at] = Some(self.ward.vault_of(MEMBERS[at], self.dirs[at].path()).await);
        let running: Vec<&Running> = self.vaults.iter().flatten().collect();
        acquaint(&running).await;
    }

    async fn stop_and_wipe(&mut self, at: usize) {
        self.vaults[at].take().unwrap().stop().await;
        self.dirs[at] = tempfile::tempdir().unwrap();
    }

    fn vault(&self, at: usize) -> &Running {
        self.vaults[at].as_ref().unwrap()
    }

    /// A committed record with this content, which the hospital's vault has seen to be named.
    async fn record(&self, sealed: &[u8]) -> (Added, String) {
        let patient = self.ward.person("patient");
        let id = random_id();
        let named_by = carecord_sdk::vault::NamedBy { record_id: &id, version: 1 };
        let vault = self.vault(0).sdk(&self.author).await;
        let cid = vault.put(sealed, named_by).await.unwrap();
        let added = self.ward.record_as(&self.author, &patient, &cid, id);
        let swept = self.vault(0).service.sweep(crate::world::now()).await.unwrap();
        assert_eq!(swept.named, 1);
        (added, cid)
    }

    /// Where the content can be read, by the number of the vault.
    async fn readable(&self, cid: &str, sealed: &[u8]) -> Vec<usize> {
        let mut found = Vec::new();
        for (at, vault) in self.vaults.iter().enumerate() {
            let Some(vault) = vault else { continue };
            if let Ok(read) = vault.sdk(&self.author).await.get(cid).await {
                assert_eq!(read, sealed);
                found.push(at);
            }
        }
        found
    }

    async fn round(&self, at: usize) -> Round {
        self.vault(at).service.replicate().await.unwrap()
    }
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 253) as u8).collect()
}

fn file_of(dir: &Path, cid: &str) -> PathBuf {
    dir.join("contents").join(&cid[cid.len() - 2..]).join(cid)
}

#[tokio::test]
async fn a_named_content_gets_copies_at_three_organisations_and_no_more() {
    let fleet = Fleet::new().await;
    let sealed = content(3 << 20);
    let (_, cid) = fleet.record(&sealed).await;
    assert_eq!(fleet.readable(&cid, &sealed).await, [0]);
    let first = fleet.round(0).await;
    assert_eq!(first, Round { contents: 1, sent: 2, proven: 0, short: 0 });
    let second = fleet.round(0).await;
    assert_eq!(second, Round { contents: 1, sent: 0, proven: 2, short: 0 });
    let places = fleet.readable(&cid, &sealed).await;
    assert_eq!(places.len(), 3);
    let order = carecord_vault::order(&cid, "WardMSP", &MEMBERS);
    for place in &places {
        assert!(order[..3].contains(&MEMBERS[*place]), "{order:?}");
    }
    for place in &places[1..] {
        let round = fleet.round(*place).await;
        assert_eq!(round, Round { contents: 1, sent: 0, proven: 2, short: 0 });
    }
}

#[tokio::test]
async fn a_wiped_vault_gets_its_contents_back_from_the_others() {
    let mut fleet = Fleet::new().await;
    let sealed = content((1 << 20) + 77);
    let (_, cid) = fleet.record(&sealed).await;
    fleet.round(0).await;
    fleet.stop_and_wipe(0).await;
    let left = fleet.readable(&cid, &sealed).await;
    assert_eq!(left.len(), 2, "the record's own vault is gone, its copies are not");

    // While it is away another organisation takes its place; when it is back, it is given its contents again.
    assert_eq!(fleet.round(left[0]).await.sent, 1);
    assert_eq!(fleet.readable(&cid, &sealed).await.len(), 3);
    fleet.start(0).await;
    assert!(!fleet.readable(&cid, &sealed).await.contains(&0));
    assert_eq!(fleet.round(left[0]).await.sent, 1);
    assert!(fleet.readable(&cid, &sealed).await.contains(&0));
    assert_eq!(fleet.round(left[1]).await.sent, 0);
}

#[tokio::test]
async fn a_copy_that_was_damaged_does_not_prove_itself_and_is_replaced() {
    let fleet = Fleet::new().await;
    let sealed = content(1000);
    let (_, cid) = fleet.record(&sealed).await;
    fleet.round(0).await;
    let other = fleet.readable(&cid, &sealed).await[1];
    let file = file_of(fleet.dirs[other].path(), &cid);
    let mut damaged = std::fs::read(&file).unwrap();
    damaged[500] ^= 1;
    std::fs::write(&file, damaged).unwrap();
    let round = fleet.round(0).await;
    assert_eq!(round, Round { contents: 1, sent: 1, proven: 1, short: 0 });
    assert_eq!(std::fs::read(&file).unwrap(), sealed);
}

#[tokio::test]
async fn a_vault_takes_no_copy_that_its_own_ledger_does_not_name() {
    let fleet = Fleet::new().await;
    let unnamed = content(500);
    let patient = fleet.ward.person("patient");
    let named = fleet.ward.record(&fleet.author, &patient, &crate::world::cid("something else"));
    let header = fleet.vault(1).copy_header(&fleet.vault(0).view, &named.id, &unnamed);
    let refusal = fleet.vault(1).put_parts(header, &unnamed).await;
    refused(refusal, Code::PermissionDenied, "CR-VLT-031 ");
    assert!(fleet.readable(&carecord_proto::content::id(&unnamed), &unnamed).await.is_empty());
}

#[tokio::test]
async fn any_part_of_a_large_content_is_read_alone_and_checked_before_it_is_sent() {
    let fleet = Fleet::new().await;
    let plain = content(9 * SEGMENT_BYTES + 5);
    let (key, id) = (DataKey::random().unwrap(), random_id());
    let binding = Binding { record_id: &id, version: 1 };
    let vault = fleet.vault(0).sdk(&fleet.author).await;
    let sent = vault.put_large(std::io::Cursor::new(plain.clone()), &key, binding).await.unwrap();
    let at = (sent.cid.as_str(), sent.size);
    let length = plain.len() as u64;
    let read = async |range: std::ops::Range<u64>| {
        let mut got = Vec::new();
        let sink = |piece: &[u8]| {
            got.extend_from_slice(piece);
            Ok(())
        };
        vault.get_part(at, range, &key, binding, sink).await.map(|()| got)
    };
    for range in [0..length, 0..1, 5..5, 70_000..300_001, length - 1..length, length..length + 9] {
        let (from, to) = (range.start.min(length) as usize, range.end.min(length) as usize);
        assert_eq!(read(range.clone()).await.unwrap(), &plain[from..to], "{range:?}");
    }
    let file = file_of(fleet.dirs[0].path(), &sent.cid);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[400_000] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(read(0..1000).await.unwrap(), &plain[..1000], "another chunk is as it was");
    let refusal = read(400_000..400_010).await.unwrap_err().to_string();
    assert!(refusal.contains("CR-VLT-023"), "{refusal}");
}

#[tokio::test]
async fn a_deletion_receipt_verifies_offline_and_not_when_altered() {
    let ward = Ward::among(&MEMBERS[1..]);
    let (patient, author) = (ward.person("patient"), ward.person("practitioner"));
    let dir = tempfile::tempdir().unwrap();
    let vault = ward.vault(VAULT, dir.path(), Limits::default()).await;
    let added = ward.record(&author, &patient, &crate::world::cid("a record"));
    vault.put_wraps(author.wraps(&added, vec![patient.wrap_of(&added)], 0)).await.unwrap();
    let request = patient.deletion(&added, "");
    let answer = vault.client.clone().delete_wraps(request.clone()).await.unwrap().into_inner();
    let signed = answer.receipt.unwrap();
    let receipt = verify_receipt(&signed, &ward.bundle()).unwrap();
    let Some(What::Deletion(deletion)) = receipt.what else { panic!("{receipt:?}") };
    assert_eq!((deletion.record_id, deletion.deleted), (added.id.clone(), 1));
    assert_eq!(receipt.vault, VAULT);
    assert_eq!(receipt.request_hash, carecord_proto::hash::sha256(&[&request.request])[..]);

    for at in 0..signed.receipt.len() {
        let mut altered = signed.clone();
        let mut bytes = altered.receipt.to_vec();
        bytes[at] ^= 1;
        altered.receipt = bytes.into();
        assert!(verify_receipt(&altered, &ward.bundle()).is_err(), "byte {at}");
    }
    let elsewhere = Ward::among(&MEMBERS[1..]);
    assert!(verify_receipt(&signed, &elsewhere.bundle()).is_err(), "of another network");
    let by_a_person = patient.signs_receipt(&signed);
    assert!(verify_receipt(&by_a_person, &ward.bundle()).is_err(), "people sign no receipts");
}

#[tokio::test]
async fn new_contents_are_copied_as_soon_as_they_are_named() {
    let fleet = Fleet::new().await;
    let service = fleet.vault(0).service.clone();
    let copying = tokio::spawn(async move {
        service.keep_copies(std::time::Duration::from_secs(3_600)).await;
    });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let sealed = content(10_000);
    let mut found = 0;
    let (_, cid) = fleet.record(&sealed).await;
    for _ in 0..100 {
        found = fleet.readable(&cid, &sealed).await.len();
        if found == 3 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    copying.abort();
    assert_eq!(found, 3);
}
