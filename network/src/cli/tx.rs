//! `carecord tx`.

use carecord_proto::protos::ProcessedTransaction;
use clap::{Args, Subcommand};
use prost::Message;
use serde_json::json;

use crate::cli::target::Caller;
use crate::codes::Code;
use crate::error::{Exit, Failure, Outcome};
use crate::output::Output;
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
        caller: Caller,
        /// Its id.
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
            Self::Submit(call) => submit(&call, output).await,
            Self::Evaluate(call) => evaluate(&call, output).await,
            Self::Show { caller, tx_id } => show(&caller, &tx_id, output).await,
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

async fn show(caller: &Caller, tx_id: &str, output: Output) -> Outcome<()> {
    let session = caller.open()?;
    let channel = caller.chain.channel(&session)?;
    let queries = caller.contract(&session, LEDGER_QUERIES)?;
    let arguments = [channel.to_owned(), tx_id.to_owned()];
    let bytes = queries.evaluate("GetTransactionByID", arguments).await.map_err(|error| {
        let failure = from_sdk(&error);
        if failure.kind() != Exit::Failed {
            return failure;
        }
        Failure::new(Code::NoBlock, format!("no block of channel {channel} holds the transaction"))
            .tx(tx_id)
    })?;
    let unreadable = |what: String| Failure::new(Code::LedgerDamaged, what).tx(tx_id);
    let transaction = ProcessedTransaction::decode(bytes)
        .map_err(|error| unreadable(format!("the answer cannot be read: {error}")))?;
    let code = carecord_proto::protos::TxValidationCode::try_from(transaction.validation_code)
        .map_or_else(
            |_| transaction.validation_code.to_string(),
            |code| code.as_str_name().to_owned(),
        );
    let envelope = transaction.transaction_envelope.unwrap_or_default();
    let opened = carecord_proto::transaction::Opened::open_payload(&envelope.payload).ok();
    let chaincode = opened.and_then(|opened| opened.action.chaincode_id).map(|id| id.name);
    let value = json!({
        "schema": "carecord.tx/v1", "tx_id": tx_id, "validation_code": code, "chaincode": chaincode,
        "bytes": envelope.encoded_len(),
    });
    output.result(&value, || {
        format!("{tx_id} {code}, chaincode {}", chaincode.as_deref().unwrap_or("-"))
    });
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
