//! `_lifecycle`: who may do what, in which order, and what a definition then changes.

use carecord_proto::lifecycle::{
    CheckCommitReadinessArgs, CheckCommitReadinessResult, QueryChaincodeDefinitionArgs,
    QueryChaincodeDefinitionResult, QueryChaincodeDefinitionsArgs, QueryChaincodeDefinitionsResult,
};
use carecord_proto::protos::TxValidationCode;
use prost::Message;
use tonic::Status;

use crate::client::Client;
use crate::world::{World, approval, definition};

const ONE: &str = "OR('AMSP.peer','BMSP.peer')";

async fn call<A: Message, R: Message + Default>(
    client: &Client,
    function: &str,
    args: &A,
) -> Result<R, Status> {
    let input = args.encode_to_vec();
    let payload = client.evaluate("_lifecycle", &[function.as_bytes(), &input]).await?;
    Ok(R::decode(payload).expect("the promised message"))
}

#[tokio::test]
async fn a_definition_is_approved_by_each_and_then_committed() {
    let world = World::new(&["AMSP", "BMSP"]).await;
    let admin = world.admin(0, 0);
    let args = definition("mischief", ONE, 1, false);
    let ready = || {
        let args = args.clone();
        let check = CheckCommitReadinessArgs {
            sequence: args.sequence,
            name: args.name,
            version: args.version,
            validation_parameter: args.validation_parameter,
            ..CheckCommitReadinessArgs::default()
        };
        let admin = admin.clone();
        async move {
            let result: CheckCommitReadinessResult =
                call(&admin, "CheckCommitReadiness", &check).await.expect("answered");
            result
        }
    };
    let before = ready().await;
    assert_eq!(before.approvals.values().copied().collect::<Vec<_>>(), [false, false]);
    assert_eq!(before.mismatches["AMSP"].items, ["ChaincodeParameters"]);

    let input = approval(&args).encode_to_vec();
    let approve = [&b"ApproveChaincodeDefinitionForMyOrg"[..], &input];
    let code = admin.transact("_lifecycle", &approve, &["AMSP"]).await.expect("approved");
    assert_eq!(code, TxValidationCode::Valid);
    let after = ready().await;
    assert_eq!((after.approvals["AMSP"], after.approvals["BMSP"]), (true, false));

    let again = admin.transact("_lifecycle", &approve, &["AMSP"]).await.expect_err("nothing new");
    let details = carecord_comm::error_details(&again);
    assert!(
        details[0].message.ends_with(
            "attempted to redefine uncommitted sequence (1) for namespace mischief with unchanged content"
        ),
        "{details:?}"
    );
}

#[tokio::test]
async fn definitions_can_be_asked_for_by_name_and_all() {
    let world = World::new(&["AMSP", "BMSP"]).await;
    let client = world.client(0, 0);
    let name = |name: &str| QueryChaincodeDefinitionArgs { name: name.to_owned() };
    let none: Result<QueryChaincodeDefinitionResult, _> =
        call(&client, "QueryChaincodeDefinition", &name("mischief")).await;
    let none = none.expect_err("not defined");
    assert!(
        none.message().ends_with("chaincode response 404, namespace mischief is not defined"),
        "{none:?}"
    );
    world.deploy("mischief", ONE).await;
    world.deploy("other", ONE).await;
    let found: QueryChaincodeDefinitionResult =
        call(&client, "QueryChaincodeDefinition", &name("mischief")).await.expect("answered");
    assert_eq!((found.sequence, found.version.as_str()), (1, "1.0"));
    assert_eq!(
        (found.endorsement_plugin.as_str(), found.validation_plugin.as_str()),
        ("escc", "vscc")
    );
    assert!(found.approvals["AMSP"] && found.approvals["BMSP"]);
    let all: QueryChaincodeDefinitionsResult =
        call(&client, "QueryChaincodeDefinitions", &QueryChaincodeDefinitionsArgs {})
            .await
            .expect("answered");
    let names: Vec<_> = all.chaincode_definitions.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["mischief", "other"]);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_in_fabrics_words() {
    let world = World::new(&["AMSP", "BMSP"]).await;
    let (admin, client) = (world.admin(0, 0), world.client(0, 0));
    let commit = |name: &str, sequence: i64| definition(name, ONE, sequence, false).encode_to_vec();
    let approve = |name: &str, sequence: i64| {
        approval(&definition(name, ONE, sequence, false)).encode_to_vec()
    };
    let (commit_fn, approve_fn) =
        ("CommitChaincodeDefinition", "ApproveChaincodeDefinitionForMyOrg");
    for (who, function, input, text) in [
        (
            &admin,
            commit_fn,
            commit("cc", 2),
            "requested sequence is 2, but new definition must be sequence 1",
        ),
        (
            &admin,
            commit_fn,
            commit("cc", 1),
            "chaincode definition not agreed to by this org (AMSP)",
        ),
        (
            &admin,
            approve_fn,
            approve("cc", 2),
            "requested sequence 2 is larger than the next available sequence number 1",
        ),
        (
            &admin,
            approve_fn,
            approve("cc", 0),
            "requested sequence is 0, but first definable sequence number is 1",
        ),
        (
            &admin,
            approve_fn,
            approve("_cc", 1),
            "invalid chaincode name '_cc'. Names can only consist of alphanumerics, '_', and '-' and can only begin with alphanumerics",
        ),
        (
            &admin,
            approve_fn,
            approve("qscc", 1),
            "chaincode name 'qscc' is the name of a system chaincode",
        ),
        (
            &client,
            approve_fn,
            approve("cc", 1),
            "The identity is not an admin under this MSP [AMSP]",
        ),
        (&admin, "Nonsense", Vec::new(), "Unmapped policy for _lifecycle/Nonsense"),
    ] {
        let answer =
            who.evaluate("_lifecycle", &[function.as_bytes(), &input]).await.expect_err(text);
        assert!(answer.message().contains(text), "{text}: {answer:?}");
    }
    let answer = admin.evaluate("_lifecycle", &[b"x"]).await.expect_err("one argument");
    let text = "lifecycle scc operations require exactly two arguments but received 1";
    assert!(answer.message().ends_with(text), "{answer:?}");
}

