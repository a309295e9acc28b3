//! What an application written with the crate `fabric-sdk` does with a network of ours.

use std::time::{SystemTime, UNIX_EPOCH};

use carecord_compat_rust::{BENCH, CHANNEL, Failure, Network, proposal};
use fabric_sdk::{error::SubmitError, gateway::client::Client};

const CLIENT: &str = "client-p256";
const VALID: i32 = 0;
const MVCC_READ_CONFLICT: i32 = 11;

/// A key that no other run uses.
fn unique(prefix: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    format!("{prefix}-{}", now.as_nanos())
}

/// Endorses, submits and waits; answers the validation code.
async fn submit(client: &Client, function: &str, arguments: &[&str]) -> Result<i32, Failure> {
    let proposal = proposal(client, function, arguments.iter().copied())?;
    let mut envelope = proposal.endorse(client).await?;
    envelope.submit(client).await?;
    Ok(envelope.wait_for_commit(client).await?.result)
}

async fn evaluate(
    client: &Client,
    function: &str,
    arguments: &[&str],
) -> Result<Vec<u8>, SubmitError> {
    let mut call = client.get_chaincode_call_builder();
    let call = call
        .with_channel_name(CHANNEL)
        .and_then(|call| call.with_chaincode_id(BENCH))
        .and_then(|call| call.with_function_name(function))
        .and_then(|call| call.with_function_args(arguments.iter().copied()))
        .and_then(|call| call.build_prepared())
        .expect("the proposal is complete");
    call.evaluate(client).await
}

#[tokio::test]
async fn what_is_submitted_can_be_evaluated() -> Result<(), Failure> {
    let client = Network::read()?.client(CLIENT).await?;
    let key = unique("rust");
    assert_eq!(submit(&client, "put", &[&key, "value"]).await?, VALID);
    assert_eq!(evaluate(&client, "get", &[&key]).await?, b"value");
    Ok(())
}

#[tokio::test]
async fn the_endorsed_result_is_in_the_envelope() -> Result<(), Failure> {
    let client = Network::read()?.client(CLIENT).await?;
    let key = unique("result");
    submit(&client, "put", &[&key, "endorsed"]).await?;
    let envelope = proposal(&client, "get", [key.as_str()])?.endorse(&client).await?;
    let result = envelope.get_payload()?.get_transaction()?.get_result_string();
    assert_eq!(result.as_deref(), Some("endorsed"));
    Ok(())
}

#[tokio::test]
async fn a_refusal_of_the_chaincode_comes_with_the_endorsers_name_and_reason() -> Result<(), Failure>
{
    let client = Network::read()?.client(CLIENT).await?;
    let refused = evaluate(&client, "get", &[&unique("absent")]).await;
    let text = refused.expect_err("nothing is stored there").to_string();
    assert!(text.contains("HospitalAMSP@"), "{text}");
    assert!(text.contains("chaincode response 500, CR-CC-031"), "{text}");
    Ok(())
}

#[tokio::test]
async fn the_second_of_two_transfers_on_the_same_state_is_a_conflict() -> Result<(), Failure> {
    let client = Network::read()?.client(CLIENT).await?;
    let (from, to) = (unique("from"), unique("to"));
    submit(&client, "put", &[&from, "10"]).await?;
    submit(&client, "put", &[&to, "0"]).await?;
    let arguments = [from.as_str(), to.as_str(), "1"];
    let mut first = proposal(&client, "transfer", arguments)?.endorse(&client).await?;
    let mut second = proposal(&client, "transfer", arguments)?.endorse(&client).await?;
    first.submit(&client).await?;
    assert_eq!(first.wait_for_commit(&client).await?.result, VALID);
    second.submit(&client).await?;
    assert_eq!(second.wait_for_commit(&client).await?.result, MVCC_READ_CONFLICT);
    Ok(())
}

#[tokio::test]
async fn qscc_tells_the_chain_and_its_blocks() -> Result<(), Failure> {
    let client = Network::read()?.client(CLIENT).await?;
    submit(&client, "put", &[&unique("qscc"), "x"]).await?;
    let qscc = client.get_qscc_client();
    let info = qscc.get_chain_info(CHANNEL).await?;
    assert!(info.height > 1);
    let block = qscc.get_block_by_number(CHANNEL, info.height - 1).await?;
    assert_eq!(block.header.map(|header| header.number), Some(info.height - 1));
    Ok(())
}
