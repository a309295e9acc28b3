//! Private data among peers of three organisations: `AMSP` and `BMSP` are members of `wards`, `AMSP` alone of `own`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carecord_channel::policy::dsl;
use carecord_comm::privdata::private_data_client::PrivateDataClient;
use carecord_comm::{ClientAuth, ClientTls, Endpoint, dial};
use carecord_msp::Signer;
use carecord_proto::carecord::privdata::{
    Digest, Header, PullRequest, PushRequest, PushedSet, Receipt, RemovalRequest, SignedRequest,
};
use carecord_proto::hash::sha256;
use carecord_proto::protos::{
    CollectionConfig, CollectionConfigPackage, CollectionPolicyConfig, StaticCollectionConfig,
    TxValidationCode, collection_config, collection_policy_config, deliver_response::Type,
};
use carecord_proto::rwset::TxPvtRwSet;
use prost::Message;
use tonic::{Code, Status};

use crate::client::Client;
use crate::deliver::{at, header as seek_header, next, seek, signed as signed_seek};
use crate::world::{CHANNEL, World, definition, now, with_tls};

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;
const ORGS: [&str; 3] = ["AMSP", "BMSP", "CMSP"];
const EITHER: &str = "OR('AMSP.peer','BMSP.peer','CMSP.peer')";
const KEY: &str = "the-name-of-a-private-key";
const SECRET: &str = "a-private-value-for-members-alone";

fn collection(name: &str, members: &str) -> StaticCollectionConfig {
    let members = dsl::parse(members).expect("a policy");
    StaticCollectionConfig {
        name: name.to_owned(),
        member_orgs_policy: Some(CollectionPolicyConfig {
            payload: Some(collection_policy_config::Payload::SignaturePolicy(members)),
        }),
        maximum_peer_count: 3,
        ..StaticCollectionConfig::default()
    }
}

fn wards() -> StaticCollectionConfig {
    collection("wards", "OR('AMSP.member','BMSP.member')")
}

async fn deploy(world: &World, collections: Vec<StaticCollectionConfig>) {
    let config = |one| CollectionConfig {
        payload: Some(collection_config::Payload::StaticCollectionConfig(one)),
    };
    let config = collections.into_iter().map(config).collect();
    let mut args = definition("mischief", EITHER, 1, false);
    args.collections = Some(CollectionConfigPackage { config });
    world.deploy_definition(args).await;
}

/// Three peers that know each other, and the collections `wards` and `own`.
async fn three(change: impl FnOnce(&mut StaticCollectionConfig)) -> World {
    let world = World::acquainted(&ORGS, |_, _, _| {}).await;
    let mut wards = wards();
    change(&mut wards);
    deploy(&world, vec![wards, collection("own", "OR('AMSP.member')")]).await;
    world
}

async fn put(
    client: &Client,
    collection: &str,
    key: &str,
    orgs: &[&str],
) -> Result<String, Status> {
    let args: [&[u8]; 2] = [b"put private", collection.as_bytes()];
    transact(client, &args, key, orgs).await
}

/// The key and the value go as transient data.
async fn transact(
    client: &Client,
    args: &[&[u8]],
    key: &str,
    orgs: &[&str],
) -> Result<String, Status> {
    let mut draft = client.draft("mischief", args);
    let transient = &mut draft.request.transient;
    transient.insert("key".to_owned(), Bytes::copy_from_slice(key.as_bytes()));
    transient.insert("value".to_owned(), Bytes::from_static(SECRET.as_bytes()));
    let (signed, tx_id) = draft.signed(&client.signer);
    let prepared = client.endorse(signed, orgs).await?;
    assert!(!holds(&prepared.payload, SECRET), "nothing private is in a transaction");
    client.submit(client.sign(prepared)).await?;
    let status = client.commit_status(&tx_id).await?;
    assert_eq!(status.result(), TxValidationCode::Valid);
    Ok(tx_id)
}

/// What an organisation's own peer answers to its own client.
async fn call(world: &World, org: usize, args: &[&str]) -> Result<Bytes, Status> {
    let client = world.client(org, org);
    let args: Vec<_> = args.iter().map(|arg| arg.as_bytes()).collect();
    let (signed, _) = client.propose("mischief", &args);
    client.evaluate_signed(signed, &[ORGS[org]]).await
}

async fn has(world: &World, org: usize) -> bool {
    call(world, org, &["get private", "wards", KEY]).await.is_ok_and(|value| value == SECRET)
}

async fn comes_to_have(world: &World, org: usize) {
    for _ in 0..150 {
        if has(world, org).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{} does not have the value", ORGS[org]);
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn lies(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            lies(&path, text)
        } else {
            holds(&std::fs::read(path).unwrap_or_default(), text)
        }
    })
}

