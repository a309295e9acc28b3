//! `carecord ledger verify|rollback|rebuild`: on the files of a node that is stopped.

use std::path::{Path, PathBuf};

use carecord_blocks::record_log::Check;
use carecord_ledger::{Error, Options, tools};
use clap::Args;
use serde_json::json;

use crate::cli::target::Folder;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::node::config::NodeConfig;
use crate::output::Output;
use crate::process::Process;
use crate::session::Session;
use crate::state::NodeEntry;

const LEDGERS: &str = "ledgers";

/// Which stopped node, and which of its chains.
#[derive(Debug, Args)]
pub(in crate::cli) struct Stopped {
    #[command(flatten)]
    folder: Folder,
    /// The node, which must not run.
    #[arg(long, env = "CARECORD_NODE")]
    node: String,
    /// Channel; the first one if not named.
    #[arg(short = 'C', long, env = "CARECORD_CHANNEL")]
    channel: Option<String>,
}

/// A stopped node's files of one channel.
struct Files {
    node: String,
    role: String,
    channel: String,
    path: PathBuf,
    options: Options,
}

// === impl Stopped ===

impl Stopped {
    fn open(&self) -> Outcome<Files> {
        let session = Session::open(&self.folder.dir)?;
        let node = session.file().node(&self.node)?;
        if Process::of_file(&node.pid_file).is_some() {
            return Err(running(&node.name));
        }
        let channel = session.file().channel(self.channel.as_deref())?.name.clone();
        let config = NodeConfig::load(&node.config_file)?;
        let path = match node.role.as_str() {
            "peer" => config.data_dir.join(LEDGERS).join(&channel),
            _ => config.data_dir.join(&channel),
        };
        if !path.exists() {
            let cause = format!("the node has no data of channel {channel}");
            return Err(Failure::new(Code::Unknown, cause).at(path.display()));
        }
        let options = Options { msp_id: Some(config.msp_id), ..Options::default() };
        let NodeEntry { name, role, .. } = node.clone();
        Ok(Files { node: name, role, channel, path, options })
    }

    fn open_peer(&self) -> Outcome<Files> {
        let files = self.open()?;
        match files.role.as_str() {
            "peer" => Ok(files),
            _ => Err(Failure::new(Code::Argument, "only a peer's ledger can be rolled back or rebuilt")
                .at(&files.node)
                .hint("an orderer's log holds its votes; docs/operate/recovery.md says how one comes back")),
        }
    }

    pub(super) fn verify(&self, signatures: bool, output: Output) -> Outcome<()> {
        let files = self.open()?;
        if files.role != "peer" {
            return verify_orderer(&files, output);
        }
        let report = tools::verify(&files.path, &files.options, signatures)
            .map_err(|error| failed(&files, &error))?;
        let commit_hash = report.commit_hash.map(hex::encode);
        let value = json!({
            "schema": "carecord.ledger-verify/v1",
            "node": files.node, "channel": files.channel,
            "first": report.first, "height": report.height,
            "transactions": report.transactions, "signed_blocks": report.signed,
            "commit_hash": commit_hash,
            "state_height": report.state_height, "state_rows": report.rows,
        });
        output.result(&value, || {
            let state = match report.state_height {
                Some(at) => format!("{} rows of state at height {at} are what they lead to", report.rows),
                None => "no state is stored; the next start makes it".to_owned(),
            };
            format!(
                "blocks {} to {} with {} transactions are whole, every commit hash is right\n{state}",
                report.first,
                report.height.saturating_sub(1),
                report.transactions
            )
        });
        Ok(())
    }

    pub(super) fn rollback(&self, to: u64, output: Output) -> Outcome<()> {
        let files = self.open_peer()?;
        tools::rollback(&files.path, to).map_err(|error| failed(&files, &error))?;
        let value = json!({
            "schema": "carecord.ledger-rollback/v1",
            "node": files.node, "channel": files.channel, "height": to + 1,
        });
        output.result(&value, || {
            format!("block {to} is the last one; the next start replays state and fetches the rest")
        });
        Ok(())
    }

    pub(super) fn rebuild(&self, output: Output) -> Outcome<()> {
        let files = self.open_peer()?;
        let step = output.step("rebuild");
        let height = tools::rebuild(&files.path, files.options.clone())
            .map_err(|error| failed(&files, &error))?;
        step.done(&format!("{height} blocks, every commit hash is right"));
        let value = json!({
            "schema": "carecord.ledger-rebuild/v1",
            "node": files.node, "channel": files.channel, "height": height,
        });
        output.result(&value, || format!("state is at height {height}"));
        Ok(())
    }
}

fn verify_orderer(files: &Files, output: Output) -> Outcome<()> {
    let report = carecord_orderer::verify_log(&files.path, Check::Everything).map_err(|error| {
        if is_locked(&error) { running(&files.node) } else { Failure::node(&files.node, &error) }
    })?;
    let value = json!({
        "schema": "carecord.ledger-verify/v1",
        "node": files.node, "channel": files.channel, "first": 0, "height": report.height,
        "transactions": report.transactions, "records": report.records,
    });
    output.result(&value, || {
        format!(
            "{} records are whole; blocks 0 to {} with {} transactions follow each other",
            report.records,
            report.height.saturating_sub(1),
            report.transactions
        )
    });
    Ok(())
}

fn is_locked(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |cause| cause.source())
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

fn running(node: &str) -> Failure {
    Failure::new(Code::NodeRuns, "the node runs; its files are its own meanwhile")
        .at(node)
        .hint(format!("stop it first: `carecord network down --node {node}`"))
}

fn failed(files: &Files, error: &Error) -> Failure {
    let place: &Path = &files.path;
    match error {
        Error::InUse { .. } => running(&files.node),
        Error::NoSuchEnd { .. } => Failure::new(Code::NoSuchEnd, error).at(&files.node),
        Error::StateDiffers(_) => Failure::new(Code::StateDiffers, error)
            .at(place.display())
            .hint(format!("`carecord ledger rebuild --node {}` makes it again", files.node)),
        error => Failure::node(&files.node, error),
    }
}
