//! `carecord orderer add|remove|replace`.

use std::time::{Duration, Instant};

use clap::Args;
use prost::Message;
use serde_json::json;

use crate::bringup;
use crate::cli::target::Folder;
use crate::codes::Code;
use crate::configuring::{self, Change, Changed, Current, consenters};
use crate::error::{Failure, Outcome};
use crate::output::Output;
use crate::participation;
use crate::process::Process;
use crate::session::Session;
use crate::state::{NetworkDir, NetworkFile, NodeEntry, UserEntry};
use crate::topology::{Node, Organisation, OrganisationRole, Topology};

const POLL: Duration = Duration::from_millis(50);
/// What an orderer says of a channel that does not name it, and of one that it is on.
const NOT_NAMED: &str = "none of its consenters has this node's TLS certificate";
const JOINED: &str = "channel already exists";
/// Blocks that a learner may still lack when it becomes a consenter.
const BEHIND_MAX: u64 = 1;

/// Which channel, changed by whom.
#[derive(Debug, Args)]
pub(in crate::cli) struct Target {
    #[command(flatten)]
    folder: Folder,
    /// Channel; the first one if not named.
    #[arg(short = 'C', long, env = "CARECORD_CHANNEL")]
    channel: Option<String>,
    /// Administrators who sign; those of all organisations that order if none is named.
    #[arg(long = "as", env = "CARECORD_AS", value_name = "ADMIN")]
    users: Vec<String>,
    /// Seconds that each step may take.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
    /// Make the change although somebody would be locked out.
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Add {
    #[command(flatten)]
    target: Target,
    /// Name of the new orderer.
    name: String,
    /// Organisation that runs it; the first that orders if not named.
    #[arg(long)]
    organisation: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Remove {
    #[command(flatten)]
    target: Target,
    /// Name of the orderer.
    name: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Replace {
    #[command(flatten)]
    target: Target,
    /// Orderer that goes; it may be dead.
    old: String,
    /// Name of the new one.
    #[arg(long = "with", value_name = "NAME")]
    new: String,
}

// === impl Add ===

impl Add {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let done = self.target.add(&self.name, self.organisation.as_deref(), output).await?;
        said(output, "added", &self.name, done);
        Ok(())
    }
}

// === impl Remove ===

impl Remove {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let done = self.target.remove(&self.name).await?;
        said(output, "removed", &self.name, done);
        Ok(())
    }
}

// === impl Replace ===

impl Replace {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let session = self.target.open()?;
        let organisation = session.file().node(&self.old)?.organisation.clone();
        self.target.remove(&self.old).await?;
        bringup::retire(session.dir(), &self.old)?;
        let added = self.target.add(&self.new, Some(&organisation), output).await;
        let done = added.map_err(|failure| {
            let (old, new) = (&self.old, &self.new);
            failure
                .hint(format!("{old} is removed; `carecord orderer add {new}` goes on from here"))
        })?;
        said(output, "in place", &self.new, done);
        Ok(())
    }
}

fn said(output: Output, what: &str, name: &str, done: Changed) {
    let value = json!({
        "schema": "carecord.orderer-change/v1", "node": name, "change": what, "block": done.block,
        "sequence": done.sequence,
    });
    output.result(&value, || {
        format!("{name} is {what}: configuration {} in block {}", done.sequence, done.block)
    });
}

// === impl Target ===

