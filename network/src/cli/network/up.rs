//! `carecord network up`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use carecord_ca::attributes::PATIENT;
use clap::Args;
use serde_json::json;

use crate::bringup;
use crate::cli::target::Folder;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::output::{Output, table};
use crate::process::Process;
use crate::session::Session;
use crate::state::{NetworkDir, NetworkFile};
use crate::topology::Topology;

#[derive(Debug, Args)]
pub(in crate::cli) struct Up {
    #[command(flatten)]
    folder: Folder,
    /// Make a new network from this topology, if the folder is new.
    #[arg(long, env = "CARECORD_TOPOLOGY", value_name = "FILE")]
    topology: Option<PathBuf>,
    /// Make the demonstration network, if the folder is new.
    #[arg(long, conflicts_with = "topology")]
    demo: bool,
    /// Let each organisation run a CA, also in a network that was made without.
    #[arg(long, env = "CARECORD_CA")]
    ca: bool,
    /// Return when the network is up instead of waiting for Ctrl-C.
    #[arg(long)]
    detach: bool,
    /// Seconds to wait for the nodes and for the chaincodes.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
}

// === impl Up ===

impl Up {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let begun = Instant::now();
        let dir = NetworkDir::new(&self.folder.dir)?;
        let patience = Duration::from_secs(self.timeout);
        let file = self.with_cas(&dir, self.prepare(&dir, output)?, output)?;
        refuse_second_start(&dir, &file)?;
        let ours = bringup::waiting(&file);
        let brought_up = async {
            bringup::start(&file, patience, output)?;
            let session = Session::open(dir.root())?;
            let unserved = bringup::ready(&session, patience, output).await?;
            bringup::deploy(&session, &unserved, patience, output).await?;
            Ok(unserved)
        };
        let unserved = match brought_up.await {
            Ok(unserved) => unserved,
            Err(failure) => {
                // Nodes that ran before go on; what the logs of the others say stays in the folder.
                bringup::stop_nodes(&ours)?;
                return Err(failure);
            }
        };
        let file = dir.read()?;
        show(&dir, &file, begun.elapsed(), output);
        if self.detach {
            return all_served(&unserved);
        }
        for channel in &unserved {
            output.note(&format!(
                "channel {} is not served: {}",
                channel.channel,
                channel.failure.cause()
            ));
        }
        output.note("Ctrl-C stops the network; its data stays.");
        wait_for_interrupt().await?;
        let step = output.step("stop");
        let stopped = bringup::stop(&file)?;
        step.done(&format!("{stopped} nodes"));
        Ok(())
    }

    fn with_cas(
        &self,
        dir: &NetworkDir,
        file: NetworkFile,
        output: Output,
    ) -> Outcome<NetworkFile> {
        // A topology that wants CAs has them since the network was made.
        if self.ca { bringup::add_cas(dir, file, output) } else { Ok(file) }
    }

    /// The network of the folder; a new one only for somebody who says what it is to be, since a folder without a
    /// network may as well be a mistyped one.
    fn prepare(&self, dir: &NetworkDir, output: Output) -> Outcome<NetworkFile> {
        if !self.demo && self.topology.is_none() {
            return dir.read();
        }
        let (topology, text) = Topology::load(self.topology.as_deref())?;
        if dir.has_network() {
            let made_from = crate::state::read_text(&dir.topology())?;
            if text != made_from {
                return Err(Failure::new(
                    Code::OldFolder,
                    "the folder holds a network made from another topology",
                )
                .at(dir.root().display())
                .hint("leave --topology or --demo out to start it, or choose another folder with --dir"));
            }
            return dir.read();
        }
        let file = bringup::init(dir, &topology, &text, output)?;
        output.note(&format!("{} is a new network in {}", file.name, dir.root().display()));
        Ok(file)
    }
}

/// A channel that is not served ends the command with an error; its nodes run, for the sake of the others.
fn all_served(unserved: &[bringup::Unserved]) -> Outcome<()> {
    let Some(first) = unserved.first() else { return Ok(()) };
    let told: Vec<String> = unserved
        .iter()
        .map(|one| format!("channel {}: {}", one.channel, one.failure.cause()))
        .collect();
    let (code, kind) = (first.failure.code(), first.failure.kind());
    Err(Failure::foreign(code, kind, told.join("; ")).at("not served").hint(format!(
        "all nodes run, and the other channels are served; `carecord orderer status -C {}` shows who orders it. One that has \
         lost most of its consenters for good is closed by `carecord channel leave --force` for each orderer that is left",
        first.channel
    )))
}

fn refuse_second_start(dir: &NetworkDir, file: &NetworkFile) -> Outcome<()> {
    let running: Vec<&str> = file
        .nodes
        .iter()
        .filter(|node| Process::of_file(&node.pid_file).is_some())
        .map(|node| node.name.as_str())
        .collect();
    if running.len() < file.nodes.len() {
        return Ok(());
    }
    Err(Failure::new(Code::AlreadyUp, "all nodes of this network run already")
        .at(dir.root().display())
        .hint("`carecord network status` shows it, `carecord network down` stops it"))
}

fn show(dir: &NetworkDir, file: &NetworkFile, took: Duration, output: Output) {
    let value = json!({
        "schema": "carecord.up/v1",
        "dir": dir.root(),
        "network_file": dir.network_file(),
        "seconds": took.as_secs_f64(),
        "nodes": file.nodes,
        "channels": file.channels,
        "chaincodes": file.chaincodes,
    });
    output.result(&value, || {
        let rows = file.nodes.iter().map(|node| {
            [
                node.name.clone(),
                node.role.clone(),
                node.organisation.clone(),
                node.address.clone(),
                node.operations_url("/metrics"),
            ]
        });
        let nodes = table(["NODE", "ROLE", "ORGANISATION", "ADDRESS", "METRICS"], rows);
        let users: Vec<&str> =
            file.users.iter().filter(|user| !user.admin).map(|user| user.name.as_str()).collect();
        let [first, second] = next_steps(dir, file);
        format!(
            "{nodes}\n\nup in {:.1} s; everything is in {}\npeople: {}\nnext: {first}\n      {second}",
            took.as_secs_f64(),
            dir.root().display(),
            users.join(", ")
        )
    });
}

/// Commands to go on with: people act on the health contracts once they are registered.
fn next_steps(dir: &NetworkDir, file: &NetworkFile) -> [String; 2] {
    let root = dir.root().display();
    let patient = file.users.iter().find(|user| user.role.as_deref() == Some(PATIENT));
    let health = file.chaincodes.iter().any(|chaincode| chaincode.name == carecord_health::NAME);
    match patient.filter(|_| health) {
        Some(patient) => {
            let name = file.full_name(patient);
            [
                format!("carecord identity register --dir {root} {name}   (each person, once)"),
                format!("carecord record add --dir {root} --as {name} FILE"),
            ]
        }
        None => [
            format!("carecord network status --dir {root}"),
            format!("carecord block list --dir {root}"),
        ],
    }
}

async fn wait_for_interrupt() -> Outcome<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error| Failure::new(Code::File, format!("cannot wait for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.map_err(failed),
        _ = terminate.recv() => Ok(()),
    }
}
