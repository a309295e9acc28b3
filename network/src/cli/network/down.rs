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
}

// === impl Down ===

impl Down {
    pub(super) fn run(self, output: Output) -> Outcome<()> {
        let dir = NetworkDir::new(&self.folder.dir)?;
        let stopped = bringup::stop(&dir.read()?)?;
        let value = json!({"schema": "carecord.down/v1", "stopped": stopped});
        output.result(&value, || format!("{stopped} nodes stopped"));
        Ok(())
    }
}
