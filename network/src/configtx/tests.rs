//! What Fabric wrote, as JSON and back: equal content, and equal bytes in every value of a configuration.

use std::collections::BTreeMap;

use carecord_proto::block;
use carecord_proto::common::{Block, Config, ConfigGroup, ConfigUpdate};
use carecord_proto::{fabric_file, testdata};

use super::*;

const LEDGERS: [&str; 3] = [
    "fabric-golden/peer.blk",
    "fabric-golden-2/golden/peer1.blk",
    "fabric-golden-2/raw/orderer.blk",
];

/// Blocks of real Fabric chains; none, and said so, without the test data.
fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    for ledger in LEDGERS {
        let Some(path) = testdata::path(ledger) else {
            testdata::skipped(ledger);
            continue;
        };
        let file = std::fs::read(path).unwrap();
        blocks.extend(fabric_file::read(file.into()).map(Result::unwrap));
    }
    blocks
}

/// Every value and policy of a configuration by its path, in bytes.
fn bytes_of(group: &ConfigGroup, path: &str, into: &mut BTreeMap<String, Vec<u8>>) {
    for (key, value) in &group.values {
        into.insert(format!("{path}/{key}"), value.encode_to_vec());
    }
    for (key, policy) in &group.policies {
        into.insert(format!("{path}:{key}"), policy.encode_to_vec());
    }
    for (key, group) in &group.groups {
        bytes_of(group, &format!("{path}/{key}"), into);
    }
}

#[test]
fn blocks_of_fabric_come_back_from_json_with_equal_content() {
    let (mut blocks_read, mut values) = (0, 0);
    for block in blocks() {
        let json = to_json("common.Block", &block).unwrap();
        let again: Block = from_json("common.Block", &json).unwrap();
        assert_eq!(to_json("common.Block", &again).unwrap(), json);
        assert_eq!((again.header, again.metadata), (block.header.clone(), block.metadata.clone()));
        blocks_read += 1;
        let Ok(Some(envelope)) = block::config_envelope(&block) else { continue };
        let config = envelope.config.unwrap();
        let again: Config =
            from_json("common.Config", &to_json("common.Config", &config).unwrap()).unwrap();
        assert_eq!(
            again, config,
            "a configuration that nobody edited has the same bytes in every value"
        );
        let mut all = BTreeMap::new();
        bytes_of(config.channel_group.as_ref().unwrap(), "", &mut all);
        values += all.len();
    }
    println!("configtx: {blocks_read} blocks and {values} configuration values there and back");
}

#[test]
fn what_is_inside_a_configuration_is_shown_by_name() {
    let Some(first) = blocks().into_iter().next() else { return };
    let json = to_json("common.Block", &first).unwrap();
    let config = &json["data"]["data"][0]["payload"]["data"]["config"]["channel_group"];
    let raft = &config["groups"]["Orderer"]["values"]["ConsensusType"]["value"];
    assert_eq!(raft["type"], "etcdraft");
    assert!(raft["metadata"]["consenters"][0]["port"].is_u64(), "{raft}");
    assert_eq!(config["values"]["Capabilities"]["version"], "0", "64-bit numbers are texts");
    let admins = &config["groups"]["Application"]["policies"]["Admins"]["policy"];
    assert_eq!(admins["value"]["rule"], "MAJORITY");
    let organisations = config["groups"]["Application"]["groups"].as_object().unwrap();
    let msp = &organisations.values().next().unwrap()["values"]["MSP"]["value"];
    assert!(msp["config"]["fabric_node_ous"]["enable"].is_boolean(), "{msp}");
    assert!(text(&json).starts_with("{\n\t\"data\": {\n\t\t\"data\": ["));
}

#[test]
fn an_edit_in_json_changes_what_was_edited_and_nothing_else() {
    let Some(first) = blocks().into_iter().next() else { return };
    let config = block::config_envelope(&first).unwrap().unwrap().config.unwrap();
    let mut json = to_json("common.Config", &config).unwrap();
    json["channel_group"]["groups"]["Orderer"]["values"]["BatchSize"]["value"]["max_message_count"] =
        7.into();
    let edited: Config = from_json("common.Config", &json).unwrap();
    let update: ConfigUpdate =
        carecord_channel::config::compute::update("c", &config, &edited).unwrap();
    let (mut written, write_set) = (BTreeMap::new(), update.write_set.unwrap());
    bytes_of(&write_set, "", &mut written);
    assert_eq!(written.keys().collect::<Vec<_>>(), ["/Orderer/BatchSize"]);
}

#[test]
fn what_is_not_the_message_is_refused_with_its_place() {
    let refused = |name: &str, json: &str| {
        encode(name, &serde_json::from_str(json).unwrap()).unwrap_err().to_string()
    };
    assert!(refused("common.Nothing", "{}").contains("there is no message type"));
    let text = refused(
        "common.Config",
        r#"{"channel_group":{"groups":{"Orderer":{"values":{"BatchSize":{"value":{"max_message_count":"x"}}}}}}}"#,
    );
    assert!(text.contains("Orderer: values: BatchSize: "), "{text}");
    assert!(decode("common.Block", b"\xff").is_err());
}
