//! cryptogen's layout, and CAs that are loaded from it again.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use carecord_ca::layout::{OrganisationFolder, Tree};
use carecord_ca::{KeyKind, NodeRole};
use carecord_msp::{Signer, keystore};

use crate::support::{Fixture, MSP_ID, person};

fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn files_lie_where_cryptogen_puts_them() {
    let fixture = Fixture::new();
    fixture.node("peer0", NodeRole::Peer);
    fixture.person(&person("User1", None, false, KeyKind::P256));
    let expected = "\
ca/ca.ward.example.com-cert.pem
ca/priv_sk
msp/cacerts/ca.ward.example.com-cert.pem
msp/config.yaml
msp/tlscacerts/tlsca.ward.example.com-cert.pem
peers/peer0.ward.example.com/msp/cacerts/ca.ward.example.com-cert.pem
peers/peer0.ward.example.com/msp/config.yaml
peers/peer0.ward.example.com/msp/keystore/priv_sk
peers/peer0.ward.example.com/msp/signcerts/peer0.ward.example.com-cert.pem
peers/peer0.ward.example.com/msp/tlscacerts/tlsca.ward.example.com-cert.pem
peers/peer0.ward.example.com/tls/ca.crt
peers/peer0.ward.example.com/tls/server.crt
peers/peer0.ward.example.com/tls/server.key
tlsca/priv_sk
tlsca/tlsca.ward.example.com-cert.pem
users/User1@ward.example.com/msp/cacerts/ca.ward.example.com-cert.pem
users/User1@ward.example.com/msp/config.yaml
users/User1@ward.example.com/msp/keystore/priv_sk
users/User1@ward.example.com/msp/signcerts/User1@ward.example.com-cert.pem
users/User1@ward.example.com/msp/tlscacerts/tlsca.ward.example.com-cert.pem
users/User1@ward.example.com/tls/ca.crt
users/User1@ward.example.com/tls/client.crt
users/User1@ward.example.com/tls/client.key";
    let root = fixture.root.path().join("peerOrganizations/ward.example.com");
    assert_eq!(files(&root).join("\n"), expected);
}

#[test]
fn only_the_owner_may_read_a_private_key() {
    let fixture = Fixture::new();
    let member = fixture.node("peer0", NodeRole::Peer);
    for path in [member.key(), member.tls_key()] {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
}

#[test]
fn a_ca_that_is_loaded_again_issues_certificates_that_hold() {
    let fixture = Fixture::new();
    let msp = fixture.msp();
    let again = Fixture {
        organisation: fixture.folder.load().unwrap(),
        folder: fixture.folder,
        root: tempfile::tempdir().unwrap(),
    };
    let member = again.person(&person("late", Some("insurer"), false, KeyKind::P256));
    let signer = keystore::load_signing_identity(&member.msp(), MSP_ID).unwrap();
    msp.identity(&signer.serialized()).unwrap().validate().unwrap();
}

#[test]
fn keys_of_cas_that_are_encrypted_open_under_their_passphrase_only() {
    let fixture = Fixture::new();
    let home = fixture.root.path().join("peerOrganizations/ward.example.com");
    fixture.folder.write_sealed(&fixture.organisation, Some("four small words")).unwrap();
    for folder in ["ca", "tlsca"] {
        let path = home.join(folder).join("priv_sk");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{folder}");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{folder}");
    }
    for wrong in [None, Some(""), Some("four small word")] {
        let error = fixture.folder.load_sealed(wrong).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("passphrase") && error.contains("priv_sk"), "{error}");
    }
    let opened = fixture.folder.load_sealed(Some("four small words")).unwrap();
    assert_eq!(opened.ca().certificate_pem(), fixture.organisation.ca().certificate_pem());
    // Keys as bring-up made them without a passphrase go on.
    fixture.folder.write(&fixture.organisation).unwrap();
    fixture.folder.load_sealed(Some("four small words")).unwrap();
    fixture.folder.load().unwrap();
}

#[test]
fn a_ca_whose_key_is_anothers_is_refused() {
    let (one, two) = (Fixture::new(), Fixture::new());
    let ca = |fixture: &Fixture| fixture.root.path().join("peerOrganizations/ward.example.com/ca");
    std::fs::copy(ca(&one).join("priv_sk"), ca(&two).join("priv_sk")).unwrap();
    let error = two.folder.load().map(|_| ()).unwrap_err().to_string();
    assert!(error.ends_with("the key does not belong to the certificate"), "{error}");
}

#[test]
fn names_that_would_leave_the_folder_are_refused() {
    let root = Path::new("/tmp");
    for name in ["", "..", "a/b", ".hidden", "a b"] {
        assert!(OrganisationFolder::new(root, Tree::Peers, name).is_err(), "{name:?}");
    }
}
