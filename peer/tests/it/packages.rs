//! Packages and approvals: what is installed, what is approved, and what therefore runs.

use carecord_proto::lifecycle::{
    ApproveChaincodeDefinitionForMyOrgArgs, ChaincodeSource, CommitChaincodeDefinitionArgs,
    GetInstalledChaincodePackageArgs, GetInstalledChaincodePackageResult, InstallChaincodeArgs,
    InstallChaincodeResult, QueryApprovedChaincodeDefinitionArgs,
    QueryApprovedChaincodeDefinitionResult, QueryApprovedChaincodeDefinitionsArgs,
    QueryApprovedChaincodeDefinitionsResult, QueryInstalledChaincodeArgs,
    QueryInstalledChaincodesArgs, QueryInstalledChaincodesResult, chaincode_source,
};
use carecord_proto::protos::TxValidationCode;
use flate2::{Compression, write::GzEncoder};
use prost::Message;
use tonic::Status;

use crate::client::Client;
use crate::system::peer_call;
use crate::world::{World, approval, definition};

const ONE: &str = "OR('AMSP.peer','BMSP.peer')";
const BOTH: &str = "AND('AMSP.peer','BMSP.peer')";
const APPROVE: &[u8] = b"ApproveChaincodeDefinitionForMyOrg";

fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, *bytes).expect("memory takes it");
    }
    archive.into_inner().and_then(GzEncoder::finish).expect("memory takes it")
}

