//! The ordering service, administered while it runs.

use crate::support::{Running, failure, json};

fn leaders(dir: &str) -> Vec<String> {
    let status = json(&["orderer", "status", "--dir", dir]);
    let orderers = status["orderers"].as_array().unwrap().clone();
    orderers.iter().map(|one| one["leader"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn leadership_is_shown_and_moves_where_it_is_sent() {
    let network = Running::up("bench.toml");
    let dir = network.dir();
    for wanted in ["orderer1", "orderer2", "orderer3"] {
        let moved = json(&["orderer", "transfer-leader", "--dir", dir, "--to", wanted]);
        assert_eq!(moved["leader"], wanted);
        let agreed = (0..100).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            leaders(dir) == [wanted; 3]
        });
        assert!(agreed, "{wanted} leads, but {:?} is said", leaders(dir));
    }
    let (code, said) = failure(&["orderer", "transfer-leader", "--dir", dir, "--to", "hospital-a"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("the node is no orderer"), "{said}");
}

#[test]
fn a_channel_that_could_not_be_made_is_made_by_the_same_command_later() {
    let network = Running::up("bench.toml");
    let dir = network.dir();
    let create = ["channel", "create", "--dir", dir, "second"];
    for node in ["orderer3", "hospital-b"] {
        json(&["network", "down", "--dir", dir, "--node", node]);
        let (_, said) = failure(&create);
        assert!(said.contains(node), "{said}");
        json(&["network", "up", "--dir", dir, "--detach"]);
    }
    let (_, said) = failure(&[&create[..], &["--member", "HospitalA"]].concat());
    assert!(said.contains("with other members or orderers"), "{said}");
    assert_eq!(json(&create)["peers"], 2);
    let (code, said) = failure(&create);
    assert_eq!(code, 2, "{said}");
    assert!(said.starts_with("error CR-CFG-010: "), "{said}");
}
