//! `carecord network down`.

use clap::Args;
use serde_json::json;

use crate::bringup;
use crate::cli::target::Folder;
use crate::error::Outcome;
use crate::output::Output;
use crate::state::NetworkDir;

#[derive(Debug, Args)]
pub(in crate::cli) struct Down {
    #[command(flatten)]
    folder: Folder,
    /// Stop this node alone; may be given several times.
    #[arg(long = "node", value_name = "NAME")]
    nodes: Vec<String>,
}

// === impl Down ===

impl Down {
    pub(super) fn run(self, output: Output) -> Outcome<()> {
        let dir = NetworkDir::new(&self.folder.dir)?;
        let file = dir.read()?;
        let named = self.nodes.iter().map(|name| file.node(name)).collect::<Outcome<Vec<_>>>()?;
        let stopped =
            if named.is_empty() { bringup::stop(&file)? } else { bringup::stop_nodes(&named)? };
        let value = json!({"schema": "carecord.down/v1", "stopped": stopped});
        output.result(&value, || format!("{stopped} nodes stopped"));
        Ok(())
    }
}
