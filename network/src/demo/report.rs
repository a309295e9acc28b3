//! What the demonstration shows at its end.

use serde::Serialize;

use crate::chain::Tip;
use crate::output::table;

const HASH_SHOWN: usize = 16;

/// Result of the main job, schema `carecord.demo/v1`.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Always `carecord.demo/v1`.
    pub schema: &'static str,
    /// Patients taken part.
    pub patients: usize,
    /// Records stored.
    pub records: usize,
    /// What was done and what came of it.
    pub steps: Vec<StepResult>,
    /// End of each node's chain.
    pub nodes: Vec<NodeTip>,
    /// Whether every step ended as it must.
    pub ok: bool,
}

/// One step.
#[derive(Debug, Clone, Serialize)]
pub struct StepResult {
    /// What was done.
    pub name: String,
    /// How many times it ended as it must.
    pub done: usize,
    /// How many times it was to.
    pub expected: usize,
    /// How long it took.
    pub seconds: f64,
    /// The first thing that went wrong.
    pub problem: Option<String>,
}

/// End of one node's chain.
#[derive(Debug, Clone, Serialize)]
pub struct NodeTip {
    /// The node.
    pub node: String,
    /// `orderer` or `peer`.
    pub role: String,
    /// Its chain's end.
    #[serde(flatten)]
    pub tip: Tip,
}

// === impl StepResult ===

impl StepResult {
    /// Whether it ended as it must every time.
    pub fn is_ok(&self) -> bool {
        self.done == self.expected && self.problem.is_none()
    }
}

// === impl Report ===

impl Report {
    /// Two tables: steps, and the nodes' chains.
    pub fn people(&self) -> String {
        let steps = self.steps.iter().map(|step| {
            [
                step.name.clone(),
                format!("{} of {}", step.done, step.expected),
                format!("{:.1} s", step.seconds),
                if step.is_ok() { "ok" } else { "FAILED" }.to_owned(),
                step.problem.clone().unwrap_or_default(),
            ]
        });
        let short = |hash: &str| hash.chars().take(HASH_SHOWN).collect::<String>();
        let nodes = self.nodes.iter().map(|node| {
            [
                node.node.clone(),
                node.tip.height.to_string(),
                short(&node.tip.header_hash),
                node.tip.commit_hash.as_deref().map_or_else(|| "-".to_owned(), short),
            ]
        });
        format!(
            "{} patients, {} records\n\n{}\n\n{}",
            self.patients,
            self.records,
            table(["STEP", "DONE", "TIME", "", ""], steps),
            table(["NODE", "HEIGHT", "HEADER HASH", "COMMIT HASH"], nodes)
        )
    }
}
