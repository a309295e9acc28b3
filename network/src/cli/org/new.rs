//! `carecord org new`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::bringup;
use crate::cli::target::Folder;
use crate::codes::Code;
use crate::configtx;
use crate::configuring::organisation;
use crate::error::{Failure, Outcome};
use crate::output::Output;
use crate::people;
use crate::state::{NetworkDir, NetworkFile};
use crate::topology::{Node, Organisation, OrganisationRole, Topology, User};

#[derive(Debug, Args)]
pub(in crate::cli) struct New {
    #[command(flatten)]
    folder: Folder,
    /// Name of the organisation.
    name: String,
    /// What its certificates are known by; the name and "MSP" if not given.
    #[arg(long)]
    msp_id: Option<String>,
    /// What its nodes and people are named by.
    #[arg(long)]
    domain: String,
    /// Two letters for its certificates.
    #[arg(long)]
    country: Option<String>,
    /// Name of a peer; may be given again.
    #[arg(long = "peer", value_name = "NAME", required = true)]
    peers: Vec<String>,
    /// Address that its peers listen on.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// A person and the role; may be given again.
    #[arg(long = "user", value_name = "NAME:ROLE")]
    users: Vec<String>,
    /// Where its definition goes: what the members need to let it in.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Seconds to wait for its peers.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    timeout: u64,
}

// === impl New ===

impl New {
    pub(super) fn run(self, output: Output) -> Outcome<()> {
        let dir = NetworkDir::new(&self.folder.dir)?;
        let newcomer = self.newcomer(&dir.read()?)?;
        let file = bringup::add_organisation(&dir, &newcomer)?;
        let entry = file.organisation(&self.name)?;
        let definition = organisation::to_json(&organisation::definition(&file, entry)?)?;
        crate::state::replace_file(&self.out, configtx::text(&definition).as_bytes())?;
        let own = NetworkFile {
            nodes: file
                .nodes
                .iter()
                .filter(|node| node.organisation == self.name)
                .cloned()
                .collect(),
            ..file.clone()
        };
        bringup::start(&own, Duration::from_secs(self.timeout), output)?;
        let users: Vec<&str> = file
            .users
            .iter()
            .filter(|user| user.organisation == self.name)
            .map(|user| user.name.as_str())
            .collect();
        let value = json!({
            "schema": "carecord.organisation/v1", "name": entry.name, "msp_id": entry.msp_id,
            "nodes": own.nodes, "users": users, "definition": self.out,
        });
        output.result(&value, || {
            format!(
                "{} ({}) is made, with {} and the people {}\nits definition is {}: `carecord org invite {} …` lets it in",
                entry.name,
                entry.msp_id,
                self.peers.join(", "),
                users.join(", "),
                self.out.display(),
                self.out.display()
            )
        });
        Ok(())
    }

    /// The newcomer as a topology of its own.
    fn newcomer(&self, file: &NetworkFile) -> Outcome<Topology> {
        for name in self.peers.iter().chain([&self.name, &self.domain]) {
            carecord_channel::config::names::check_key(name)
                .map_err(|error| Failure::new(Code::Argument, error).at(name))?;
        }
        let users = self.users.iter().map(|text| self.user(text)).collect::<Outcome<_>>()?;
        let organisation = Organisation {
            name: self.name.clone(),
            msp_id: self.msp_id.clone().unwrap_or_else(|| format!("{}MSP", self.name)),
            domain: self.domain.clone(),
            country: self.country.clone(),
            role: OrganisationRole::Peer,
            roles: carecord_ca::attributes::ROLES.map(str::to_owned).to_vec(),
        };
        let node = |name: &String| Node {
            name: name.clone(),
            organisation: self.name.clone(),
            role: OrganisationRole::Peer,
            host: self.host.clone(),
            port: None,
            cluster_port: None,
            operations_port: None,
            admin_port: None,
        };
        Ok(Topology {
            name: file.name.clone(),
            operations_tls: file.nodes.iter().any(|node| node.operations_tls.is_some()),
            ca: false,
            organisations: vec![organisation],
            nodes: self.peers.iter().map(node).collect(),
            channels: Vec::new(),
            users,
        })
    }

    fn user(&self, text: &str) -> Outcome<User> {
        let (name, role) = text.split_once(':').ok_or_else(|| {
            Failure::new(Code::Argument, format!("{text:?} does not say a name and a role"))
                .hint("write it like --user pharmacist:practitioner")
        })?;
        if !people::is_role(role) {
            return Err(Failure::new(Code::Argument, format!("{role:?} is not a role")).hint(
                "it is one of patient, practitioner, hospital-admin, insurer, researcher, auditor",
            ));
        }
        Ok(User {
            name: name.to_owned(),
            organisation: self.name.clone(),
            role: Some(role.to_owned()),
            key: Default::default(),
        })
    }
}
