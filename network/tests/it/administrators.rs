//! Administrators over time: another one is made, the first one's certificate is taken back; and nodes that are away.

use crate::support::{Running, failure, json, text};

const TOPOLOGY: &str = include_str!("../../topologies/bench.toml");

#[test]
fn an_administrator_is_revoked_by_another_and_commands_act_as_the_other_from_then_on() {
    let network = Running::of_text(&format!("ca = true\n{TOPOLOGY}"));
    let dir = network.dir();
    let revoke = ["cert", "revoke", "--dir", dir, "--user", "Admin@HospitalA"];
    let (_, said) = failure(&revoke);
    assert!(said.starts_with("error CR-CFG-004: ") && said.contains("--as NAME"), "{said}");
    let (_, said) = failure(&[&revoke[..], &["--as", "client-a"]].concat());
    assert!(said.contains("no administrator of HospitalA"), "{said}");

    let secret = network.path("second.secret");
    let at = ["--dir", dir, "--ca", "HospitalA"];
    let register =
        ["identity", "register", "second", "--type", "admin", "--secret-out", text(&secret)];
    json(&[&register[..], &at].concat());
    let enroll =
        ["identity", "enroll", "second", "--secret-file", text(&secret), "--user", "second"];
    json(&[&enroll[..], &at].concat());
    json(&[&revoke[..], &["--as", "second"]].concat());

    let old = ["tx", "evaluate", "--dir", dir, "--as", "Admin@HospitalA", "bench", "get", "k"];
    let (_, said) = failure(&old);
    assert!(said.contains("access denied"), "{said}");
    let next = ["chaincode", "approve", "bench", "--version", "2.0", "--organisation", "HospitalA"];
    json(&[&next[..], &["--dir", dir]].concat());

    what_is_away_is_not_passed_over(dir);
}

/// On the same network, to spare another: a CA that is down is not replaced by its keys, and the next peer is asked for one
/// that is down.
fn what_is_away_is_not_passed_over(dir: &str) {
    json(&["network", "down", "--dir", dir, "--node", "ca-hospital-a", "--node", "hospital-a"]);
    for whose in [["--node", "hospital-a"], ["--user", "client-a"]] {
        let (_, said) = failure(&[&["cert", "renew", "--dir", dir][..], &whose].concat());
        assert!(said.contains("error CR-CA-005: "), "{said}");
        assert!(said.contains("ca-hospital-a does not run"), "{said}");
    }
    let (_, said) = failure(&["cert", "revoke", "--dir", dir, "--user", "client-a"]);
    assert!(said.starts_with("error CR-CA-005: "), "{said}");
    let listed = json(&["chaincode", "list", "--dir", dir]);
    let bench = &listed["chaincodes"][0];
    assert_eq!(bench["policy"], "AND('HospitalAMSP.peer', 'HospitalBMSP.peer')", "{listed}");
}
