//! The topology: which organisations, nodes, channels and people a network has, as one TOML file.
//!
//! Place in the flow: [`Topology::parse`] reads and checks the file and names each problem with its line;
//! [`crate::bringup`] makes the network from it. Two topologies are built in: the demonstration network and the
//! bench network.

mod check;
mod model;
pub mod place;
mod policy;
mod problem;
mod raw;

pub use model::{
    Batch, Chaincode, Channel, Node, Organisation, OrganisationRole, Raft, Topology, User,
};
pub use problem::Problem;

use std::path::Path;

use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// The demonstration network: three orderers, two hospitals, an insurer, a research institute.
pub const DEMO: &str = include_str!("../topologies/demo.toml");
/// The bench network: three orderers, two organisations, both must endorse.
pub const BENCH: &str = include_str!("../topologies/bench.toml");

/// Name that messages use for the built-in demonstration topology.
const DEMO_NAME: &str = "demo.toml (built in)";

// === impl Topology ===

impl Topology {
    /// Reads `text`; on failure all problems, in the order of their lines.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let raw = raw::parse(text).map_err(|problem| vec![problem])?;
        check::check(raw, text)
    }

    /// Reads the file at `path`, or the demonstration topology if there is none; also gives the text.
    pub fn load(path: Option<&Path>) -> Outcome<(Self, String)> {
        let (name, text) = match path {
            None => (DEMO_NAME.to_owned(), DEMO.to_owned()),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    Failure::new(Code::TopologyUnreadable, error.to_string().to_lowercase())
                        .at(path.display())
                        .hint("give an existing file with --topology, or none for the demonstration network")
                })?;
                (path.display().to_string(), text)
            }
        };
        let topology = Self::parse(&text).map_err(|problems| failure(&name, &problems))?;
        Ok((topology, text))
    }
}

/// One failure out of all problems of a file: the first leads, the others follow below it.
fn failure(file: &str, problems: &[Problem]) -> Failure {
    let first = &problems[0];
    let mut cause = first.message.clone();
    for other in &problems[1..] {
        let code = other.code.text();
        cause.push_str(&format!("\n  also {code}: {file}:{}: {}", other.place, other.message));
    }
    let hint = first.hint.as_deref().unwrap_or_else(|| remedy(first.code));
    Failure::new(first.code, cause).at(format!("{file}:{}", first.place)).hint(hint)
}

/// What to do about a mistake that no rule has said more about.
fn remedy(code: Code) -> &'static str {
    match code {
        Code::TopologySyntax => {
            "correct this line; the topology.toml that `carecord network init` writes shows every section"
        }
        Code::TopologyDuplicate => "give one of the two another name or port",
        Code::TopologyReference => "correct the name, or add the section that describes it",
        Code::TopologyMissing => "add what is missing",
        Code::TopologyPolicy => {
            "write it like \"AND('HospitalAMSP.peer', 'HospitalBMSP.peer')\", or leave it out for a majority"
        }
        _ => "correct this line",
    }
}