#[tokio::test]
async fn members_have_the_value_and_nobody_else_has_a_byte_of_it() {
    let mut world = three(|wards| wards.required_peer_count = 1).await;
    put(&world.client(A, A), "wards", KEY, &[]).await.expect("committed");
    world.all_caught_up().await;
    assert!(has(&world, A).await && has(&world, B).await);
    let refused = call(&world, C, &["get private", "wards", KEY]).await.expect_err("no member");
    assert!(refused.message().contains("evaluate call"), "{refused}");
    let hash = call(&world, C, &["private hash", "wards", KEY]).await.expect("everybody has it");
    assert_eq!(hash, sha256(&[SECRET.as_bytes()])[..]);
    assert_eq!(call(&world, B, &["private range", "wards"]).await.expect("rows"), KEY);
    let hashes = [A, B, C]
        .map(|org| world.peer(org).channel(CHANNEL).expect("joined").ledger().commit_hash());
    assert!(hashes.iter().all(|hash| *hash == hashes[0]));
    for peer in &mut world.peers {
        peer.stop().await;
    }
    let folder = |org: usize| &world.peers[org].config.data_dir;
    assert!(lies(folder(B), SECRET), "the look finds what is there");
    assert!(!lies(folder(C), SECRET) && !lies(folder(C), KEY));
}

#[tokio::test]
async fn an_endorsement_leaves_only_when_the_required_peers_have_the_set() {
    let mut world = three(|wards| wards.required_peer_count = 1).await;
    world.peers[B].stop().await;
    let refused = put(&world.client(A, A), "wards", KEY, &["AMSP"]).await.expect_err("B is away");
    assert_eq!(refused.code(), Code::Aborted);
    let details = format!("{:?}", carecord_comm::error_details(&refused));
    assert!(details.contains("failed to distribute private collection"), "{details}");
    world.peers[B].start().await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    put(&world.client(A, A), "wards", KEY, &["AMSP"]).await.expect("B is back");
    // More than there are.
    let world = three(|wards| wards.required_peer_count = 2).await;
    let refused = put(&world.client(A, A), "wards", KEY, &["AMSP"]).await.expect_err("too few");
    let details = format!("{:?}", carecord_comm::error_details(&refused));
    assert!(details.contains("at least 2 peers, but know of only 1"), "{details}");
}

#[tokio::test]
async fn a_member_that_was_away_is_given_what_it_missed() {
    let mut world = three(|_| {}).await;
    world.peers[B].stop().await;
    put(&world.client(A, A), "wards", KEY, &["AMSP"]).await.expect("committed without B");
    world.peers[B].start().await;
    world.caught_up(B).await;
    comes_to_have(&world, B).await;
    // Nobody had it while the block was committed: the list of missing data finds it later.
    world.peers[A].stop().await;
    world.peers[B].stop().await;
    world.peers[A].start().await;
    put(&world.client(A, A), "wards", "later", &["AMSP"]).await.expect("committed without B");
    world.peers[A].stop().await;
    world.peers[B].start().await;
    world.caught_up(B).await;
    assert!(call(&world, B, &["get private", "wards", "later"]).await.is_err(), "nobody has it");
    world.peers[A].start().await;
    for _ in 0..200 {
        if call(&world, B, &["get private", "wards", "later"]).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("B is not given what it missed");
}

#[tokio::test]
async fn a_peer_that_is_no_member_endorses_only_what_a_member_has() {
    let world = three(|_| {}).await;
    put(&world.client(C, C), "wards", KEY, &["CMSP"]).await.expect("handed to a member");
    world.all_caught_up().await;
    comes_to_have(&world, A).await;
    comes_to_have(&world, B).await;
    let all = lies(&world.peers[C].config.data_dir, SECRET);
    assert!(!all, "the endorser kept nothing");
}

#[tokio::test]
async fn only_members_read_and_write_where_the_collection_says_so() {
    let only = |wards: &mut StaticCollectionConfig| {
        (wards.member_only_read, wards.member_only_write) = (true, true);
    };
    let world = three(only).await;
    put(&world.client(A, A), "wards", KEY, &["AMSP"]).await.expect("a member");
    world.all_caught_up().await;
    let stranger = world.client(C, A);
    let get: [&[u8]; 3] = [b"get private", b"wards", KEY.as_bytes()];
    let (signed, _) = stranger.propose("mischief", &get);
    let response = stranger.process(signed).await.expect("answered").response.expect("always");
    assert!(response.message.contains("tx creator does not have read access permission"));
    assert!(!holds(&response.payload, SECRET));
    let (signed, _) = stranger.propose("mischief", &[b"put private", b"wards", b"k"]);
    let response = stranger.process(signed).await.expect("answered").response.expect("always");
    assert!(response.message.contains("tx creator does not have write access permission"));
    let unknown = call(&world, A, &["get private", "nothing", "k"]).await.expect_err("unknown");
    let details = format!("{:?}", carecord_comm::error_details(&unknown));
    assert!(details.contains("collection care/mischief/nothing could not be found"), "{details}");
}

#[tokio::test]
async fn an_organisations_own_collection_needs_no_definition() {
    let world = three(|_| {}).await;
    let own = "_implicit_org_AMSP";
    put(&world.client(A, A), own, KEY, &["AMSP"]).await.expect("committed");
    world.all_caught_up().await;
    assert_eq!(call(&world, A, &["get private", own, KEY]).await.expect("its own"), SECRET);
    assert!(call(&world, B, &["get private", own, KEY]).await.is_err());
    assert!(put(&world.client(A, A), "_implicit_org_XMSP", KEY, &["AMSP"]).await.is_err());
}

#[tokio::test]
async fn a_gateway_plans_with_members_where_private_data_is_read_or_transient_data_is_sent() {
    let world = three(|_| {}).await;
    put(&world.client(A, A), "wards", KEY, &["AMSP"]).await.expect("committed");
    world.all_caught_up().await;
    let copy: [&[u8]; 4] = [b"copy private", b"wards", KEY.as_bytes(), b"copy"];
    transact(&world.client(B, B), &copy, "", &[]).await.expect("a member's gateway");
    // The collection asks for an endorsement that only somebody who is no member can give.
    let mut guarded = collection("own", "OR('AMSP.member')");
    guarded.endorsement_policy = definition_policy("AND('AMSP.peer','CMSP.peer')");
    let world = World::acquainted(&ORGS, |_, _, _| {}).await;
    deploy(&world, vec![guarded]).await;
    let refused = put(&world.client(A, A), "own", KEY, &[]).await.expect_err("it is protected");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("not in the distribution policy"), "{refused}");
}

