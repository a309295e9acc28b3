//! An organisation on disk and its MSP.

use carecord_ca::layout::{MemberFolder, OrganisationFolder, Tree};
use carecord_ca::{KeyKind, NodeRole, Organisation, Person, Validity, pseudonym};
use carecord_msp::{Msp, MspVersion, keystore};
use tempfile::TempDir;

pub(crate) const NOW: i64 = 1_795_000_000;
pub(crate) const MSP_ID: &str = "WardMSP";
pub(crate) const DOMAIN: &str = "ward.example.com";

/// An organisation with its folder; the folder goes when this goes.
pub(crate) struct Fixture {
    pub(crate) organisation: Organisation,
    pub(crate) folder: OrganisationFolder,
    pub(crate) root: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = OrganisationFolder::new(root.path(), Tree::Peers, DOMAIN).unwrap();
        let organisation =
            Organisation::create(DOMAIN, Some("CH"), Validity::days_from(NOW, 3650)).unwrap();
        folder.write(&organisation).unwrap();
        Self { organisation, folder, root }
    }

    pub(crate) fn msp(&self) -> Msp {
        let config = keystore::load_msp_config(&self.folder.msp(), MSP_ID).unwrap();
        Msp::new(&config, MspVersion::V3_0).unwrap()
    }

    pub(crate) fn node(&self, name: &str, role: NodeRole) -> MemberFolder {
        let member = self.folder.node(name).unwrap();
        let validity = Validity::days_from(NOW, 365);
        let signing = self.organisation.node(member.full_name(), role, validity).unwrap();
        let hosts = [member.full_name().to_owned(), "localhost".to_owned(), "127.0.0.1".to_owned()];
        let tls = self.organisation.tls(member.full_name(), &hosts, validity).unwrap();
        member.write(&self.organisation, &signing, &tls).unwrap();
        member
    }

    pub(crate) fn person(&self, person: &Person) -> MemberFolder {
        let member = self.folder.user(&person.name).unwrap();
        let common_name =
            if person.is_patient() { pseudonym().unwrap() } else { member.full_name().to_owned() };
        let validity = Validity::days_from(NOW, 365);
        let signing = self.organisation.person(person, &common_name, validity).unwrap();
        let tls = self.organisation.person_tls(person, &common_name, validity).unwrap();
        member.write(&self.organisation, &signing, &tls).unwrap();
        member
    }
}

pub(crate) fn person(name: &str, role: Option<&str>, admin: bool, key: KeyKind) -> Person {
    Person { name: name.to_owned(), role: role.map(str::to_owned), admin, key }
}