fn package(kind: &str, label: &str, file: &str, json: &str) -> Vec<u8> {
    let metadata = format!(r#"{{"type":"{kind}","label":"{label}","path":""}}"#);
    let code = packed(&[(file, json.as_bytes())]);
    packed(&[("metadata.json", metadata.as_bytes()), ("code.tar.gz", &code)])
}

fn built_in(label: &str, chaincode: &str) -> Vec<u8> {
    package("carecord", label, "chaincode.json", &format!(r#"{{"name":"{chaincode}"}}"#))
}

async fn local<R: Message + Default>(
    client: &Client,
    function: &str,
    args: &impl Message,
) -> Result<R, (i32, String)> {
    let input = args.encode_to_vec();
    let answer = peer_call(client, "_lifecycle", &[function.as_bytes(), &input]).await;
    match answer.status {
        200 => Ok(R::decode(answer.payload).expect("the promised message")),
        status => Err((status, answer.message)),
    }
}

async fn install(admin: &Client, package: &[u8]) -> Result<String, (i32, String)> {
    let args = InstallChaincodeArgs { chaincode_install_package: package.to_vec().into() };
    let result: InstallChaincodeResult = local(admin, "InstallChaincode", &args).await?;
    Ok(result.package_id)
}

async fn installed(admin: &Client) -> QueryInstalledChaincodesResult {
    let args = QueryInstalledChaincodesArgs {};
    local(admin, "QueryInstalledChaincodes", &args).await.expect("answered")
}

async fn approved(
    admin: &Client,
    name: &str,
    sequence: i64,
) -> Result<QueryApprovedChaincodeDefinitionResult, Status> {
    let args = QueryApprovedChaincodeDefinitionArgs { name: name.to_owned(), sequence };
    let input = args.encode_to_vec();
    let payload =
        admin.evaluate("_lifecycle", &[b"QueryApprovedChaincodeDefinition", &input]).await?;
    Ok(QueryApprovedChaincodeDefinitionResult::decode(payload).expect("the promised message"))
}

fn with_package(
    args: &CommitChaincodeDefinitionArgs,
    package_id: &str,
) -> ApproveChaincodeDefinitionForMyOrgArgs {
    let local = chaincode_source::Local { package_id: package_id.to_owned() };
    let source = ChaincodeSource { r#type: Some(chaincode_source::Type::LocalPackage(local)) };
    ApproveChaincodeDefinitionForMyOrgArgs { source: Some(source), ..approval(args) }
}

async fn approve(admin: &Client, args: &ApproveChaincodeDefinitionForMyOrgArgs, org: &str) {
    let call = [APPROVE, &args.encode_to_vec()];
    let code = admin.transact("_lifecycle", &call, &[org]).await.expect("approved");
    assert_eq!(code, TxValidationCode::Valid);
}

async fn commit(world: &World, args: &CommitChaincodeDefinitionArgs, orgs: &[&str]) {
    world.all_caught_up().await;
    let last = world.orgs.len() - 1;
    let call = [&b"CommitChaincodeDefinition"[..], &args.encode_to_vec()];
    let code = world.admin(last, last).transact("_lifecycle", &call, orgs).await;
    assert_eq!(code.expect("committed"), TxValidationCode::Valid);
    world.all_caught_up().await;
}

/// What a call of the chaincode answers at a peer: its payload, or the text of the failure.
async fn answer(client: &Client, chaincode: &str) -> Result<bytes::Bytes, String> {
    let (signed, _) = client.propose(chaincode, &[b"get", b"k"]);
    let response = client.process(signed).await.expect("a response").response.expect("there");
    if response.status == 200 { Ok(response.payload) } else { Err(response.message) }
}

#[tokio::test]
async fn packages_are_for_administrators_of_the_peers_own_organisation() {
    let world = World::new(&["AMSP", "BMSP"]).await;
    let admin = world.admin(0, 0);
    let bytes = built_in("mischief_1", "mischief");
    let id = install(&admin, &bytes).await.expect("installed");
    let (status, text) = install(&admin, &bytes).await.expect_err("twice");
    assert_eq!(status, 500);
    assert_eq!(
        text,
        format!(
            "failed to invoke backing implementation of 'InstallChaincode': chaincode already \
             successfully installed (package ID '{id}')"
        )
    );
    let listed = installed(&admin).await.installed_chaincodes;
    assert_eq!((listed[0].package_id.as_str(), listed[0].label.as_str()), (&*id, "mischief_1"));
    let args = GetInstalledChaincodePackageArgs { package_id: id.clone() };
    let got: GetInstalledChaincodePackageResult =
        local(&admin, "GetInstalledChaincodePackage", &args).await.expect("there");
    assert_eq!(got.chaincode_install_package, bytes);

    let other = world.orgs[1].person(true, crate::world::validity());
    for stranger in [world.client(0, 0), world.client_as(other, 0)] {
        for (function, input) in [
            ("InstallChaincode", InstallChaincodeArgs::default().encode_to_vec()),
            ("QueryInstalledChaincode", Vec::new()),
            ("QueryInstalledChaincodes", Vec::new()),
            ("GetInstalledChaincodePackage", args.encode_to_vec()),
        ] {
            let (signed, _) = {
                let mut draft = stranger.draft("_lifecycle", &[function.as_bytes(), &input]);
                draft.request.channel_id = String::new();
                draft.signed(&stranger.signer)
            };
            // Somebody of another organisation is nobody here; a member is told which policy failed.
            match stranger.process(signed).await {
                Err(status) => assert!(status.message().contains("access denied"), "{status:?}"),
                Ok(answer) => {
                    let text = answer.response.expect("there").message;
                    let expected = "Failed to authorize invocation due to failed ACL check: Failed \
                                    verifying that proposal's creator satisfies local MSP principal \
                                    during channelless check policy with policy [Admins]: ";
                    assert!(text.starts_with(expected), "{text}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_there_or_needs_a_channel_is_said() {
    let world = World::new(&["AMSP"]).await;
    let admin = world.admin(0, 0);
    let one = QueryInstalledChaincodeArgs { package_id: "no:1".to_owned() };
    let none: Result<QueryInstalledChaincodesResult, _> =
        local(&admin, "QueryInstalledChaincode", &one).await;
    assert_eq!(
        none.expect_err("none"),
        (404, "chaincode install package 'no:1' not found".to_owned())
    );
    let one = GetInstalledChaincodePackageArgs { package_id: "../../x:1".to_owned() };
    let none: Result<GetInstalledChaincodePackageResult, _> =
        local(&admin, "GetInstalledChaincodePackage", &one).await;
    assert_eq!(
        none.expect_err("none"),
        (
            500,
            "failed to invoke backing implementation of 'GetInstalledChaincodePackage': could not \
             load cc install package: chaincode install package '../../x:1' not found"
                .to_owned()
        )
    );
    let go = package("golang", "cc", "src/main.go", "package main");
    let (status, text) = install(&admin, &go).await.expect_err("nothing is built");
    assert_eq!(status, 500);
    assert!(
        text.contains("could not build chaincode: this peer builds no chaincode of type 'golang'"),
        "{text}"
    );
    for (function, text) in [
        (
            &b"ApproveChaincodeDefinitionForMyOrg"[..],
            "failed to invoke backing implementation of 'ApproveChaincodeDefinitionForMyOrg': \
             invalid channel-less operation",
        ),
        (
            b"CommitChaincodeDefinition",
            "Failed to authorize invocation due to failed ACL check: Failed getting local MSP \
             principal during channelless check policy with policy [/Channel/Application/Writers]",
        ),
        (b"Nonsense", "Unmapped policy for _lifecycle/Nonsense"),
    ] {
        let answer = peer_call(&admin, "_lifecycle", &[function, b""]).await;
        assert_eq!(answer.status, 500);
        assert!(answer.message.contains(text), "{}", answer.message);
    }
    let undecodable = peer_call(&admin, "_lifecycle", &[b"InstallChaincode", b"\xff"]).await;
    assert!(undecodable.message.contains("could not decode input arg"), "{undecodable:?}");
}

#[tokio::test]
async fn an_approval_decides_which_code_runs_under_a_name() {
    let mut world = World::new(&["AMSP", "BMSP"]).await;
    let (admin, client) = (world.admin(0, 0), world.client(0, 0));
    let bytes = built_in("label.1", "mischief");
    let id = format!("label.1:{}", hash(&bytes));
    let args = definition("renamed", ONE, 1, false);
    approve(&admin, &with_package(&args, &id), "AMSP").await;
    world.all_caught_up().await;
    approve(&world.admin(1, 1), &with_package(&args, "elsewhere:1"), "BMSP").await;
    commit(&world, &args, &["AMSP", "BMSP"]).await;

    let absent = "chaincode definition for 'renamed' exists, but chaincode is not installed";
    assert!(answer(&client, "renamed").await.expect_err("not installed").ends_with(absent));
    assert_eq!(install(&admin, &bytes).await.expect("installed"), id);
    assert_eq!(answer(&client, "renamed").await.expect("it runs at once"), "");
    assert!(answer(&world.client(1, 1), "renamed").await.expect_err("there not").ends_with(absent));
    let put = client.transact("renamed", &[b"put", b"k", b"v"], &["AMSP"]).await;
    assert_eq!(put.expect("committed"), TxValidationCode::Valid);
    assert_eq!(answer(&client, "renamed").await.expect("there"), "v");

    let listed = installed(&admin).await.installed_chaincodes;
    let runs = &listed[0].references["care"].chaincodes;
    assert_eq!((runs[0].name.as_str(), runs[0].version.as_str()), ("renamed", "1.0"));

    // Another package for the definition in force is one more approval; an empty one takes the chaincode away.
    let next = install(&admin, &built_in("label.2", "mischief")).await.expect("installed");
    approve(&admin, &with_package(&args, &next), "AMSP").await;
    assert_eq!(answer(&client, "renamed").await.expect("it still runs"), "v");
    let service = package("ccaas", "svc", "connection.json", r#"{"address":"cc.test:9999"}"#);
    let service = install(&admin, &service).await.expect("kept");
    approve(&admin, &with_package(&args, &service), "AMSP").await;
    let text = answer(&client, "renamed").await.expect_err("not run here");
    assert!(text.contains("is a service at cc.test:9999"), "{text}");

    world.peers[0].stop().await;
    world.peers[0].start().await;
    let ids: Vec<_> = installed(&world.admin(0, 0)).await.installed_chaincodes;
    assert_eq!(ids.len(), 3, "packages survive");
}

#[tokio::test]
async fn approvals_are_told_in_plain_text_by_every_peer_of_the_organisation() {
    let mut world = World::new(&["AMSP", "BMSP"]).await;
    world.add_peer(0, |_| {}).await;
    let admin = world.admin(0, 0);
    let text = "could not fetch approved chaincode definition (name: 'mischief', sequence: '0') on channel 'care'";
    let none = approved(&admin, "mischief", 0).await.expect_err("nothing yet");
    assert!(none.message().ends_with(text), "{none:?}");

    let first = definition("mischief", ONE, 1, false);
    approve(&admin, &with_package(&first, "cc:1"), "AMSP").await;
    let found = approved(&admin, "mischief", 0).await.expect("the next one");
    assert_eq!((found.sequence, found.version.as_str()), (1, "1.0"));
    assert_eq!(found.validation_parameter, first.validation_parameter);
    assert_eq!(found.validation_plugin, "vscc");
    let source = found.source.and_then(|source| source.r#type).expect("there");
    let local = chaincode_source::Local { package_id: "cc:1".to_owned() };
    assert_eq!(source, chaincode_source::Type::LocalPackage(local));

    world.all_caught_up().await;
    approve(&world.admin(1, 1), &approval(&first), "BMSP").await;
    commit(&world, &first, &["AMSP", "BMSP"]).await;
    let second = definition("mischief", BOTH, 2, true);
    approve(&admin, &approval(&second), "AMSP").await;
    world.peers[0].stop().await;
    world.peers[0].start().await;
    let admin = world.admin(0, 0);
    let newest = approved(&admin, "mischief", 0).await.expect("after a restart");
    assert_eq!((newest.sequence, newest.init_required), (2, true));
    let unavailable = newest.source.and_then(|source| source.r#type).expect("there");
    assert!(matches!(unavailable, chaincode_source::Type::Unavailable(_)));
    assert_eq!(approved(&admin, "mischief", 1).await.expect("the old one").sequence, 1);
    let input = QueryApprovedChaincodeDefinitionsArgs {}.encode_to_vec();
    let all = admin.evaluate("_lifecycle", &[b"QueryApprovedChaincodeDefinitions", &input]).await;
    let all = QueryApprovedChaincodeDefinitionsResult::decode(all.expect("answered"));
    let all = all.expect("the promised message").approved_chaincode_definitions;
    let told: Vec<_> = all.iter().map(|it| (it.name.as_str(), it.sequence)).collect();
    assert_eq!(told, [("mischief", 1), ("mischief", 2)]);

    // The organisation's other peer was given the approvals, as a member of the organisation's own collection.
    world.all_caught_up().await;
    let other = world.admin(0, 2);
    for _ in 0..100 {
        if approved(&other, "mischief", 1).await.is_ok() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let told = approved(&other, "mischief", 1).await.expect("by the other peer");
    assert_eq!(told.validation_parameter, first.validation_parameter);
    let text = answer(&world.client(0, 2), "mischief").await.expect_err("the package is absent");
    assert!(text.ends_with("exists, but chaincode is not installed"), "{text}");
}

#[tokio::test]
async fn an_upgrade_changes_the_policy_that_the_validator_applies() {
    let world = World::new(&["AMSP", "BMSP"]).await;
    world.deploy_as("mischief", ONE, 1, false).await;
    let client = world.client(1, 1);
    let put = |value: &'static [u8], orgs: &'static [&'static str]| {
        let client = client.clone();
        async move { client.transact("mischief", &[b"put", b"k", value], orgs).await }
    };
    assert_eq!(put(b"1", &["BMSP"]).await.expect("committed"), TxValidationCode::Valid);
    world.deploy_as("mischief", BOTH, 2, false).await;
    let alone = put(b"2", &["BMSP"]).await.expect("ordered");
    assert_eq!(alone, TxValidationCode::EndorsementPolicyFailure);
    assert_eq!(put(b"3", &["AMSP", "BMSP"]).await.expect("ordered"), TxValidationCode::Valid);
    assert_eq!(client.evaluate("mischief", &[b"get", b"k"]).await.expect("answered"), "3");
}

#[tokio::test]
async fn v16_a_policy_that_nobody_could_ever_satisfy_is_refused_while_it_can_be_mended() {
    let world = World::new(&["AMSP"]).await;
    let admin = world.admin(0, 0);
    let refused = |policy: Vec<u8>| {
        let args = CommitChaincodeDefinitionArgs {
            validation_parameter: policy.into(),
            ..definition("mischief", ONE, 1, false)
        };
        let (admin, input) = (admin.clone(), approval(&args).encode_to_vec());
        async move { admin.evaluate("_lifecycle", &[APPROVE, &input]).await.expect_err("refused") }
    };
    let mut deep = Vec::new();
    for _ in 0..10_000 {
        // `NOutOf { rules: [ { n_out_of: … } ] }`, written from the inside out.
        let rule = [field(2, &deep), vec![0x08, 1]].concat();
        deep = field(2, &rule);
        if deep.len() > 1 << 20 {
            break;
        }
    }
    let bomb = field(1, &field(2, &deep));
    for policy in [b"\xff\xff".to_vec(), bomb] {
        let text = refused(policy).await;
        let expected = "error validating chaincode definition: invalid endorsement policy: ";
        assert!(text.message().contains(expected), "{text:?}");
    }
}

/// A length-delimited field.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length > 0x7f {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
    out
}

fn hash(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(bytes))
}
