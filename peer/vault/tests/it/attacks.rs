//! What somebody with a good certificate tries with wraps.

use carecord_proto::carecord::vault::Wrap;
use carecord_vault::Limits;
use tonic::Code;

use crate::world::{Added, Person, Running, VAULT, Ward, cid, random_id, refused};

/// A patient with a record by a practitioner, and the vault for its wraps.
struct Scene {
    ward: Ward,
    patient: Person,
    author: Person,
    record: Added,
    dir: tempfile::TempDir,
    vault: Running,
}

impl Scene {
    async fn new(limits: Limits) -> Self {
        let ward = Ward::new();
        let (patient, author) = (ward.person("patient"), ward.person("practitioner"));
        let record = ward.record(&author, &patient, &cid("a record"));
        let dir = tempfile::tempdir().unwrap();
        let vault = ward.vault(VAULT, dir.path(), limits).await;
        Self { ward, patient, author, record, dir, vault }
    }

    async fn put(&self, wraps: Vec<Wrap>) -> Result<(), tonic::Status> {
        self.vault.put_wraps(self.author.wraps(&self.record, wraps, 0)).await
    }

    /// What the patient gets for a fresh access.
    async fn opened(&self, vault: &Running) -> Result<Wrap, tonic::Status> {
        let tx_id = self.ward.open(&self.patient, &self.record);
        vault.release(self.patient.release(&self.record, &tx_id)).await
    }
}

#[tokio::test]
async fn wraps_are_stored_for_registered_keys_only() {
    let scene = Scene::new(Limits::default()).await;
    let good = scene.patient.wrap_of(&scene.record);
    let invented = Wrap { recipient_kid: random_id(), ..good.clone() };
    let of_another = Wrap { recipient_id: scene.author.id.clone(), ..good.clone() };
    let of_nobody = Wrap { recipient_id: random_id(), ..good.clone() };
    for wrap in [invented, of_another, of_nobody] {
        let answer = scene.put(vec![good.clone(), wrap]).await;
        refused(answer, Code::FailedPrecondition, "CR-VLT-016 ");
    }
    let none = scene.opened(&scene.vault).await;
    refused(none, Code::PermissionDenied, "CR-VLT-031 "); // all or none
    scene.put(vec![good.clone()]).await.unwrap();
    let released = scene.opened(&scene.vault).await.unwrap();
    assert_eq!(released, Wrap { recipient_id: String::new(), ..good });
}

#[tokio::test]
async fn what_no_reader_could_open_is_no_wrap() {
    let scene = Scene::new(Limits::default()).await;
    let good = scene.patient.wrap_of(&scene.record);
    for bad in [
        Wrap { ciphertext: vec![0; 4_000].into(), ..good.clone() },
        Wrap { ciphertext: vec![0; 47].into(), ..good.clone() },
        Wrap { enc: vec![0; 31].into(), ..good.clone() },
        Wrap { suite: 2, ..good.clone() },
    ] {
        refused(scene.put(vec![bad]).await, Code::InvalidArgument, "CR-VLT-017 ");
    }
    let long = Wrap { recipient_kid: "k".repeat(4_090), ..good.clone() };
    refused(scene.put(vec![long]).await, Code::InvalidArgument, "CR-VLT-040 ");
    refused(scene.put(vec![good; 1_001]).await, Code::InvalidArgument, "CR-VLT-013 ");
}

#[tokio::test]
async fn a_record_holds_so_many_wraps_and_its_owner_makes_room() {
    let scene = Scene::new(Limits { wraps_per_version: 2, ..Limits::default() }).await;
    let third = scene.ward.person("practitioner");
    let wraps: Vec<Wrap> =
        [&scene.patient, &scene.author].map(|person| person.wrap_of(&scene.record)).into();
    scene.put(wraps.clone()).await.unwrap();
    scene.put(wraps).await.unwrap();
    let more = vec![third.wrap_of(&scene.record)];
    refused(scene.put(more.clone()).await, Code::ResourceExhausted, "CR-VLT-018 ");
    let deletion = scene.patient.deletion(&scene.record, &scene.author.kid);
    assert_eq!(scene.vault.delete(deletion).await.unwrap(), 1);
    scene.put(more).await.unwrap();
}

