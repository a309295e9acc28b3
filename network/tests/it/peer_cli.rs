//! What Fabric's `peer` tool asks of a network: the same requests, one after the other, against ours.

mod tool;

use std::path::Path;

use carecord::chaincodes::{Content, Package};
use carecord::configuring;
use carecord::session::Session;
use carecord::state::NodeEntry;
use carecord_proto::block;
use carecord_proto::common::{Block, BlockchainInfo, Config, ConfigValue, Status};
use carecord_proto::lifecycle::{
    ApproveChaincodeDefinitionForMyOrgArgs, ChaincodeSource, CheckCommitReadinessArgs,
    CheckCommitReadinessResult, CommitChaincodeDefinitionArgs, GetInstalledChaincodePackageArgs,
    GetInstalledChaincodePackageResult, InstallChaincodeArgs, InstallChaincodeResult,
    QueryApprovedChaincodeDefinitionArgs, QueryApprovedChaincodeDefinitionResult,
    QueryChaincodeDefinitionArgs, QueryChaincodeDefinitionResult, QueryInstalledChaincodesArgs,
    QueryInstalledChaincodesResult, chaincode_source,
};
use carecord_proto::protos::{AnchorPeer, AnchorPeers, ChannelQueryResponse, TxValidationCode};
use prost::Message;

use crate::support::Running;
use tool::{Tool, newest, number, oldest};

const CHANNEL: &str = "care";
const NAME: &str = "ledgerbook";
const OUTSIDE_PEER: &str =
    "[[nodes]]\nname = \"outside\"\norganisation = \"Outside\"\n\n[[channels]]";

fn running() -> Running {
    let topology = include_str!("../../compat/topology.toml");
    Running::of_text(&topology.replacen("[[channels]]", OUTSIDE_PEER, 1))
}

/// The answer of a peer to a question that must succeed.
async fn told<R: Message + Default>(
    tool: &Tool<'_>,
    peer: &NodeEntry,
    channel: &str,
    (chaincode, function): (&str, &str),
    args: &[&[u8]],
) -> R {
    let args = [&[function.as_bytes()], args].concat();
    let answer = tool.ask(peer, channel, chaincode, &args).await;
    assert_eq!(answer.status, 200, "{function}: {}", answer.message);
    R::decode(answer.payload).unwrap()
}

#[tokio::test]
async fn peer_channel_join_list_getinfo_fetch_and_update() {
    let network = running();
    let session = Session::open(Path::new(network.dir())).unwrap();
    let file = session.file();
    let (a, b) = (file.node("hospital-a").unwrap(), file.node("hospital-b").unwrap());
    let orderer = file.node("orderer1").unwrap();
    let admin = Tool::new(&session, file.admin("HospitalA").unwrap());

    let genesis = std::fs::read(&file.channel(Some(CHANNEL)).unwrap().genesis_file).unwrap();
    let join: [&[u8]; 2] = [b"JoinChain", &genesis];
    let again = admin.ask(a, "", "cscc", &join).await;
    assert_eq!((again.status, again.message.as_str()), (500, "ledger [care] already exists"));
    let outside = file.node("outside").unwrap();
    let stranger = Tool::new(&session, file.user("outsider").unwrap());
    let refused = stranger.ask(outside, "", "cscc", &join).await;
    assert_eq!(refused.status, 500);
    assert!(
        refused.message.starts_with("access denied for [JoinChain][care]: ["),
        "{}",
        refused.message
    );
    let owner = Tool::new(&session, file.admin("Outside").unwrap());
    let none: ChannelQueryResponse = told(&owner, outside, "", ("cscc", "GetChannels"), &[]).await;
    assert!(none.channels.is_empty());
    let joined = owner.ask(outside, "", "cscc", &join).await;
    assert_eq!((joined.status, joined.payload.len()), (200, 0), "{}", joined.message);
    let one: ChannelQueryResponse = told(&owner, outside, "", ("cscc", "GetChannels"), &[]).await;
    assert_eq!(one.channels[0].channel_id, CHANNEL);

    let info: BlockchainInfo =
        told(&admin, a, "", ("qscc", "GetChainInfo"), &[CHANNEL.as_bytes()]).await;
    assert!(info.height > 1 && !info.current_block_hash.is_empty());
    for node in [orderer, a, b] {
        let first = admin.fetch(node, CHANNEL, oldest()).await;
        assert_eq!(block::number(&first), 0);
        let last = admin.fetch(node, CHANNEL, newest()).await;
        assert_eq!(block::number(&last), info.height - 1);
        let hash = block::header_hash(&last.header.clone().unwrap());
        assert_eq!(info.current_block_hash, hash[..]);
        let config = admin.fetch(node, CHANNEL, number(block::last_config(&last).unwrap())).await;
        assert!(block::is_config(&config));
    }
    let of_peer: Block =
        told(&admin, a, "", ("cscc", "GetConfigBlock"), &[CHANNEL.as_bytes()]).await;
    assert!(block::is_config(&of_peer));

    // `channel update` with an anchor peer: the organisation's own administrator is enough.
    let config: Config =
        told(&admin, a, "", ("cscc", "GetChannelConfig"), &[CHANNEL.as_bytes()]).await;
    let mut next = config.clone();
    let root = next.channel_group.as_mut().unwrap();
    let application = root.groups.get_mut("Application").unwrap();
    let anchors =
        AnchorPeers { anchor_peers: vec![AnchorPeer { host: "anchor.test".into(), port: 7051 }] };
    let value = ConfigValue {
        value: anchors.encode_to_vec().into(),
        mod_policy: "Admins".into(),
        ..ConfigValue::default()
    };
    application.groups.get_mut("HospitalA").unwrap().values.insert("AnchorPeers".into(), value);
    let update = configuring::compute_update(CHANNEL, &config, &next).unwrap();
    let signer = session.signer(admin.user).unwrap();
    let signature = configuring::sign(&*signer, &update).unwrap();
    let envelope = configuring::envelope(CHANNEL, &*signer, update, vec![signature]).unwrap();
    assert_eq!(admin.broadcast(orderer, envelope).await, Status::Success);
    let block = admin.fetch(b, CHANNEL, number(info.height)).await;
    assert!(block::is_config(&block), "the update is in a block of its own");
}