fn definition_policy(rule: &str) -> Option<carecord_proto::protos::ApplicationPolicy> {
    let bytes = definition("x", rule, 1, false).validation_parameter;
    Some(carecord_proto::protos::ApplicationPolicy::decode(bytes).expect("a policy"))
}

#[tokio::test]
async fn a_stream_with_private_data_has_it_for_members_alone() {
    let world = three(|_| {}).await;
    put(&world.client(A, A), "wards", KEY, &["AMSP"]).await.expect("committed");
    put(&world.client(A, A), "own", "k", &["AMSP"]).await.expect("committed");
    world.all_caught_up().await;
    let last = world.solo.height() - 1;
    for (org, expected) in [(A, vec!["own", "wards"]), (B, vec!["wards"]), (C, vec![])] {
        let client = world.client(org, A);
        let seek = seek(at(last - 1), at(last));
        let request = signed_seek(&client, seek_header(&client), &seek);
        let requests = tokio_stream::iter(vec![request]);
        let mut stream =
            client.deliver().deliver_with_private_data(requests).await.expect("it").into_inner();
        let mut collections = Vec::new();
        for _ in 0..2 {
            let Type::BlockAndPrivateData(sent) = next(&mut stream).await else { panic!("none") };
            assert!(sent.block.is_some());
            for set in sent.private_data_map.into_values() {
                for set in TxPvtRwSet::parse(set).expect("a set").namespaces {
                    for set in set.collections {
                        assert_eq!(set.kv.writes[0].value, SECRET);
                        collections.push(set.name);
                    }
                }
            }
        }
        collections.sort();
        assert_eq!(collections, expected, "{}", ORGS[org]);
    }
}

