//! `carecord ca`.

mod init;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::bringup;
use crate::cli::target::Folder;
use crate::error::Outcome;
use crate::membership::{ca_of, client, registrar, said};
use crate::node::{self, Kind};
use crate::output::{Output, table};
use crate::state::{NetworkDir, replace_file};

#[derive(Debug, Subcommand)]
pub(super) enum Ca {
    /// Make a CA of its own, outside any network: keys (encrypted), certificates, configuration.
    Init(Box<init::Init>),
    /// Run a CA in this process until it is told to end.
    Serve {
        /// Its configuration.
        #[arg(long, short = 'f', env = "CARECORD_CONFIG", value_name = "FILE")]
        config: PathBuf,
    },
    /// Give an organisation of a network a CA; `carecord network up` starts it.
    Add(Add),
    /// The CAs of a network, and what they say of themselves.
    Status {
        #[command(flatten)]
        folder: Folder,
    },
    /// The revocation list of an organisation's CA.
    Crl(Crl),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    #[command(flatten)]
    folder: Folder,
    /// The organisation.
    #[arg(long)]
    organisation: String,
    /// Values of carecord.role that it may give; all if none is named.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Crl {
    #[command(flatten)]
    folder: Folder,
    /// The organisation.
    #[arg(long)]
    organisation: String,
    /// The list of the CA that signs TLS certificates.
    #[arg(long)]
    tls: bool,
    /// File to write it to; standard output if not named.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

// === impl Ca ===

impl Ca {
    pub(super) fn run(self, output: Output) -> Outcome<()> {
        match self {
            Self::Init(command) => command.run(output),
            Self::Serve { config } => node::run(Kind::Ca, &config),
            Self::Add(command) => command.run(output),
            Self::Status { folder } => status(&folder, output),
            Self::Crl(command) => command.run(output),
        }
    }
}

// === impl Add ===

impl Add {
    fn run(self, output: Output) -> Outcome<()> {
        let dir = NetworkDir::new(&self.folder.dir)?;
        let roles = match self.roles.is_empty() {
            true => carecord_ca::attributes::ROLES.map(str::to_owned).to_vec(),
            false => self.roles,
        };
        let mut file = dir.read()?;
        if ca_of(&file, &self.organisation).is_err() {
            file = bringup::add_ca(&dir, file, &self.organisation, roles)?;
        }
        let node = ca_of(&file, &self.organisation)?;
        let value = json!({"schema": "carecord.ca/v1", "node": node});
        output.result(&value, || {
            let root = dir.root().display();
            format!(
                "{} is the CA of {} at {}; `carecord network up --dir {root} --detach` starts it",
                node.name, node.organisation, node.address
            )
        });
        Ok(())
    }
}

// === impl Crl ===

impl Crl {
    fn run(self, output: Output) -> Outcome<()> {
        let file = NetworkDir::new(&self.folder.dir)?.read()?;
        let node = ca_of(&file, &self.organisation)?;
        let list = client(node)?.gencrl(&registrar(node)?, self.tls).map_err(said)?;
        if let Some(path) = &self.out {
            replace_file(path, list.as_bytes())?;
        }
        let value =
            json!({"schema": "carecord.crl/v1", "ca": node.name, "crl": list, "file": self.out});
        output.result(&value, || match &self.out {
            Some(path) => format!("the revocation list of {} is in {}", node.name, path.display()),
            None => list.trim_end().to_owned(),
        });
        Ok(())
    }
}

fn status(folder: &Folder, output: Output) -> Outcome<()> {
    let file = NetworkDir::new(&folder.dir)?.read()?;
    let mut rows = Vec::new();
    for node in file.nodes_of("ca") {
        let answer = client(node).and_then(|client| client.cainfo().map_err(said));
        let (state, version) = match &answer {
            Ok(info) => ("answers".to_owned(), info.version.clone()),
            Err(failure) => (failure.cause().to_owned(), String::new()),
        };
        rows.push((node, state, version, answer.is_ok()));
    }
    let value = json!({"schema": "carecord.cas/v1", "cas": rows.iter().map(|(node, state, version, ok)| json!({
        "name": node.name, "organisation": node.organisation, "address": node.address,
        "state": state, "version": version, "answers": ok,
    })).collect::<Vec<_>>()});
    output.result(&value, || {
        table(
            ["CA", "ORGANISATION", "ADDRESS", "STATE", "VERSION"],
            rows.iter().map(|(node, state, version, _)| {
                let node = *node;
                [
                    node.name.clone(),
                    node.organisation.clone(),
                    node.address.clone(),
                    state.clone(),
                    version.clone(),
                ]
            }),
        )
    });
    Ok(())
}
