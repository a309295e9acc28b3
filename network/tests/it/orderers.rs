//! The ordering service, administered while it runs.

use crate::support::{Running, carecord, failure, json};

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

/// What `channel show` says of one line.
fn shown(dir: &str, channel: &str, line: &str) -> String {
    let said = carecord(&["channel", "show", "--dir", dir, "-C", channel]);
    let said = String::from_utf8(said.stdout).unwrap();
    said.lines().map(str::trim).find(|said| said.starts_with(line)).unwrap_or_default().to_owned()
}

#[test]
fn a_later_channel_cuts_blocks_as_the_first_one_does() {
    let network = Running::up("bench.toml");
    let dir = network.dir();
    json(&["channel", "create", "--dir", dir, "second", "--orderer", "orderer1"]);
    let first = shown(dir, "care", "block at most");
    assert!(first.ends_with("200 ms"), "{first}");
    assert_eq!(shown(dir, "second", "block at most"), first);
}

/// Relation and status of `node` on the channel, by its own word.
fn standing(dir: &str, node: &str) -> (String, String) {
    let status = json(&["orderer", "status", "--dir", dir]);
    let all = status["orderers"].as_array().unwrap().clone();
    let own = all.iter().find(|one| one["node"] == node).expect("the node is in the network");
    let word = |key: &str| own[key].as_str().unwrap_or_default().to_owned();
    (word("relation"), word("status"))
}

fn becomes(dir: &str, node: &str, wanted: (&str, &str)) {
    let mut last = Default::default();
    for _ in 0..200 {
        last = standing(dir, node);
        if (&*last.0, &*last.1) == wanted {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{node} is to be {wanted:?}, but is {last:?}");
}

fn nodes(dir: &str) -> Vec<serde_json::Value> {
    let file = std::fs::read(std::path::Path::new(dir).join("network.json")).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
    file["nodes"].as_array().unwrap().clone()
}

#[test]
fn who_was_replaced_is_gone_and_who_came_instead_may_lose_its_data() {
    let network = Running::up("bench.toml");
    let dir = network.dir();
    let old = nodes(dir).into_iter().find(|node| node["name"] == "orderer3").unwrap();
    let pid_file = old["pid_file"].as_str().unwrap();
    json(&["orderer", "replace", "--dir", dir, "orderer3", "--with", "orderer4"]);
    assert!(!std::path::Path::new(pid_file).exists(), "its process has ended");
    assert!(nodes(dir).iter().all(|node| node["name"] != "orderer3"));
    assert_eq!(json(&["network", "status", "--dir", dir])["healthy"], true);

    // No first block stands in its configuration, so after this it knows nothing of the channel.
    let new = nodes(dir).into_iter().find(|node| node["name"] == "orderer4").unwrap();
    json(&["network", "down", "--dir", dir, "--node", "orderer4"]);
    std::fs::remove_dir_all(new["data_dir"].as_str().unwrap()).unwrap();
    json(&["network", "up", "--dir", dir, "--detach"]);
    becomes(dir, "orderer4", ("follower", "active"));
    for step in ["remove", "add"] {
        json(&["orderer", step, "--dir", dir, "orderer4"]);
    }
    becomes(dir, "orderer4", ("consenter", "active"));
}

#[test]
fn an_orderer_that_left_joins_by_the_configuration_in_force_and_not_by_the_first_block() {
    let network = Running::up("bench.toml");
    let dir = network.dir();
    json(&["orderer", "replace", "--dir", dir, "orderer3", "--with", "orderer4"]);
    let leave = ["channel", "leave", "--dir", dir, "-C", "care", "--node", "orderer2"];
    let (code, said) = failure(&leave);
    assert_eq!(code, 2, "{said}");
    assert!(said.starts_with("error CR-CFG-004: orderer2: the orderer is a consenter"), "{said}");
    json(&[&leave[..], &["--force"]].concat());
    let listed = || {
        let file = std::fs::read(std::path::Path::new(dir).join("network.json")).unwrap();
        let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
        file["channels"][0]["orderers"].to_string().contains("orderer2")
    };
    assert!(!listed(), "nobody waits for it at the next start");
    // By the first block, which names it, it would say that it is a consenter with one block.
    let joined = json(&["channel", "join", "--dir", dir, "-C", "care", "--node", "orderer2"]);
    assert_eq!(joined["relation"], "follower", "{joined}");
    assert!(listed(), "the configuration names it");
    becomes(dir, "orderer2", ("follower", "active"));
}
