//! Mistakes before anything runs: topologies, folders, ports, files.

use std::fs;
use std::net::TcpListener;

use crate::place::{Place, refused};
use crate::table::Table;

const TOPOLOGY: &str = include_str!("../../compat/topology.toml");

pub(crate) fn mistakes(table: &mut Table) {
    topologies(table);
    folders(table);
    let place = Place::new();
    let path = place.file("letter.txt", "dear");
    let said = refused(&["cert", "show", &path]);
    table.add("named a file that holds no certificate", said, &["letter.txt", "no certificate"]);
}

fn topologies(table: &mut Table) {
    let cases: [(&'static str, &str, &str, &[&str]); 3] = [
        (
            "misspelt a key of the topology",
            "endorsement = ",
            "endorsment = ",
            &["topology.toml:", "endorsment"],
        ),
        (
            "named an organisation in a policy that is not there",
            "AND('HospitalAMSP.peer', ",
            "AND('HospitalXMSP.peer', ",
            &["topology.toml:", "HospitalXMSP"],
        ),
        (
            "named an orderer for the channel that is no node",
            "\"orderer3\"]",
            "\"orderer4\"]",
            &["topology.toml:", "orderer4"],
        ),
    ];
    for (did, right, wrong, cause) in cases {
        let place = Place::new();
        let topology = place.file("topology.toml", &TOPOLOGY.replacen(right, wrong, 1));
        let said = place.refused(&["network", "init", "--topology", &topology]);
        table.add(did, said, cause);
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let place = Place::new();
    let port = format!("[[nodes]]\nport = {}\n", address.port());
    let topology = place.file("topology.toml", &TOPOLOGY.replacen("[[nodes]]\n", &port, 1));
    let said = place.refused(&["network", "up", "--detach", "--topology", &topology]);
    let cause = ["orderer1", &address.to_string(), "is taken"];
    table.add("gave a node a port that is taken", said, &cause);
}

fn folders(table: &mut Table) {
    let place = Place::new();
    let said = place.refused(&["network", "status"]);
    table.add("named a folder without a network", said, &["there is no network", "--dir"]);
    let said = place.refused(&["network", "up", "--detach"]);
    table.add("started a network in a mistyped folder", said, &["there is no network", "--dir"]);
    assert!(!fs::exists(place.dir()).unwrap(), "a folder was made");

    let topology = place.file("topology.toml", TOPOLOGY);
    place.must(&["network", "init", "--topology", &topology]);
    let path = format!("{}/network.json", place.dir());
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("network/v1", "network/v0", 1)).unwrap();
    let said = place.refused(&["network", "up", "--detach"]);
    let cause = ["network.json", "carecord.network/v0", "carecord.network/v1"];
    table.add("started a folder of another version", said, &cause);
    fs::write(&path, text).unwrap();

    let said = place.refused(&["tx", "evaluate", "--as", "registrar", "bench", "get", "k"]);
    let cause = ["hospital-a at 127.0.0.1", "refused"];
    table.add("asked a network that was not started", said, &cause);
}
