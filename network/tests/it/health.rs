//! The main job by hand, as the people would do it, and by `carecord demo`.

use std::path::Path;

use crate::support::{Running, carecord, failure, json, text};

const CONTENT: &str = r#"{"resourceType":"Observation","valueQuantity":{"value":1.10}}"#;

#[test]
fn a_record_opens_with_consent_and_not_without() {
    let network = Running::up("demo.toml");
    let dir = network.dir();
    let file = network.path("note.json");
    std::fs::write(&file, CONTENT).unwrap();
    let add = ["record", "add", "--dir", dir, "--as", "alice", text(&file)];
    let (code, said) = failure(&add);
    assert_eq!(code, 4, "{said}");
    assert!(said.starts_with("error CR-CC-022: alice: "), "{said}");
    assert!(said.contains(&format!("`carecord identity register --dir {dir} alice`")), "{said}");
    for user in ["alice", "doctor-a", "doctor-b"] {
        json(&["identity", "register", "--dir", dir, user]);
    }
    let (code, said) = failure(&["record", "add", "--dir", dir, "--as", "doctor-a", text(&file)]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("--patient NAME"), "{said}");
    let stored = json(&add);
    let record = stored["record"]["id"].as_str().unwrap().to_owned();

    assert_denied(dir, &record, "doctor-a");
    let given = json(&["consent", "grant", "--dir", dir, "--as", "alice", "--to", "doctor-a"]);
    let grant = given["grant"]["id"].as_str().unwrap();
    let out = network.path("opened.json");
    json(&["record", "open", "--dir", dir, "--as", "doctor-a", &record, "--out", text(&out)]);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), CONTENT);
    assert_denied(dir, &record, "doctor-b");

    json(&["consent", "revoke", "--dir", dir, "--as", "alice", grant]);
    assert_denied(dir, &record, "doctor-a");
    let grants = json(&["consent", "list", "--dir", dir, "--as", "alice"]);
    assert!(grants["grants"][0]["revoked"].is_i64(), "{grants}");
    let records = json(&["record", "list", "--dir", dir, "--as", "alice"]);
    assert_eq!(records["records"].as_array().unwrap().len(), 1);
    let audit = json(&["audit", "list", "--dir", dir, "--as", "alice"]);
    let denials = audit["entries"].as_array().unwrap();
    let denials = denials.iter().filter(|entry| entry["decision"] == "deny").count();
    assert_eq!(denials, 3, "{audit}");
}

#[test]
fn somebody_new_gets_a_certificate_and_is_registered() {
    let network = Running::up("demo.toml");
    let dir = network.dir();
    let (code, said) = failure(&["identity", "register", "--dir", dir, "zoe"]);
    assert_eq!(code, 2, "{said}");
    let arguments = ["--organisation", "HospitalB", "--role", "practitioner", "--key", "ed25519"];
    json(&[&["identity", "register", "--dir", dir, "zoe"][..], &arguments].concat());
    let shown = json(&["identity", "show", "--dir", dir, "zoe"]);
    assert_eq!(shown["user"]["key_kind"], "ed25519");
    assert!(Path::new(shown["user"]["certificate_file"].as_str().unwrap()).is_file());
    let again = json(&["identity", "register", "--dir", dir, "zoe"]);
    assert_eq!(again["role"], "practitioner", "to register twice changes nothing");
}

#[test]
fn the_demonstration_ends_with_equal_chains() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("net");
    let report = json(&["demo", "--dir", text(&dir), "--patients", "2", "--seed", "5"]);
    assert_eq!((&report["ok"], &report["patients"]), (&true.into(), &2.into()), "{report}");
    let peers: Vec<_> = report["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|node| node["role"] == "peer")
        .map(|node| (node["height"].as_u64().unwrap(), node["commit_hash"].as_str().unwrap()))
        .collect();
    assert_eq!(peers.len(), 4);
    assert!(peers.iter().all(|peer| *peer == peers[0]), "{peers:?}");
    let status = carecord(&["network", "status", "--dir", text(&dir)]);
    assert_eq!(status.status.code(), Some(1), "without --keep the network is stopped");
}

/// The attempt is refused with the exit code for that, and named by its transaction.
fn assert_denied(dir: &str, record: &str, user: &str) {
    let (code, said) = failure(&["record", "open", "--dir", dir, "--as", user, record]);
    assert_eq!(code, 4, "{said}");
    assert!(said.starts_with("error CR-VLT-031: "), "{said}");
    let (_, tx_id) = said.split_once("(transaction ").expect("it is named");
    let tx_id = &tx_id[..tx_id.find(')').expect("closed")];
    let shown = json(&["tx", "show", "--dir", dir, tx_id]);
    assert_eq!(shown["validation_code"], "VALID", "{shown}");
    assert!(shown["block"].is_u64() && shown["position"].is_u64(), "{shown}");
}
