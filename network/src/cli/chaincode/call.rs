//! `carecord chaincode invoke` and `query`: `carecord tx` under the names that Fabric's users look for, with init calls.

use clap::Args;
use serde_json::json;

use crate::cli::target::Caller;
use crate::error::Outcome;
use crate::output::Output;
use crate::session::from_sdk;

#[derive(Debug, Args)]
pub(in crate::cli) struct Invoke {
    #[command(flatten)]
    call: Call,
    /// Make it the init call that the definition asks for.
    #[arg(long)]
    init: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Query {
    #[command(flatten)]
    call: Call,
}

#[derive(Debug, Args)]
struct Call {
    #[command(flatten)]
    caller: Caller,
    /// Chaincode.
    chaincode: String,
    /// Function, for example `put` or `records:Open`.
    function: String,
    /// Arguments.
    arguments: Vec<String>,
}

// === impl Invoke ===

impl Invoke {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let done = self.invoke().await;
        let (tx_id, block, result) = self.call.caller.placed(done)?;
        let value = json!({
            "schema": "carecord.tx/v1", "tx_id": tx_id, "block": block,
            "validation_code": "VALID", "result": result,
        });
        output.result(&value, || {
            let head = format!("{tx_id} VALID in block {block}");
            if result.is_empty() { head } else { format!("{head}\n{result}") }
        });
        Ok(())
    }

    async fn invoke(&self) -> Outcome<(String, u64, String)> {
        let failed = |error| from_sdk(&error);
        let Call { caller, chaincode, function, arguments } = &self.call;
        let session = caller.open()?;
        let contract = caller.contract(&session, chaincode)?;
        let mut proposal = contract.proposal(function).arguments(arguments.clone());
        if self.init {
            proposal = proposal.init();
        }
        let proposal = proposal.build().map_err(failed)?;
        let transaction = proposal.endorse().await.map_err(failed)?;
        let result = String::from_utf8_lossy(transaction.result()).into_owned();
        let commit = transaction.submit().await.map_err(failed)?;
        let status = commit.wait_valid().await.map_err(failed)?;
        Ok((commit.tx_id().to_owned(), status.block, result))
    }
}

// === impl Query ===

impl Query {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let Call { caller, chaincode, function, arguments } = &self.call;
        let session = caller.open()?;
        let contract = caller.contract(&session, chaincode)?;
        let answer = contract.evaluate(function, arguments.clone()).await;
        let result = caller.placed(answer.map_err(|error| from_sdk(&error)))?;
        let result = String::from_utf8_lossy(&result).into_owned();
        let value = json!({"schema": "carecord.evaluation/v1", "result": result});
        output.result(&value, || result.clone());
        Ok(())
    }
}
