//! `carecord snapshot`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use serde_json::json;

use crate::cli::target::{Chain, Folder};
use crate::error::Outcome;
use crate::output::{Output, table};
use crate::session::Session;
use crate::snapshots::{self, Shown, Snapshots};

const HASH_SHOWN: usize = 16;

#[derive(Debug, Subcommand)]
pub(super) enum Snapshot {
    /// Write the state of a channel to files, while the peer goes on committing.
    Create {
        #[command(flatten)]
        chain: Chain,
        /// The last block that it covers; of the state as it is now if not named.
        #[arg(long)]
        block: Option<u64>,
        /// Ask for it and do not wait.
        #[arg(long)]
        no_wait: bool,
        /// How long to wait, in seconds.
        #[arg(long, default_value_t = 600)]
        timeout: u64,
    },
    /// Take a request back whose block has not come.
    Cancel {
        #[command(flatten)]
        chain: Chain,
        /// The block that was asked for.
        #[arg(long)]
        block: u64,
    },
    /// Finished snapshots of a peer, and blocks of which one is wanted.
    List {
        #[command(flatten)]
        chain: Chain,
    },
    /// Compare the files of a snapshot with their hashes.
    Verify {
        /// Folder of the snapshot.
        folder: PathBuf,
    },
    /// Let a peer begin a channel with a snapshot instead of the blocks before it.
    Join {
        #[command(flatten)]
        folder: Folder,
        /// The peer, running or stopped, that is not on the channel.
        #[arg(long, env = "CARECORD_NODE")]
        node: String,
        /// Folder of the snapshot.
        #[arg(long, value_name = "FOLDER")]
        from: PathBuf,
    },
}

// === impl Snapshot ===

impl Snapshot {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        match self {
            Self::Create { chain, block, no_wait, timeout } => {
                let session = chain.open()?;
                let snapshots = of(&chain, &session)?;
                let block = block.unwrap_or(0);
                if no_wait {
                    snapshots.generate(block).await?;
                    output.result(&json!({ "schema": "carecord.snapshot-request/v1" }), || {
                        "asked for".to_owned()
                    });
                    return Ok(());
                }
                let made = snapshots.make(block, Duration::from_secs(timeout)).await?;
                show(output, &made);
            }
            Self::Cancel { chain, block } => {
                let session = chain.open()?;
                of(&chain, &session)?.cancel(block).await?;
                output.text("cancelled");
            }
            Self::List { chain } => list(&chain, output).await?,
            Self::Verify { folder } => show(output, &snapshots::verify(&folder)?),
            Self::Join { folder, node, from } => {
                let session = Session::open(&folder.dir)?;
                let joined = snapshots::join(&session, session.file().node(&node)?, &from).await?;
                output.result(&joined, || {
                    format!("{node} has channel {} up to block {}", joined.channel, joined.block)
                });
            }
        }
        Ok(())
    }
}

fn of<'a>(chain: &'a Chain, session: &'a Session) -> Outcome<Snapshots<'a>> {
    Snapshots::of(session, chain.node(session)?, chain.channel(session)?)
}

fn show(output: Output, shown: &Shown) {
    output.result(shown, || {
        let Shown { channel, block, hash, bytes, folder, .. } = shown;
        let folder = folder.display();
        format!("channel {channel} up to block {block}, {bytes} bytes, hash {hash}, in {folder}")
    });
}

async fn list(chain: &Chain, output: Output) -> Outcome<()> {
    let session = chain.open()?;
    let snapshots = of(chain, &session)?;
    let completed: Vec<Shown> = snapshots.completed()?.into_values().collect();
    // A peer that is down has files all the same.
    let pending = snapshots.pending().await.unwrap_or_else(|failure| {
        output.note(&failure.to_string());
        Vec::new()
    });
    let value = json!({
        "schema": "carecord.snapshots/v1", "completed": completed, "pending": pending,
    });
    output.result(&value, || {
        let finished = completed.iter().map(|shown| {
            let hash = shown.hash.get(..HASH_SHOWN).unwrap_or_default().to_owned();
            [
                shown.channel.clone(),
                shown.block.to_string(),
                hash,
                shown.bytes.to_string(),
                shown.folder.display().to_string(),
            ]
        });
        let waiting = pending.iter().map(|block| {
            [String::new(), block.to_string(), "pending".to_owned(), String::new(), String::new()]
        });
        table(["CHANNEL", "BLOCK", "HASH", "BYTES", "FOLDER"], finished.chain(waiting))
    });
    Ok(())
}