#[tokio::test]
async fn a_signed_request_serves_once_and_at_one_vault() {
    let scene = Scene::new(Limits::default()).await;
    let put = scene.author.wraps(&scene.record, vec![scene.patient.wrap_of(&scene.record)], 0);
    let elsewhere = tempfile::tempdir().unwrap();
    let other = "WardMSP@127.0.0.1:8051";
    let other = scene.ward.vault(other, elsewhere.path(), Limits::default()).await;
    refused(other.put_wraps(put.clone()).await, Code::InvalidArgument, "CR-VLT-043 ");

    scene.vault.put_wraps(put.clone()).await.unwrap();
    // From another connection it is no more welcome.
    let replayed = scene.vault.from_elsewhere().await.put_wraps(put.clone()).await.map(drop);
    refused(replayed, Code::AlreadyExists, "CR-VLT-044 ");

    let deletion = scene.patient.deletion(&scene.record, "");
    refused(other.delete(deletion.clone()).await, Code::InvalidArgument, "CR-VLT-043 ");
    assert_eq!(scene.vault.delete(deletion.clone()).await.unwrap(), 1);
    let later = scene.author.wraps(&scene.record, vec![scene.patient.wrap_of(&scene.record)], 1);
    scene.vault.put_wraps(later).await.unwrap();
    refused(scene.vault.delete(deletion.clone()).await, Code::AlreadyExists, "CR-VLT-044 ");

    let Scene { ward, dir, vault, .. } = scene;
    vault.stop().await;
    let vault = ward.vault(VAULT, dir.path(), Limits::default()).await;
    refused(vault.delete(deletion).await, Code::AlreadyExists, "CR-VLT-044 ");
    assert!(vault.put_wraps(put).await.is_err(), "after a restart neither");
}

#[tokio::test]
async fn an_erased_wrap_does_not_come_back() {
    let scene = Scene::new(Limits::default()).await;
    let wrap = scene.patient.wrap_of(&scene.record);
    let stored = scene.author.wraps(&scene.record, vec![wrap.clone()], 0);
    // Signed before the delete, and held back by whoever stands between.
    let held_back = scene.author.wraps(&scene.record, vec![wrap.clone()], -1);
    scene.vault.put_wraps(stored.clone()).await.unwrap();
    let deletion = scene.patient.deletion(&scene.record, &scene.patient.kid);
    assert_eq!(scene.vault.delete(deletion).await.unwrap(), 1);

    for older in [stored, held_back.clone()] {
        refused(scene.vault.put_wraps(older).await, Code::FailedPrecondition, "CR-VLT-045 ");
    }
    refused(scene.opened(&scene.vault).await, Code::PermissionDenied, "CR-VLT-031 ");
    let newer = scene.author.wraps(&scene.record, vec![wrap.clone()], 1);
    scene.vault.put_wraps(newer).await.unwrap();
    scene.opened(&scene.vault).await.unwrap();
}

#[tokio::test]
async fn a_held_back_request_brings_nothing_back_after_a_restart_either() {
    let scene = Scene::new(Limits::default()).await;
    let wraps = vec![scene.patient.wrap_of(&scene.record)];
    let held_back = scene.author.wraps(&scene.record, wraps, -1);
    assert_eq!(scene.vault.delete(scene.patient.deletion(&scene.record, "")).await.unwrap(), 0);
    let Scene { ward, dir, vault, .. } = scene;
    vault.stop().await;
    let vault = ward.vault(VAULT, dir.path(), Limits::default()).await;
    refused(vault.put_wraps(held_back).await, Code::FailedPrecondition, "CR-VLT-045 ");
}
