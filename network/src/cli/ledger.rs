//! `carecord ledger`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::chain;
use crate::cli::target::Chain;
use crate::error::Outcome;
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(super) enum Ledger {
    /// Write a chain to a file: `common.Block` messages, each preceded by its length as a varint.
    Export {
        #[command(flatten)]
        chain: Chain,
        /// File to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

// === impl Ledger ===

impl Ledger {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let Self::Export { chain, out } = self;
        let session = chain.open()?;
        let node = chain.node(&session)?;
        let export = chain::export(&session, node, chain.channel(&session)?, &out).await?;
        output.result(&export, || {
            format!(
                "{} blocks with {} transactions ({} valid), {} bytes, in {}",
                export.blocks,
                export.transactions,
                export.valid,
                export.bytes,
                out.display()
            )
        });
        Ok(())
    }
}