#[tokio::test]
async fn after_a_purge_every_member_signs_that_it_has_nothing_and_no_file_has_it() {
    let mut world = three(|_| {}).await;
    put(&world.client(A, A), "wards", KEY, &["AMSP"]).await.expect("committed");
    world.all_caught_up().await;
    comes_to_have(&world, B).await;
    let args: [&[u8]; 2] = [b"purge private", b"wards"];
    let tx_id = transact(&world.client(A, A), &args, KEY, &["AMSP"]).await.expect("committed");
    world.all_caught_up().await;
    let number = world.solo.height() - 1;
    for org in [A, B, C] {
        let receipt = loop {
            let receipt = removal(&world, org, KEY).await.expect("signed");
            if receipt.files_rewritten {
                break receipt;
            }
            assert!(receipt.purge.is_some(), "the purge is known at once");
            tokio::time::sleep(Duration::from_millis(500)).await;
        };
        let purge = receipt.purge.expect("the purge");
        assert_eq!((purge.block, purge.tx, purge.tx_id.as_str()), (number, 0, tx_id.as_str()));
        assert!(!receipt.value_held && !receipt.hash_in_state);
        assert_eq!((receipt.kept_sets, receipt.waiting_sets), (0, 0));
        assert_eq!(receipt.is_member, org != C);
        assert_eq!(purge.header_hash, receipt.header_hash, "it was the last block");
    }
    let other = removal(&world, A, "another key").await.expect("signed");
    assert!(other.purge.is_none() && !other.value_held);
    for peer in &mut world.peers {
        peer.stop().await;
        assert!(!lies(&peer.config.data_dir, SECRET) && !lies(&peer.config.data_dir, KEY));
    }
}

async fn removal(world: &World, org: usize, key: &str) -> Result<Receipt, Status> {
    let client = world.client(C, org);
    let request = RemovalRequest {
        header: Some(header("Removal", &client.signer)),
        namespace: "mischief".to_owned(),
        collection: "wards".to_owned(),
        key_hash: sha256(&[key.as_bytes()]).to_vec().into(),
    };
    let signed = sign(&client.signer, &request);
    let answer = PrivateDataClient::new(client.channel).removal(signed).await?.into_inner();
    let receipt = Receipt::decode(answer.receipt.clone()).expect("a receipt");
    let bundle = world.peer(org).channel(CHANNEL).expect("joined").bundle();
    let signer = bundle.msps().identity(&receipt.identity).expect("a member of the channel");
    signer.verify_strict(&answer.receipt, &answer.signature).expect("its signature");
    assert_eq!(signer.msp_id(), ORGS[org]);
    Ok(receipt)
}

fn header(call: &str, signer: &Arc<dyn Signer>) -> Header {
    Header {
        call: call.to_owned(),
        channel_id: CHANNEL.to_owned(),
        identity: signer.serialized(),
        timestamp: now(),
        tls_cert_hash: Bytes::new(),
    }
}

fn sign(signer: &Arc<dyn Signer>, request: &impl Message) -> SignedRequest {
    let request = request.encode_to_vec();
    let signature = signer.sign(&request).expect("it can sign").into();
    SignedRequest { request: request.into(), signature }
}

fn pull(signer: &Arc<dyn Signer>, digests: Vec<Digest>) -> SignedRequest {
    sign(signer, &PullRequest { header: Some(header("Pull", signer)), digests })
}