impl Target {
    fn open(&self) -> Outcome<Session> {
        Session::open(&self.folder.dir)
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// Administrators who sign.
    fn signers<'a>(&self, session: &'a Session) -> Outcome<Vec<&'a UserEntry>> {
        let file = session.file();
        if !self.users.is_empty() {
            return self.users.iter().map(|name| file.user(name)).collect();
        }
        let mut signers: Vec<&UserEntry> = Vec::new();
        for name in &file.channel(self.channel.as_deref())?.orderers {
            let admin = file.admin(&file.node(name)?.organisation)?;
            if !signers.iter().any(|other| other.certificate_file == admin.certificate_file) {
                signers.push(admin);
            }
        }
        Ok(signers)
    }

    /// Changes the configuration and waits for the nodes that run, those in `without` left out.
    async fn change(
        &self,
        session: &Session,
        without: &str,
        edit: impl FnOnce(&mut carecord_proto::common::ConfigGroup) -> Outcome<()>,
    ) -> Outcome<Changed> {
        let channel = session.file().channel(self.channel.as_deref())?;
        let signers = self.signers(session)?;
        let nodes: Vec<&NodeEntry> = configuring::nodes_of(session, channel)
            .into_iter()
            .filter(|node| node.name != without && Process::of_file(&node.pid_file).is_some())
            .collect();
        let change = Change {
            channel: &channel.name,
            signers: &signers,
            nodes: &nodes,
            patience: self.patience(),
            force: self.force,
        };
        configuring::change(session, &change, edit).await
    }

    /// The configuration in force, read as the first who signs.
    async fn current(&self, session: &Session) -> Outcome<Current> {
        let channel = session.file().channel(self.channel.as_deref())?;
        let signers = self.signers(session)?;
        let first =
            signers.first().ok_or_else(|| Failure::new(Code::ConfigSignatures, "nobody signs"))?;
        configuring::current(session, channel, first).await
    }

    async fn remove(&self, name: &str) -> Outcome<Changed> {
        let session = self.open()?;
        let file = session.file().clone();
        let node = file.node(name)?;
        let entry = file.channel(self.channel.as_deref())?;
        let channel = entry.name.clone();
        let current = self.current(&session).await?;
        // A try whose change took effect, and which then waited in vain for a node, is brought to its end here.
        let done = match entry.orderers.contains(&node.name)
            && !consenters::names(&current.block, node)
        {
            true => Changed { block: current.number, sequence: current.bundle.sequence() },
            false => {
                self.change(&session, name, |root| consenters::remove(root, &file, node)).await?
            }
        };
        session
            .dir()
            .edit_channel(&channel, |entry| entry.orderers.retain(|other| other != name))?;
        if Process::of_file(&node.pid_file).is_some() {
            // Its data of the channel are of no more use; a node that does not answer keeps them, which harms nobody.
            let _ = participation::remove(&session, node, &channel);
        }
        Ok(done)
    }

    /// A learner first: the new orderer has the chain before its voice is needed.
    async fn add(
        &self,
        name: &str,
        organisation: Option<&str>,
        output: Output,
    ) -> Outcome<Changed> {
        let session = self.open()?;
        let channel = session.file().channel(self.channel.as_deref())?.clone();
        let file = self.make(&session, name, organisation).await?;
        let own = NetworkFile {
            nodes: file.nodes.iter().filter(|node| node.name == name).cloned().collect(),
            ..file.clone()
        };
        bringup::start(&own, self.patience(), output)?;
        let session = self.open()?;
        let node = session.file().node(name)?;
        let current = self.current(&session).await?;
        let learns = match participation::join(&session, node, &current.block.encode_to_vec()) {
            Ok(()) => true,
            // It takes no channel that does not name it: then the configuration comes first.
            Err(failure) if failure.to_string().contains(NOT_NAMED) => false,
            Err(failure) if failure.to_string().contains(JOINED) => true,
            Err(failure) => return Err(failure),
        };
        if learns {
            self.caught_up(&session, node, &channel.name, &channel.orderers).await?;
        }
        let done = self.change(&session, name, |root| consenters::add(root, &file, node)).await?;
        session.dir().edit_channel(&channel.name, |entry| {
            if !entry.orderers.iter().any(|other| other == name) {
                entry.orderers.push(name.to_owned());
            }
        })?;
        if !learns {
            let current = self.current(&session).await?;
            participation::join(&session, node, &current.block.encode_to_vec())?;
            self.caught_up(&session, node, &channel.name, &channel.orderers).await?;
        }
        Ok(done)
    }

    /// Keys, configuration and folder of the new node, unless they were made by a try that did not get to its end.
    async fn make(
        &self,
        session: &Session,
        name: &str,
        organisation: Option<&str>,
    ) -> Outcome<NetworkFile> {
        let file = session.file();
        let channel = file.channel(self.channel.as_deref())?;
        // The folder may list one that the channel's configuration does not name any more.
        let listed = channel.orderers.iter().any(|other| other == name);
        if listed && consenters::names(&self.current(session).await?.block, file.node(name)?) {
            return Err(
                Failure::new(Code::ConfigMember, "the orderer is on the channel already")
                    .at(name)
                    .hint("`carecord orderer list` names the consenters; another name makes another orderer")
            );
        }
        if file.nodes.iter().any(|node| node.name == name && node.role == "orderer") {
            return Ok(file.clone());
        }
        carecord_channel::config::names::check_key(name)
            .map_err(|error| Failure::new(Code::Argument, error).at(name))?;
        let organisation = match organisation {
            Some(name) => file.organisation(name)?,
            None => {
                let first = channel.orderers.first().map_or("", String::as_str);
                file.organisation(&file.node(first)?.organisation)?
            }
        };
        bringup::add_nodes(&NetworkDir::new(&self.folder.dir)?, &newcomer(file, organisation, name))
    }

    async fn caught_up(
        &self,
        session: &Session,
        node: &NodeEntry,
        channel: &str,
        others: &[String],
    ) -> Outcome<()> {
        let deadline = Instant::now() + self.patience();
        loop {
            let mut target = 0;
            for name in others {
                let other = session.file().node(name)?;
                target =
                    target.max(crate::chain::height(session, other, channel).await.unwrap_or(0));
            }
            let standing = participation::standing(session, node, channel)?;
            if target > 0 && standing.height + BEHIND_MAX >= target {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let cause = format!(
                    "the new orderer has {} of {target} blocks ({}, {})",
                    standing.height, standing.relation, standing.status
                );
                return Err(Failure::new(Code::ConfigSlow, cause).at(&node.name).hint(
                    "nothing has changed on the channel; the same command goes on where this one ended",
                ));
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

fn newcomer(
    file: &NetworkFile,
    organisation: &crate::state::OrganisationEntry,
    name: &str,
) -> Topology {
    let host = file
        .nodes
        .iter()
        .find(|node| node.organisation == organisation.name)
        .and_then(|node| node.address.rsplit_once(':'))
        .map_or("127.0.0.1", |(host, _)| host);
    Topology {
        ca: false,
        name: file.name.clone(),
        operations_tls: file.nodes.iter().any(|node| node.operations_tls.is_some()),
        organisations: vec![Organisation {
            roles: Vec::new(),
            name: organisation.name.clone(),
            msp_id: organisation.msp_id.clone(),
            domain: organisation.domain.clone(),
            country: None,
            role: OrganisationRole::Orderer,
        }],
        nodes: vec![Node {
            name: name.to_owned(),
            organisation: organisation.name.clone(),
            role: OrganisationRole::Orderer,
            host: host.to_owned(),
            port: None,
            cluster_port: None,
            operations_port: None,
            admin_port: None,
        }],
        channels: Vec::new(),
        users: Vec::new(),
    }
}
