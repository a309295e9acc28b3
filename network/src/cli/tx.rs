//! `carecord tx`.

use carecord_proto::block::envelopes;
use carecord_proto::common::Block;
use clap::{Args, Subcommand};
use prost::Message;
use serde_json::json;

use crate::chain::{self, TransactionSummary};
use crate::cli::audit::moment;
use crate::cli::target::{Caller, Chain};
use crate::codes::Code;
use crate::error::{Exit, Failure, Outcome};
use crate::output::{Output, table};
use crate::session::from_sdk;

/// The system chaincode that answers about the ledger.
const LEDGER_QUERIES: &str = "qscc";

#[derive(Debug, Subcommand)]
pub(super) enum Tx {
    /// Endorse, order and await a transaction.
    Submit(Call),
    /// Run a function on one peer; nothing is ordered.
    Evaluate(Call),
    /// Where a transaction lies and which code it has.
    Show {
        #[command(flatten)]
        chain: Chain,
        /// Person who asks; an administrator of the node's organisation if not named.
        #[arg(long = "as", env = "CARECORD_AS", value_name = "USER")]
        user: Option<String>,
        /// Its whole id.
        tx_id: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Call {
    #[command(flatten)]
    caller: Caller,
    /// Chaincode.
    chaincode: String,
    /// Function, for example `put` or `records:Open`.
    function: String,
    /// Arguments.
    arguments: Vec<String>,
}

// === impl Tx ===

impl Tx {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        match self {
            Self::Submit(call) => call.caller.placed(submit(&call, output).await),
            Self::Evaluate(call) => call.caller.placed(evaluate(&call, output).await),
            Self::Show { chain, user, tx_id } => {
                chain.placed(show(&chain, user.as_deref(), &tx_id, output).await)
            }
        }
    }
}

async fn submit(call: &Call, output: Output) -> Outcome<()> {
    let session = call.caller.open()?;
    let contract = call.caller.contract(&session, &call.chaincode)?;
    let failed = |error| from_sdk(&error);
    let proposal = contract
        .proposal(&call.function)
        .arguments(call.arguments.clone())
        .build()
        .map_err(failed)?;
    let transaction = proposal.endorse().await.map_err(failed)?;
    let result = text(transaction.result());
    let commit = transaction.submit().await.map_err(failed)?;
    let status = commit.wait_valid().await.map_err(failed)?;
    let value = json!({
        "schema": "carecord.tx/v1",
        "tx_id": commit.tx_id(),
        "block": status.block,
        "validation_code": status.code.as_str_name(),
        "result": result,
    });
    output.result(&value, || {
        let head =
            format!("{} {} in block {}", commit.tx_id(), status.code.as_str_name(), status.block);
        if result.is_empty() { head } else { format!("{head}\n{result}") }
    });
    Ok(())
}

async fn evaluate(call: &Call, output: Output) -> Outcome<()> {
    let session = call.caller.open()?;
    let contract = call.caller.contract(&session, &call.chaincode)?;
    let result = contract
        .evaluate(&call.function, call.arguments.clone())
        .await
        .map_err(|error| from_sdk(&error))?;
    let result = text(&result);
    output
        .result(&json!({"schema": "carecord.evaluation/v1", "result": result}), || result.clone());
    Ok(())
}

async fn show(target: &Chain, user: Option<&str>, tx_id: &str, output: Output) -> Outcome<()> {
    let session = target.open()?;
    let (node, channel) = (target.node(&session)?, target.channel(&session)?);
    // What every member may read needs no person: the node's own administrator asks, as for blocks.
    let gateway = match user {
        Some(name) => session.gateway(session.file().user(name)?, target.node.as_deref())?,
        None => session.gateway(session.file().admin(&node.organisation)?, Some(&node.name))?,
    };
    let queries = gateway.network(channel).contract(LEDGER_QUERIES);
    let arguments = [channel.to_owned(), tx_id.to_owned()];
    let absent = || {
        Failure::new(Code::NoBlock, format!("no block of channel {channel} holds the transaction"))
            .tx(tx_id)
            .hint("give the whole id; `carecord block show NUMBER` lists those of a block")
    };
    let bytes = queries.evaluate("GetBlockByTxID", arguments).await.map_err(|error| {
        let failure = from_sdk(&error);
        if failure.kind() == Exit::Failed { absent() } else { failure }
    })?;
    let block = Block::decode(bytes).map_err(|error| {
        Failure::new(Code::LedgerDamaged, format!("the answer cannot be read: {error}")).tx(tx_id)
    })?;
    let sizes: Vec<usize> = envelopes(&block).iter().map(|envelope| envelope.len()).collect();
    let block = chain::summary(&block);
    let mut transactions = block.transactions.iter().enumerate();
    let (position, transaction) =
        transactions.find(|(_, transaction)| transaction.tx_id == tx_id).ok_or_else(absent)?;
    let value = json!({
        "schema": "carecord.tx/v1", "tx_id": tx_id, "block": block.number, "position": position,
        "validation_code": transaction.validation_code, "kind": transaction.kind,
        "chaincode": transaction.chaincode, "creator_msp_id": transaction.creator_msp_id,
        "endorser_msp_ids": transaction.endorser_msp_ids,
        "timestamp_unix_s": transaction.timestamp_unix_s, "bytes": sizes.get(position),
    });
    output.result(&value, || people(block.number, position, transaction));
    Ok(())
}

fn people(block: u64, position: usize, transaction: &TransactionSummary) -> String {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    table(
        ["transaction", &transaction.tx_id],
        [
            ["block", &block.to_string()],
            ["position", &format!("{position} (the first is 0)")],
            ["code", &or_none(&transaction.validation_code)],
            ["kind", &transaction.kind],
            ["chaincode", &or_none(&transaction.chaincode)],
            ["creator", &transaction.creator_msp_id],
            ["endorsers", &transaction.endorser_msp_ids.join(", ")],
            ["made at", &moment(transaction.timestamp_unix_s)],
        ]
        .map(|row| row.map(str::to_owned)),
    )
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
