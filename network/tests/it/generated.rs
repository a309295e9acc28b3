//! What `init` writes is what nodes and other programs can read.

use std::path::Path;

use carecord::bringup;
use carecord::node::config::NodeConfig;
use carecord::output::{Format, Output};
use carecord::state::NetworkDir;
use carecord::topology::{DEMO, Topology};
use carecord_channel::Bundle;
use carecord_msp::{Signer, keystore};
use carecord_proto::common::Block;
use prost::Message;

fn network(root: &Path) -> NetworkDir {
    let dir = NetworkDir::new(&root.join("net")).unwrap();
    let topology = Topology::parse(DEMO).unwrap();
    let quiet = Output::new(Format::Table, true);
    bringup::init(&dir, &topology, DEMO, quiet).unwrap();
    dir
}

#[test]
fn every_node_configuration_loads_and_names_files_that_exist() {
    let root = tempfile::tempdir().unwrap();
    let file = network(root.path()).read().unwrap();
    for node in &file.nodes {
        let config = NodeConfig::load(&node.config_file).unwrap();
        assert_eq!(config.name, node.name);
        assert_eq!(config.cluster_address.is_some(), node.role == "orderer");
        let tls = &config.tls;
        for path in
            [&tls.certificate, &tls.key].into_iter().chain(&tls.roots).chain(&config.channels)
        {
            assert!(path.is_file(), "{}: {}", node.name, path.display());
        }
        keystore::load_signing_identity(&config.msp_dir, &config.msp_id).unwrap();
    }
}

#[test]
fn the_first_block_makes_a_channel_on_which_everybody_is_somebody() {
    let root = tempfile::tempdir().unwrap();
    let dir = network(root.path());
    let file = dir.read().unwrap();
    let bytes = std::fs::read(&file.channels[0].genesis_file).unwrap();
    let bundle = Bundle::from_block(&Block::decode(bytes.as_slice()).unwrap()).unwrap();
    assert_eq!(bundle.channel_id(), "care");
    for user in &file.users {
        let certificate = std::fs::read(&user.certificate_file).unwrap();
        let key = std::fs::read(&user.key_file).unwrap();
        let signer =
            carecord_msp::SigningIdentity::from_pem(&user.msp_id, &certificate, &key).unwrap();
        let identity = bundle.msps().identity(&signer.serialized()).unwrap();
        identity.validate().unwrap();
        let writes = bundle.evaluate_identities("/Channel/Application/Writers", &[identity]);
        assert_eq!(writes.is_ok(), user.organisation != "Orderer", "{}", user.name);
    }
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("letter.txt"), "dear").unwrap();
    let dir = NetworkDir::new(root.path()).unwrap();
    let topology = Topology::parse(DEMO).unwrap();
    let quiet = Output::new(Format::Table, true);
    let failure = bringup::init(&dir, &topology, DEMO, quiet).unwrap_err();
    assert_eq!(failure.code(), "CR-NET-012");
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
}