#[tokio::test]
async fn who_is_no_eligible_peer_gets_nothing_and_a_member_gets_what_it_asks_for() {
    let world = three(|_| {}).await;
    let tx_id = put(&world.client(A, A), "wards", KEY, &["AMSP"]).await.expect("committed");
    world.all_caught_up().await;
    let number = world.solo.height() - 1;
    let ledger = Arc::clone(world.peer(A).channel(CHANNEL).expect("joined").ledger());
    let held = ledger.private_of_block(number, usize::MAX).expect("readable").remove(0);
    let digest = Digest {
        block: number,
        tx: 0,
        tx_id,
        namespace: "mischief".to_owned(),
        collection: "wards".to_owned(),
        hash: held.hash().to_vec().into(),
    };
    let mut service = PrivateDataClient::new(world.client(A, A).channel);
    let node = |org: usize| Arc::clone(&world.peers[org].config.signer);
    let found = service.pull(pull(&node(B), vec![digest.clone()])).await.expect("a member");
    assert_eq!(found.into_inner().found[0].rwset, held.bytes);
    let found = service.pull(pull(&node(C), vec![digest.clone()])).await.expect("a peer");
    assert!(found.into_inner().found.is_empty(), "of an organisation that is no member");
    for signer in [world.client(B, A).signer, world.admin(B, A).signer, world.orderer_member()] {
        let refused =
            service.pull(pull(&signer, vec![digest.clone()])).await.expect_err("a person");
        assert!([Code::PermissionDenied, Code::Unauthenticated].contains(&refused.code()));
    }
    // Signed by one and named as another; for another call; late; too much at once; nonsense.
    let mut stolen = pull(&node(C), vec![digest.clone()]);
    let theirs =
        PullRequest { header: Some(header("Pull", &node(B))), digests: vec![digest.clone()] };
    stolen.request = theirs.encode_to_vec().into();
    assert_eq!(service.pull(stolen).await.expect_err("stolen").code(), Code::Unauthenticated);
    let mut other = PullRequest { header: Some(header("Push", &node(B))), digests: Vec::new() };
    let refused = service.pull(sign(&node(B), &other)).await.expect_err("another call");
    assert_eq!(refused.code(), Code::InvalidArgument);
    other.header = Some(Header { timestamp: now() - 3600, ..header("Pull", &node(B)) });
    let refused = service.pull(sign(&node(B), &other)).await.expect_err("late");
    assert_eq!(refused.code(), Code::Unauthenticated);
    let refused = service.pull(pull(&node(B), vec![digest; 1025])).await.expect_err("too many");
    assert!(refused.message().contains("1024 digests, not 1025"), "{refused}");
    let nonsense = SignedRequest { request: vec![255; 9].into(), signature: Bytes::new() };
    assert_eq!(service.pull(nonsense).await.expect_err("nonsense").code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_push_is_taken_from_peers_only_and_for_own_collections_only() {
    let world = three(|_| {}).await;
    let client = world.client(A, A);
    let simulated = |collection: &str| {
        let ledger = Arc::clone(world.peer(A).channel(CHANNEL).expect("joined").ledger());
        let mut simulator = ledger.simulator("x").expect("a view");
        simulator.set_private("mischief", collection, KEY, SECRET.into()).expect("a write");
        simulator.done().private.expect("private")
    };
    let push = |signer: &Arc<dyn Signer>, sets: Vec<(&str, Bytes)>| {
        let set = |(tx_id, private_set): (&str, Bytes)| PushedSet {
            tx_id: tx_id.to_owned(),
            height: u64::MAX,
            private_set,
        };
        let sets = sets.into_iter().map(set).collect();
        sign(signer, &PushRequest { header: Some(header("Push", signer)), sets })
    };
    let tx_id = "ab".repeat(32);
    let mut service = PrivateDataClient::new(world.client(B, B).channel);
    let node = Arc::clone(&world.peers[C].config.signer);
    let sets = vec![
        (tx_id.as_str(), simulated("wards")),
        (tx_id.as_str(), simulated("own")),
        (tx_id.as_str(), Bytes::from_static(b"\xff")),
        ("x", simulated("wards")),
    ];
    let answers = service.push(push(&node, sets.clone())).await.expect("a peer").into_inner();
    let causes: Vec<_> = answers.answers.iter().map(|it| (it.taken, it.cause.as_str())).collect();
    assert_eq!(causes[0], (true, ""));
    assert!(!causes[1].0 && causes[1].1.contains("no member of 1 of its collections"));
    assert!(!causes[2].0 && !causes[3].0, "{causes:?}");
    let refused = service.push(push(&client.signer, sets.clone())).await.expect_err("a person");
    assert_eq!(refused.code(), Code::PermissionDenied);
    let many = vec![sets[0].clone(); 257];
    assert!(service.push(push(&node, many)).await.is_err());
}

#[tokio::test]
async fn over_tls_a_request_counts_only_on_the_connection_it_was_signed_for() {
    let tls = |world: &World, org: usize, config: &mut carecord_peer::PeerConfig| {
        with_tls(world, org, config, ClientAuth::IfGiven);
    };
    let world = World::acquainted(&ORGS, tls).await;
    let request = |certificate_hash: Vec<u8>| {
        let signer = Arc::clone(&world.peers[B].config.signer);
        let header = Header { tls_cert_hash: certificate_hash.into(), ..header("Pull", &signer) };
        sign(&signer, &PullRequest { header: Some(header), digests: Vec::new() })
    };
    let identity = world.peers[B].config.tls.as_ref().expect("TLS").identity.clone();
    let connect = |own: Option<carecord_comm::TlsIdentity>| {
        let roots = vec![world.orgs[A].tls_root().into_bytes()];
        let tls = Some(ClientTls::new(&roots, own).expect("TLS"));
        let address = world.peers[A].config.address.clone();
        let endpoint = Endpoint { address, tls, server_name: Some("localhost".to_owned()) };
        PrivateDataClient::new(dial(&endpoint).expect("an address"))
    };
    let hash = identity.leaf_hash().to_vec();
    let mut its_own = connect(Some(identity));
    its_own.pull(request(hash.clone())).await.expect("its own connection");
    let refused = its_own.pull(request(Vec::new())).await.expect_err("signed for none");
    assert!(refused.message().contains("another certificate"), "{refused}");
    let refused = connect(None).pull(request(hash.clone())).await.expect_err("no certificate");
    assert_eq!(refused.code(), Code::Unauthenticated);
    let other = connect(Some(world.orgs[C].tls_identity())).pull(request(hash)).await;
    assert_eq!(other.expect_err("another certificate").code(), Code::Unauthenticated);
}
