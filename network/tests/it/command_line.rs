//! Exit codes and messages of commands that cannot do what they are asked.

use crate::support::{carecord, failure, json, text};

#[test]
fn a_wrong_command_line_ends_with_2() {
    assert_eq!(carecord(&["netwrok"]).status.code(), Some(2));
    assert_eq!(carecord(&["bench", "submit", "--in-flight", "many"]).status.code(), Some(2));
}

#[test]
fn without_arguments_the_help_is_printed_by_group() {
    let said = carecord(&[]);
    assert_eq!(said.status.code(), Some(0));
    let help = String::from_utf8(said.stdout).unwrap();
    let at = |heading: &str| help.find(heading).expect(heading);
    assert!(at("Start:") < at("Operate:") && at("Operate:") < at("Develop:"));
    assert!(at("Develop:") < at("Health:") && at("Health:") < at("Options:"));
    assert_eq!(carecord(&["-h"]).stdout, help.as_bytes());
}

#[test]
fn help_and_version_end_with_0() {
    assert_eq!(carecord(&["--help"]).status.code(), Some(0));
    assert_eq!(carecord(&["network", "up", "--help"]).status.code(), Some(0));
    assert_eq!(carecord(&["--version"]).status.code(), Some(0));
}

#[test]
fn a_folder_without_a_network_ends_with_3() {
    let root = tempfile::tempdir().unwrap();
    let dir = text(root.path());
    for command in [["network", "status"], ["network", "down"], ["block", "list"]] {
        let (code, said) = failure(&[&command[..], &["--dir", dir]].concat());
        assert_eq!(code, 3, "{command:?}");
        assert!(said.starts_with(&format!("error CR-NET-018: {dir}: ")), "{said}");
        assert!(said.contains("\n  hint: "), "{said}");
    }
}

#[test]
fn a_failure_can_be_read_by_programs() {
    let root = tempfile::tempdir().unwrap();
    let (code, said) = failure(&["network", "status", "--dir", text(root.path()), "-o", "json"]);
    let value: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(code, 3);
    assert_eq!(value["schema"], "carecord.error/v1");
    assert_eq!((&value["code"], &value["exit"]), (&"CR-NET-018".into(), &3.into()));
}

#[test]
fn a_wrong_topology_is_shown_with_file_and_line() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("net.toml");
    std::fs::write(&path, "name = \"x\"\n\ncolour = 3\n").unwrap();
    let dir = root.path().join("dir");
    let (code, said) =
        failure(&["network", "init", "--topology", text(&path), "--dir", text(&dir)]);
    assert_eq!(code, 2);
    assert!(
        said.starts_with(&format!("error CR-NET-002: {}:3:1: unknown field", text(&path))),
        "{said}"
    );
    assert!(!dir.exists(), "nothing is written before the topology is right");
}

#[test]
fn a_missing_topology_and_a_missing_node_configuration_end_with_2() {
    let (code, said) = failure(&["network", "init", "--topology", "/nowhere.toml"]);
    assert_eq!(code, 2);
    assert!(said.starts_with("error CR-NET-001: /nowhere.toml: "), "{said}");
    let (code, said) = failure(&["node", "run", "peer", "--config", "/nowhere.toml"]);
    assert_eq!(code, 2);
    assert!(said.starts_with("error CR-NET-020: /nowhere.toml: "), "{said}");
}

#[test]
fn a_missing_certificate_is_named_before_anything_starts() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("net");
    json(&["network", "init", "--dir", text(&dir)]);
    let network: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.join("network.json")).unwrap()).unwrap();
    let ca = network["nodes"][0]["tls_ca_file"].as_str().unwrap();
    std::fs::remove_file(ca).unwrap();
    let (code, said) = failure(&["network", "up", "--dir", text(&dir), "--detach", "--quiet"]);
    assert_eq!(code, 1);
    assert!(said.starts_with(&format!("error CR-NET-011: {ca}: ")), "{said}");
}

#[test]
fn a_name_that_several_users_have_is_refused_with_the_full_names() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("net");
    json(&["network", "init", "--dir", text(&dir)]);
    let (code, said) = failure(&["identity", "show", "--dir", text(&dir), "Admin"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("Admin@HospitalA, Admin@"), "{said}");
    let shown = json(&["identity", "show", "--dir", text(&dir), "Admin@HospitalA"]);
    assert_eq!(shown["user"]["organisation"], "HospitalA");
}

#[test]
fn a_network_of_another_version_is_refused() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("network.json"), r#"{"schema":"carecord.network/v9"}"#)
        .unwrap();
    let (code, said) = failure(&["network", "status", "--dir", text(root.path())]);
    assert_eq!(code, 1);
    assert!(said.contains("CR-NET-019") && said.contains("carecord.network/v9"), "{said}");
}

#[test]
fn every_code_is_explained_and_an_unknown_one_ends_with_3() {
    let all = json(&["explain"]);
    let codes = all["codes"].as_array().unwrap();
    assert!(codes.len() > 40);
    for code in codes {
        let page = json(&["explain", code["code"].as_str().unwrap()]);
        assert!(page["page"].as_str().unwrap().starts_with("# CR-"), "{code}");
    }
    let (code, said) = failure(&["explain", "CR-XXX-999"]);
    assert_eq!(code, 3);
    assert!(said.starts_with("error CR-CLI-003: "), "{said}");
}
