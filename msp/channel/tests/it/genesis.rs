//! Genesis blocks: the one made from a description equals the one that Fabric's tool made of the same.

use carecord_channel::Bundle;
use carecord_channel::genesis::{
    ApplicationLevel, ChannelLevel, ChannelSpec, OrganizationSpec, genesis_block,
};
use carecord_proto::common::{Block, Config, ConfigGroup};
use carecord_proto::envelope::Opened;
use carecord_proto::msp::MspConfig;
use carecord_proto::{block, testdata};
use prost::Message;

fn golden() -> Option<Block> {
    let Some(path) = testdata::path("fabric-golden-2/golden/genesis.block") else {
        testdata::skipped("genesis block as Fabric's tool makes it");
        return None;
    };
    Some(Block::decode(&std::fs::read(path).expect("readable")[..]).expect("a block"))
}

fn config(block: &Block) -> Config {
    let envelope = block::config_envelope(block).expect("readable").expect("a config block");
    envelope.config.expect("a config")
}

fn opened(block: &Block) -> Opened {
    let envelope = Message::decode(block::envelopes(block)[0].clone()).expect("an envelope");
    Opened::open(&envelope).expect("opens")
}

fn msp(group: &ConfigGroup) -> MspConfig {
    MspConfig::decode(group.values["MSP"].value.clone()).expect("an MSP")
}

/// Describes the channel of a genesis block.
fn describe(bundle: &Bundle) -> ChannelSpec {
    let root = bundle.config().channel_group.as_ref().expect("a root");
    let (orderer, application) =
        (bundle.orderer().expect("one"), bundle.application().expect("one"));
    let raft = orderer.raft().expect("raft");
    let mut spec = ChannelSpec::new(bundle.channel_id());
    spec.level = if bundle.capabilities().v3_0() { ChannelLevel::V3_0 } else { ChannelLevel::V2_0 };
    spec.orderer.addresses = bundle.orderer_addresses().to_vec();
    spec.orderer.batch_size = orderer.batch_size;
    spec.orderer.batch_timeout = orderer.batch_timeout;
    spec.orderer.consenters = raft.consenters;
    spec.orderer.raft = raft.options.expect("options");
    for (name, org) in &orderer.organizations {
        let msp = msp(&root.groups["Orderer"].groups[name]);
        let org = OrganizationSpec::orderer(name, &org.msp_id, msp, org.endpoints.clone());
        spec.orderer.organizations.push(org.expect("policies"));
    }
    let purge = application.capabilities.purge_private_data();
    spec.application.level = if purge { ApplicationLevel::V2_5 } else { ApplicationLevel::V2_0 };
    for (name, org) in &application.organizations {
        let msp = msp(&root.groups["Application"].groups[name]);
        let org = OrganizationSpec::application(name, &org.msp_id, msp, org.anchor_peers.clone());
        spec.application.organizations.push(org.expect("policies"));
    }
    spec
}

#[test]
fn the_same_channel_gives_the_same_configuration_as_fabrics_tool() {
    let Some(golden) = golden() else { return };
    let bundle = Bundle::from_block(&golden).expect("compiles");
    let header = opened(&golden);
    let nonce = header.signature_header.nonce.clone();
    let seconds = header.channel_header.timestamp.as_ref().expect("a time").seconds;
    let made = genesis_block(&describe(&bundle), nonce, seconds).expect("makes");
    let (ours, theirs) = (config(&made), config(&golden));
    let (ours, theirs) = (ours.channel_group.expect("root"), theirs.channel_group.expect("root"));
    for section in ["Orderer", "Application"] {
        for (name, theirs) in &theirs.groups[section].groups {
            assert_eq!(&ours.groups[section].groups[name], theirs, "{section}/{name}");
        }
        assert_eq!(ours.groups[section].values, theirs.groups[section].values, "{section}");
        assert_eq!(ours.groups[section].policies, theirs.groups[section].policies, "{section}");
    }
    assert_eq!(ours, theirs);
    let made_header = opened(&made);
    assert_eq!(made_header.channel_header, header.channel_header);
    assert_eq!(made_header.signature_header, header.signature_header);
    assert_eq!(made.metadata, golden.metadata);
}

#[test]
fn the_same_description_gives_the_same_bytes() {
    let Some(golden) = golden() else { return };
    let spec = describe(&Bundle::from_block(&golden).expect("compiles"));
    let make = || genesis_block(&spec, vec![7; 24].into(), 1_700_000_000).expect("makes");
    assert_eq!(make().encode_to_vec(), make().encode_to_vec());
}

#[test]
fn a_channel_that_nobody_could_join_is_refused() {
    let Some(golden) = golden() else { return };
    let spec = describe(&Bundle::from_block(&golden).expect("compiles"));
    let make = |change: &dyn Fn(&mut ChannelSpec)| {
        let mut spec = spec.clone();
        change(&mut spec);
        genesis_block(&spec, vec![7; 24].into(), 0).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(make(&|_| ()), Ok(()));
    assert!(make(&|spec| spec.channel_id = "Upper".into()).is_err());
    assert!(make(&|spec| spec.orderer.batch_size.max_message_count = 0).is_err());
    assert!(make(&|spec| spec.orderer.batch_size.absolute_max_bytes = 200 << 20).is_err());
    assert!(make(&|spec| spec.orderer.consenters.clear()).is_err());
    assert!(make(&|spec| spec.orderer.raft.election_tick = 1).is_err());
    let to_v3 = make(&|spec| {
        spec.level = ChannelLevel::V3_0;
        spec.orderer.addresses.clear();
        spec.orderer.organizations[0].endpoints.clear();
    });
    assert!(to_v3.expect_err("no endpoints").contains("endpoints are empty"));
    let v3 = make(&|spec| {
        spec.level = ChannelLevel::V3_0;
        spec.orderer.addresses.clear();
        for org in &mut spec.orderer.organizations {
            org.endpoints = vec!["orderer1:7050".into()];
        }
    });
    assert_eq!(v3, Ok(()));
}
