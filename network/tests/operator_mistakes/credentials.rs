//! Certificates, keys, CAs and MSP ids that do not fit.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use carecord::participation;
use carecord::session::Session;
use carecord_ca::layout::{OrganisationFolder, Tree};
use carecord_ca::{KeyKind, Person, Validity};
use serde_json::Value;

use crate::place::{Place, entry, refused};
use crate::table::Table;

const USER: &str = "client-p256";
const DOMAIN: &str = "hospital-a.carecord.test";

pub(crate) fn mistakes(place: &Place, table: &mut Table) {
    views(place, table);
    expired(place, table);
    administration(place, table);
    membership_service(place, table);
    let said = place.refused(&[
        "tx",
        "submit",
        "--as",
        "outsider",
        "--node",
        "hospital-a",
        "bench",
        "put",
        "k",
        "v",
    ]);
    let cause = ["OutsideMSP is not a member of channel care"];
    table.add("called a channel that the organisation is not on", said, &cause);
}

/// A submission by somebody whose `network.json` is wrong.
fn submit(place: &Place, name: &str, edit: impl FnOnce(&mut Value)) -> String {
    let dir = place.seen(name, edit);
    refused(&["tx", "submit", "--dir", &dir, "--as", USER, "bench", "put", "k", "v"])
}

fn views(place: &Place, table: &mut Table) {
    type Edit = fn(&mut Value);
    let cases: [(&'static str, Edit, &[&str]); 6] = [
        (
            "checks the peer with the TLS CA of another organisation",
            |file| {
                let other = entry(file, "organisations", "HospitalB")["tls_ca_file"].clone();
                entry(file, "nodes", "hospital-a")["tls_ca_file"] = other;
            },
            &["UnknownIssuer", "hospital-a at", "hospital-b.carecord.test"],
        ),
        (
            "expects another name in the peer's TLS certificate",
            |file| entry(file, "nodes", "hospital-a")["tls_server_name"] = "hospital-x.test".into(),
            &["hospital-x.test", "hospital-a.hospital-a.carecord.test"],
        ),
        (
            "has a key that is another certificate's",
            |file| {
                let other = entry(file, "users", "registrar")["key_file"].clone();
                entry(file, "users", USER)["key_file"] = other;
            },
            &["client-p256", "the private key is not the certificate's"],
        ),
        (
            "signs with the MSP id of another organisation",
            |file| entry(file, "users", USER)["msp_id"] = "HospitalBMSP".into(),
            &["issued by", "ca.hospital-a.carecord.test", "not valid under HospitalBMSP"],
        ),
        (
            "misspelt the MSP id",
            |file| entry(file, "users", USER)["msp_id"] = "HospitalMSP".into(),
            &["MSP id HospitalMSP", "HospitalAMSP"],
        ),
        (
            "took an orderer's address for the peer's",
            |file| {
                let orderer = entry(file, "nodes", "orderer1").clone();
                let peer = entry(file, "nodes", "hospital-a");
                for field in ["address", "tls_ca_file", "tls_server_name"] {
                    peer[field] = orderer[field].clone();
                }
            },
            &["serves no gateway", "orderer"],
        ),
    ];
    for (index, (did, edit, cause)) in cases.into_iter().enumerate() {
        let said = submit(place, &format!("seen-{index}"), edit);
        table.add(did, said, cause);
    }
}

/// A certificate of the right CA that has ended.
fn expired(place: &Place, table: &mut Table) {
    let organizations = Path::new(&place.dir()).join("organizations");
    let folder = OrganisationFolder::new(&organizations, Tree::Peers, DOMAIN).unwrap();
    let organisation = folder.load().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let past = Validity { not_before: now - 60, not_after: now - 5 };
    let person =
        Person { name: USER.to_owned(), role: None, admin: false, key: KeyKind::default() };
    let issued = organisation.person(&person, &format!("{USER}@{DOMAIN}"), past).unwrap();
    let certificate = place.file("expired.pem", &issued.certificate_pem);
    let key = place.file("expired.key", &issued.key_pem);
    let said = submit(place, "seen-expired", |file| {
        let user = entry(file, "users", USER);
        user["certificate_file"] = certificate.into();
        user["key_file"] = key.into();
    });
    let cause = ["identity expired", "its certificate ended 20", "peer time 20"];
    table.add("calls with a certificate that has expired", said, &cause);
}

/// The administration service of an orderer takes administrators of its own organisation alone.
fn administration(place: &Place, table: &mut Table) {
    let dir = place.seen("seen-admin", |file| {
        let users = file["users"].as_array_mut().unwrap();
        let admin = |user: &&mut Value, organisation: &str| {
            user["admin"] == true && user["organisation"] == organisation
        };
        let other = users.iter_mut().find(|user| admin(user, "HospitalA")).unwrap().clone();
        let admin = users.iter_mut().find(|user| admin(user, "Orderer")).unwrap();
        for field in ["tls_certificate_file", "tls_key_file"] {
            admin[field] = other[field].clone();
        }
    });
    let session = Session::open(Path::new(&dir)).unwrap();
    let orderer = session.file().node("orderer1").unwrap();
    let said = participation::answers(&session, orderer).unwrap_err().to_string();
    let cause = ["orderer1 at", "tlsca.hospital-a.carecord.test", "tlsca.orderer.carecord.test"];
    table.add("shows an orderer's administration the certificate of another CA", said, &cause);
}

fn membership_service(place: &Place, table: &mut Table) {
    let secret = place.path("ann.secret");
    let ca = ["--ca", "HospitalA"];
    let register = ["identity", "register", "ann", "--role", "practitioner", "--secret-out"];
    place.must(&[&register[..], &[&secret], &ca].concat());
    let again = place.path("again.secret");
    let said = place.refused(&[&register[..], &[&again], &ca].concat());
    table.add("registers a person twice", said, &["'ann' is already registered"]);

    let wrong = place.file("wrong.secret", "guess");
    let enroll = ["identity", "enroll", "ann", "--user", "ann", "--secret-file", &wrong];
    let said = place.refused(&[&enroll[..], &ca].concat());
    // One text for a wrong name and a wrong secret is a rule (row K9), so the cause is both.
    table.add(
        "enrols with a wrong secret",
        said,
        &["Authentication failure", "wrong id or secret"],
    );

    let other = place.path("other.secret");
    let register = ["identity", "register", "bob", "--role", "insurer", "--secret-out", &other];
    let said = place.refused(&[&register[..], &ca].concat());
    let cause = ["insurer", "may not be given by this CA", "practitioner"];
    table.add("gives a role that the organisation may not give", said, &cause);
}
