//! Organisations and orderers that go: what is administered afterwards, also where the folder has not noticed.

use serde_json::Value;

use crate::support::{Running, failure, json, text};

fn file_of(dir: &str) -> Value {
    let file = std::fs::read(std::path::Path::new(dir).join("network.json")).unwrap();
    serde_json::from_slice(&file).unwrap()
}

/// The folder as somebody has it who did not hear of the change.
fn edit(dir: &str, edit: impl FnOnce(&mut Value)) {
    let mut file = file_of(dir);
    edit(&mut file["channels"][0]);
    std::fs::write(std::path::Path::new(dir).join("network.json"), file.to_string()).unwrap();
}

#[test]
fn a_channel_that_has_lost_its_votes_stands_in_the_way_of_no_other() {
    let network = Running::up("bench.toml");
    let dir = network.dir();
    let two = ["--orderer", "orderer1", "--orderer", "orderer2"];
    json(&[&["channel", "create", "--dir", dir, "second"][..], &two].concat());
    let leave = ["channel", "leave", "--dir", dir, "-C", "second", "--force", "--node"];
    json(&[&leave[..], &["orderer2"]].concat());
    json(&["network", "down", "--dir", dir]);
    let up = ["network", "up", "--dir", dir, "--detach", "--timeout", "10"];
    let (code, said) = failure(&up);
    assert_ne!(code, 0, "{said}");
    assert!(said.contains("not served: channel second: "), "{said}");
    let (_, said) = failure(&["network", "status", "--dir", dir]);
    assert!(said.contains("channel second") && !said.contains("does not run"), "{said}");
    let put = ["tx", "submit", "--dir", dir, "--as", "client-a", "bench", "put", "k", "v"];
    json(&put);

    // Closed: nobody orders it, its peers keep it.
    json(&[&leave[..], &["orderer1"]].concat());
    json(&["network", "down", "--dir", dir]);
    json(&up);
    json(&put);
    assert_eq!(json(&["network", "status", "--dir", dir])["healthy"], true);
}

#[test]
fn an_organisation_that_leaves_stands_in_the_way_of_nothing() {
    let network = Running::up("bench.toml");
    let dir = network.dir();
    let (update, signature) = (network.path("leave.update"), network.path("a.signature"));
    let (update, signature) = (text(&update), text(&signature));
    let b = ["--dir", dir, "--as", "Admin@HospitalB"];
    json(&[&["org", "leave", "--out", update][..], &b].concat());
    let a = ["--dir", dir, "--as", "Admin@HospitalA", "--out", signature];
    json(&[&["org", "approve", update][..], &a].concat());
    // Whoever submits it may not read the block that it takes effect by.
    let done = json(&[&["org", "submit", update, signature, "--force"][..], &b].concat());
    assert!(done["block"].as_u64().unwrap() > 0, "{done}");
    assert_eq!(file_of(dir)["channels"][0]["organisations"], serde_json::json!(["HospitalA"]));

    // Its peer runs, is listed, and gets no block any more.
    edit(dir, |channel| channel["organisations"] = serde_json::json!(["HospitalA", "HospitalB"]));
    let remove = ["orderer", "remove", "--dir", dir, "orderer3"];
    let removed = json(&remove);
    // A removal whose end did not get into the folder is brought to its end by the same command.
    edit(dir, |channel| channel["orderers"].as_array_mut().unwrap().push("orderer3".into()));
    assert_eq!(json(&remove)["block"], removed["block"]);
    let (code, said) = failure(&remove);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("no consenter of the channel"), "{said}");
    // And an addition, too.
    edit(dir, |channel| channel["orderers"].as_array_mut().unwrap().push("orderer3".into()));
    json(&["orderer", "add", "--dir", dir, "orderer3"]);
    let orderers = &file_of(dir)["channels"][0]["orderers"];
    assert_eq!(orderers, &serde_json::json!(["orderer1", "orderer2", "orderer3"]));
    let (code, said) = failure(&["orderer", "add", "--dir", dir, "orderer3"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("on the channel already"), "{said}");
}

#[test]
fn who_cannot_be_renewed_keeps_nobody_else_from_new_certificates() {
    let network = Running::up("bench.toml");
    let dir = network.dir();
    for node in ["orderer3", "hospital-b"] {
        json(&["network", "down", "--dir", dir, "--node", node]);
    }
    let (code, said) = failure(&["cert", "renew", "--all", "--dir", dir, "--quiet"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.starts_with("error CR-CRT-003: 3 of 5 are not renewed\n"), "{said}");
    for orderer in ["orderer1", "orderer2", "orderer3"] {
        let line =
            format!("\n  {orderer}: CR-CRT-003: orderer3 has no vote on channel care (down)");
        assert!(said.contains(&line), "{said}");
    }
    assert!(said.contains("renew --node orderer1 --node orderer2 --node orderer3`"), "{said}");
    json(&["network", "up", "--dir", dir, "--detach"]);
    json(&["tx", "submit", "--dir", dir, "--as", "client-a", "bench", "put", "k", "v"]);

    // A peer that is down keeps no orderer from its new certificate.
    json(&["network", "down", "--dir", dir, "--node", "hospital-b"]);
    let all = json(&["cert", "renew", "--all", "--dir", dir]);
    assert_eq!(all["renewed"].as_array().unwrap().len(), 5, "{all}");
}