#[tokio::test]
async fn a_peer_whose_organisation_did_not_approve_does_not_endorse() {
    let world = World::new(&["AMSP", "BMSP", "CMSP"]).await;
    let args = definition("mischief", "OR('AMSP.peer','CMSP.peer')", 1, false);
    for org in [0, 1] {
        let msp_id = world.orgs[org].msp_id.clone();
        let input = approval(&args).encode_to_vec();
        let call = [&b"ApproveChaincodeDefinitionForMyOrg"[..], &input];
        world.admin(org, org).transact("_lifecycle", &call, &[&msp_id]).await.expect("approved");
        world.all_caught_up().await;
    }
    let input = args.encode_to_vec();
    let call = [&b"CommitChaincodeDefinition"[..], &input];
    let code = world.admin(1, 1).transact("_lifecycle", &call, &["AMSP", "BMSP"]).await;
    assert_eq!(code.expect("a majority is enough"), TxValidationCode::Valid);
    world.all_caught_up().await;
    let (signed, _) = world.client(2, 2).propose("mischief", &[b"get", b"k"]);
    let answer = world.client(2, 2).process(signed).await.expect("a response");
    let response = answer.response.expect("there");
    assert_eq!(response.status, 500);
    assert!(
        response.message.ends_with(
            "chaincode definition for 'mischief' at sequence 1 on channel 'care' has not yet been \
             approved by this org"
        ),
        "{response:?}"
    );
    assert!(world.client(0, 0).evaluate("mischief", &[b"get", b"k"]).await.is_ok());
}

#[tokio::test]
async fn chaincode_that_asks_for_it_is_initialised_once() {
    let world = World::new(&["AMSP"]).await;
    world.deploy_as("mischief", "OR('AMSP.peer')", 1, true).await;
    let client = world.client(0, 0);
    let answer = client.evaluate("mischief", &[b"get", b"k"]).await.expect_err("not yet");
    assert!(answer.message().contains("failed to evaluate transaction"), "{answer:?}");
    let details = carecord_comm::error_details(&answer);
    let text =
        "chaincode 'mischief' has not been initialized for this version, must call as init first";
    assert!(details[0].message.ends_with(text), "{details:?}");

    let mut init = client.draft("mischief", &[b"put", b"k", b"first"]);
    init.request.is_init = true;
    let (signed, tx_id) = init.clone().signed(&client.signer);
    let prepared = client.endorse(signed, &[]).await.expect("endorsed");
    client.submit(client.sign(prepared)).await.expect("ordered");
    let status = client.commit_status(&tx_id).await.expect("committed");
    assert_eq!(status.result(), TxValidationCode::Valid);
    assert_eq!(client.evaluate("mischief", &[b"get", b"k"]).await.expect("answered"), "first");

    init.request.nonce = vec![9; 24].into();
    let (signed, _) = init.signed(&client.signer);
    let answer = client.endorse(signed, &[]).await.expect_err("once");
    let details = carecord_comm::error_details(&answer);
    let text = "chaincode 'mischief' is already initialized but called as init";
    assert!(details[0].message.ends_with(text), "{details:?}");
}

#[tokio::test]
async fn an_upgrade_makes_transactions_under_way_conflict() {
    let world = World::new(&["AMSP"]).await;
    world.deploy("mischief", "OR('AMSP.peer')").await;
    let client = world.client(0, 0);
    let (signed, tx_id) = client.propose("mischief", &[b"put", b"k", b"v"]);
    let prepared = client.sign(client.endorse(signed, &[]).await.expect("endorsed"));
    world.deploy_as("mischief", "OR('AMSP.member')", 2, false).await;
    client.submit(prepared).await.expect("ordered");
    let status = client.commit_status(&tx_id).await.expect("committed");
    assert_eq!(status.result(), TxValidationCode::MvccReadConflict);
    let code = client.transact("mischief", &[b"put", b"k", b"v"], &[]).await.expect("committed");
    assert_eq!(code, TxValidationCode::Valid);
}
