//! `carecord network init`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::bringup;
use crate::cli::target::Folder;
use crate::error::Outcome;
use crate::output::Output;
use crate::state::NetworkDir;
use crate::topology::Topology;

#[derive(Debug, Args)]
pub(in crate::cli) struct Init {
    #[command(flatten)]
    folder: Folder,
    /// Topology file; the demonstration network if not given.
    #[arg(long, env = "CARECORD_TOPOLOGY", value_name = "FILE")]
    topology: Option<PathBuf>,
}

// === impl Init ===

impl Init {
    pub(super) fn run(self, output: Output) -> Outcome<()> {
        let (topology, text) = Topology::load(self.topology.as_deref())?;
        let dir = NetworkDir::new(&self.folder.dir)?;
        let file = bringup::init(&dir, &topology, &text, output)?;
        let value = json!({
            "schema": "carecord.init/v1",
            "dir": dir.root(),
            "network_file": dir.network_file(),
            "nodes": file.nodes.len(),
            "users": file.users.len(),
        });
        output.result(&value, || {
            let root = dir.root().display();
            format!(
                "{root} holds the network {}; start it with `carecord network up --dir {root}`",
                file.name
            )
        });
        Ok(())
    }
}