#[tokio::test]
async fn peer_lifecycle_from_package_to_query() {
    let network = running();
    let session = Session::open(Path::new(network.dir())).unwrap();
    let file = session.file();
    let (a, b) = (file.node("hospital-a").unwrap(), file.node("hospital-b").unwrap());
    let orderer = file.node("orderer2").unwrap();
    let admins = [
        (Tool::new(&session, file.admin("HospitalA").unwrap()), a),
        (Tool::new(&session, file.admin("HospitalB").unwrap()), b),
    ];
    let package = Package::new("ledgerbook_1", &Content::BuiltIn("bench".into())).unwrap();
    let package_id = package.id("ledgerbook_1");

    for (admin, peer) in &admins {
        let install =
            InstallChaincodeArgs { chaincode_install_package: package.bytes.clone().into() };
        let install = install.encode_to_vec();
        let lifecycle = |function| ("_lifecycle", function);
        let installed: InstallChaincodeResult =
            told(admin, peer, "", lifecycle("InstallChaincode"), &[&install]).await;
        assert_eq!(
            (&installed.package_id, installed.label.as_str()),
            (&package_id, "ledgerbook_1")
        );
        let list: QueryInstalledChaincodesResult = told(
            admin,
            peer,
            "",
            lifecycle("QueryInstalledChaincodes"),
            &[&QueryInstalledChaincodesArgs {}.encode_to_vec()],
        )
        .await;
        assert_eq!(list.installed_chaincodes[0].package_id, package_id);
        let get = GetInstalledChaincodePackageArgs { package_id: package_id.clone() };
        let got: GetInstalledChaincodePackageResult = told(
            admin,
            peer,
            "",
            lifecycle("GetInstalledChaincodePackage"),
            &[&get.encode_to_vec()],
        )
        .await;
        assert_eq!(got.chaincode_install_package, package.bytes);
    }

    let source = chaincode_source::Local { package_id: package_id.clone() };
    let approve = ApproveChaincodeDefinitionForMyOrgArgs {
        sequence: 1,
        name: NAME.into(),
        version: "1".into(),
        source: Some(ChaincodeSource {
            r#type: Some(chaincode_source::Type::LocalPackage(source)),
        }),
        ..Default::default()
    };
    let ready = CheckCommitReadinessArgs {
        sequence: 1,
        name: NAME.into(),
        version: "1".into(),
        ..Default::default()
    };
    for (index, (admin, peer)) in admins.iter().enumerate() {
        let args: [&[u8]; 2] = [b"ApproveChaincodeDefinitionForMyOrg", &approve.encode_to_vec()];
        let codes = admin.transact(&[peer], orderer, CHANNEL, "_lifecycle", &args).await;
        assert_eq!(codes, [TxValidationCode::Valid]);
        let query = QueryApprovedChaincodeDefinitionArgs { name: NAME.into(), sequence: 0 };
        let approved: QueryApprovedChaincodeDefinitionResult = told(
            admin,
            peer,
            CHANNEL,
            ("_lifecycle", "QueryApprovedChaincodeDefinition"),
            &[&query.encode_to_vec()],
        )
        .await;
        assert_eq!((approved.sequence, approved.version.as_str()), (1, "1"));
        let readiness: CheckCommitReadinessResult = told(
            admin,
            peer,
            CHANNEL,
            ("_lifecycle", "CheckCommitReadiness"),
            &[&ready.encode_to_vec()],
        )
        .await;
        assert!(readiness.approvals["HospitalAMSP"]);
        assert_eq!(readiness.approvals["HospitalBMSP"], index == 1);
    }

    let (admin, _) = &admins[0];
    let commit = CommitChaincodeDefinitionArgs {
        sequence: 1,
        name: NAME.into(),
        version: "1".into(),
        ..Default::default()
    };
    let commit = commit.encode_to_vec();
    let args: [&[u8]; 2] = [b"CommitChaincodeDefinition", &commit];
    let codes = admin.transact(&[a, b], orderer, CHANNEL, "_lifecycle", &args).await;
    assert_eq!(codes, [TxValidationCode::Valid; 2], "both peers tell it");
    let query = QueryChaincodeDefinitionArgs { name: NAME.into() };
    let committed: QueryChaincodeDefinitionResult = told(
        admin,
        b,
        CHANNEL,
        ("_lifecycle", "QueryChaincodeDefinition"),
        &[&query.encode_to_vec()],
    )
    .await;
    assert_eq!(committed.sequence, 1);
    assert!(committed.approvals.values().all(|approved| *approved));

    let put: [&[u8]; 3] = [b"put", b"k", b"v"];
    let codes = admin.transact(&[a, b], orderer, CHANNEL, NAME, &put).await;
    assert_eq!(codes, [TxValidationCode::Valid; 2], "waitForEvent on two peers");
    for peer in [a, b] {
        let answer = admin.ask(peer, CHANNEL, NAME, &[b"get", b"k"]).await;
        assert_eq!((answer.status, &answer.payload[..]), (200, &b"v"[..]), "{}", peer.name);
    }
    let absent = admin.ask(a, "nowhere", NAME, &[b"get", b"k"]).await;
    assert_eq!((absent.status, absent.message.as_str()), (500, "channel 'nowhere' not found"));
}
