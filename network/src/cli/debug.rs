//! `carecord debug`: looks for what must not be on a disk; for tests and auditors, hidden from help.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::error::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::scan::{self, Options, Terms};
use crate::state::NetworkDir;

#[derive(Debug, Subcommand)]
pub(super) enum Debug {
    /// Search all nodes' folders for names, addresses, ids and keys in every form they may lie there.
    Scan(Scan),
    /// Plant something in a copy of every store and prove that the scan finds it.
    Canary {
        /// Folder of a stopped network.
        #[arg(long, value_name = "DIR", env = "CARECORD_DIR")]
        dir: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct Scan {
    /// Folder of the network.
    #[arg(long, value_name = "DIR", env = "CARECORD_DIR")]
    dir: PathBuf,
    /// File with a term per line, as `class: text`.
    #[arg(long, value_name = "FILE")]
    terms: Vec<PathBuf>,
    /// Folder of FHIR R4 bundles whose people are looked for.
    #[arg(long, value_name = "DIR")]
    fhir: Vec<PathBuf>,
    /// File with a data key per line, in hexadecimal.
    #[arg(long, value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// Name what was found; without it the report can be shown to anybody.
    #[arg(long)]
    show: bool,
}

// === impl Debug ===

impl Debug {
    pub(super) fn run(self, output: Output) -> Outcome<()> {
        match self {
            Self::Scan(scan) => scan.run(output),
            Self::Canary { dir } => {
                let proof = scan::canary::prove(&NetworkDir::new(&dir)?)?;
                output.result(&proof, || {
                    format!(
                        "all {} canaries found, in {} tables, {} record logs and the files",
                        proof.planted, proof.tables, proof.record_logs
                    )
                });
                Ok(())
            }
        }
    }
}

// === impl Scan ===

impl Scan {
    fn run(self, output: Output) -> Outcome<()> {
        let mut terms = Terms::new();
        for path in &self.terms {
            terms.add_term_file(path)?;
        }
        for path in &self.fhir {
            terms.add_bundles(path)?;
        }
        for path in &self.keys {
            terms.add_key_file(path)?;
        }
        let options = Options { show: self.show, ..Options::default() };
        let report = scan::network(&NetworkDir::new(&self.dir)?, &terms, options)?;
        output.result(&report, || report.table());
        let failed = |code, reason: String, hint| {
            Err(Failure::foreign(code, Exit::Failed, reason).at(self.dir.display()).hint(hint))
        };
        if !report.clean {
            let reason = format!("{} places hold what must not be there", report.hits_total);
            return failed(scan::LEAK, reason, "the report names them; --show names the terms too");
        }
        if !report.complete {
            let hint = "stop the network with `carecord network down` and scan again";
            return failed(scan::BLIND, "not everything could be looked at".to_owned(), hint);
        }
        Ok(())
    }
}
