//! `carecord ledger`.

mod offline;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::chain;
use crate::cli::target::Chain;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::output::Output;
use offline::Stopped;

#[derive(Debug, Subcommand)]
pub(super) enum Ledger {
    /// Write a chain to a file: `common.Block` messages, each preceded by its length as a varint.
    Export {
        #[command(flatten)]
        chain: Chain,
        /// File to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Write over a file that is there.
        #[arg(long)]
        force: bool,
    },
    /// Check a stopped node's chain: every byte, every hash, every commit hash, and a peer's state.
    Verify {
        #[command(flatten)]
        stopped: Stopped,
        /// Check the orderers' signatures too.
        #[arg(long)]
        signatures: bool,
    },
    /// Take the newest blocks of a stopped peer away; it fetches them again when it starts.
    Rollback {
        #[command(flatten)]
        stopped: Stopped,
        /// The block that is then the last one.
        #[arg(long, value_name = "BLOCK")]
        to: u64,
    },
    /// Make a stopped peer's state, history and indexes again from its blocks.
    Rebuild {
        #[command(flatten)]
        stopped: Stopped,
    },
}

// === impl Ledger ===

impl Ledger {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        match self {
            Self::Export { chain, out, force } => export(&chain, &out, force, output).await,
            Self::Verify { stopped, signatures } => stopped.verify(signatures, output),
            Self::Rollback { stopped, to } => stopped.rollback(to, output),
            Self::Rebuild { stopped } => stopped.rebuild(output),
        }
    }
}

async fn export(chain: &Chain, out: &Path, force: bool, output: Output) -> Outcome<()> {
    if !force && out.is_file() {
        return Err(Failure::new(Code::Argument, "this file is there already")
            .at(out.display())
            .hint("choose another name with --out, or write over it with --force"));
    }
    let session = chain.open()?;
    let node = chain.node(&session)?;
    let export = chain::export(&session, node, chain.channel(&session)?, out).await?;
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
