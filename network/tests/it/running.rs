//! A network that runs: seven processes would be the same, five are quicker.

use crate::support::{Running, carecord, failure, json, text};

#[test]
fn a_network_takes_transactions_agrees_stops_and_goes_on() {
    let network = Running::up("bench.toml");
    let dir = network.dir();
    let put = json(&["tx", "submit", "--dir", dir, "--as", "client-a", "bench", "put", "k", "v"]);
    assert_eq!(put["validation_code"], "VALID");
    let get = json(&["tx", "evaluate", "--dir", dir, "--as", "client-b", "bench", "get", "k"]);
    assert_eq!(get["result"], "v");
    for user in ["client-p384", "client-ed25519"] {
        json(&["tx", "submit", "--dir", dir, "--as", user, "bench", "put", user, "v"]);
    }
    let tx_id = put["tx_id"].as_str().unwrap();
    let shown = json(&["tx", "show", "--dir", dir, "--as", "client-a", tx_id]);
    assert_eq!(
        (&shown["validation_code"], &shown["chaincode"]),
        (&"VALID".into(), &"bench".into())
    );

    let (code, said) =
        failure(&["tx", "evaluate", "--dir", dir, "--as", "client-a", "bench", "get", "none"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.starts_with("error CR-CC-031: "), "{said}");
    let (code, said) = failure(&["network", "up", "--dir", dir, "--detach"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.starts_with("error CR-NET-017: "), "{said}");

    let before = heights(dir);
    let down = json(&["network", "down", "--dir", dir, "--node", "orderer2"]);
    assert_eq!(down["stopped"], 1);
    json(&["tx", "submit", "--dir", dir, "--as", "client-a", "bench", "put", "k1", "v"]);
    let (code, said) = failure(&["network", "down", "--dir", dir, "--node", "orderer9"]);
    assert_eq!(code, 3, "{said}");
    json(&["network", "up", "--dir", dir, "--detach"]);
    let before: Vec<u64> = before.iter().map(|height| height + 1).collect();
    wait_for(dir, &before);
    carecord(&["network", "down", "--dir", dir]);
    let (code, said) = failure(&["network", "status", "--dir", dir]);
    assert_eq!(code, 1);
    assert!(said.contains("orderer1: does not run"), "{said}");
    json(&["network", "up", "--dir", dir, "--detach"]);
    assert_eq!(heights(dir), before, "a restart adds no block");
    json(&["tx", "submit", "--dir", dir, "--as", "client-b", "bench", "put", "k2", "v"]);
}

#[test]
fn an_exported_chain_holds_what_the_benchmark_claims() {
    let network = Running::up("bench.toml");
    let dir = network.dir();
    let out = network.path("chain");
    let export = || {
        let node = "hospital-b";
        json(&[
            "ledger",
            "export",
            "--dir",
            dir,
            "--node",
            node,
            "--channel",
            "care",
            "--force",
            "--out",
            text(&out),
        ])
    };
    let (code, said) = failure(&[
        "ledger",
        "export",
        "--dir",
        dir,
        "--node",
        "orderer1",
        "--channel",
        "care",
        "--out",
        "/dev/full",
    ]);
    assert_eq!(code, 1);
    assert!(
        said.starts_with("error CR-NET-013: /dev/full: no space is left on the disk"),
        "{said}"
    );

    let before = export()["valid"].as_u64().unwrap();
    let report = json(&[
        "bench",
        "submit",
        "--dir",
        dir,
        "--in-flight",
        "8",
        "--seconds",
        "2",
        "--mixed-keys",
    ]);
    assert_eq!(report["errors"], 0, "{report}");
    let committed = report["committed"].as_u64().unwrap();
    assert!(committed > 10, "{report}");
    // hospital-b may be a block behind the peers that answered
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while export()["valid"].as_u64().unwrap() < before + committed {
        assert!(std::time::Instant::now() < deadline, "the chain holds less than was claimed");
    }
    assert_eq!(export()["valid"].as_u64().unwrap(), before + committed);
    let blocks = carecord::chain::read_export(&out).unwrap();
    assert_eq!(blocks.len() as u64, heights(dir)[0]);
}

#[test]
fn a_taken_port_is_named_with_the_node_that_wanted_it() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("net");
    json(&["network", "init", "--dir", text(&dir)]);
    let network: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.join("network.json")).unwrap()).unwrap();
    let address = network["nodes"][3]["address"].as_str().unwrap();
    let _taken = std::net::TcpListener::bind(address).unwrap();
    let (code, said) = failure(&["network", "up", "--dir", text(&dir), "--detach", "--quiet"]);
    assert_eq!(code, 1);
    assert!(
        said.starts_with(&format!("error CR-NET-010: {address}: the address of hospital-a")),
        "{said}"
    );
}

/// A node that was away fetches what it missed.
fn wait_for(dir: &str, wanted: &[u64]) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while heights(dir) != wanted {
        assert!(std::time::Instant::now() < deadline, "{:?}, not {wanted:?}", heights(dir));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

fn heights(dir: &str) -> Vec<u64> {
    let status = json(&["network", "status", "--dir", dir]);
    let nodes = status["nodes"].as_array().unwrap();
    nodes.iter().map(|node| node["channels"]["care"]["height"].as_u64().unwrap()).collect()
}
