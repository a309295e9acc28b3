//! `carecord block`.

use clap::Subcommand;
use serde_json::json;

use crate::chain::{self, BlockSummary, Range};
use crate::cli::target::Chain;
use crate::error::Outcome;
use crate::output::{Output, table};

const HASH_SHOWN: usize = 16;

#[derive(Debug, Subcommand)]
pub(super) enum Block {
    /// The newest blocks of a chain.
    List {
        #[command(flatten)]
        chain: Chain,
        /// How many.
        #[arg(long, short = 'n', default_value_t = 10)]
        count: u64,
    },
    /// One block with its transactions.
    Show {
        #[command(flatten)]
        chain: Chain,
        /// Its number.
        number: u64,
    },
}

// === impl Block ===

impl Block {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        match self {
            Self::List { chain, count } => list(&chain, count, output).await,
            Self::Show { chain, number } => show(&chain, number, output).await,
        }
    }
}

async fn list(target: &Chain, count: u64, output: Output) -> Outcome<()> {
    let session = target.open()?;
    let (node, channel) = (target.node(&session)?, target.channel(&session)?);
    let height = chain::height(&session, node, channel).await?;
    let range = Range::Between(height.saturating_sub(count.max(1)), height - 1);
    let mut blocks = Vec::new();
    chain::stream(&session, node, channel, range, |block| {
        blocks.push(chain::summary(&block));
        Ok(())
    })
    .await?;
    let value = json!({
        "schema": "carecord.blocks/v1", "channel": channel, "height": height, "blocks": blocks,
    });
    output.result(&value, || {
        let row = |block: &BlockSummary| {
            [
                block.number.to_string(),
                block.transactions.len().to_string(),
                block.bytes.to_string(),
                short(&block.header_hash),
                block.commit_hash.as_deref().map_or_else(|| "-".to_owned(), short),
            ]
        };
        table(
            ["BLOCK", "TRANSACTIONS", "BYTES", "HEADER HASH", "COMMIT HASH"],
            blocks.iter().map(row),
        )
    });
    Ok(())
}

async fn show(target: &Chain, number: u64, output: Output) -> Outcome<()> {
    let session = target.open()?;
    let (node, channel) = (target.node(&session)?, target.channel(&session)?);
    let block = chain::summary(&chain::block(&session, node, channel, number).await?);
    let value = json!({"schema": "carecord.block/v1", "channel": channel, "block": block});
    output.result(&value, || people(&block));
    Ok(())
}

fn people(block: &BlockSummary) -> String {
    let commit_hash = block.commit_hash.as_deref().unwrap_or("-");
    let rows = block.transactions.iter().map(|transaction| {
        [
            transaction.tx_id.clone(),
            transaction.kind.clone(),
            transaction.creator_msp_id.clone(),
            transaction.chaincode.clone().unwrap_or_else(|| "-".to_owned()),
            transaction.endorser_msp_ids.join(","),
            transaction.validation_code.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    format!(
        "block {}, {} bytes\nheader hash   {}\nprevious hash {}\ndata hash     {}\ncommit hash   {commit_hash}\n\n{}",
        block.number,
        block.bytes,
        block.header_hash,
        block.previous_hash,
        block.data_hash,
        table(["TRANSACTION", "KIND", "CREATOR", "CHAINCODE", "ENDORSERS", "CODE"], rows)
    )
}

fn short(hash: &str) -> String {
    hash.chars().take(HASH_SHOWN).collect()
}
