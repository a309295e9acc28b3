//! The main job, end to end: records are stored encrypted, a doctor with consent opens them, everybody else is refused,
//! every access is on the ledger, and all peers hold the same chain.
//!
//! Place in the flow: `carecord demo` brings a network up and calls [`run`]; the acceptance run does the same with
//! foreign patients. Patients come from FHIR bundles, or from [`generate`].

mod agreement;
mod bundle;
mod cast;
mod generator;
mod job;
mod report;

pub use bundle::{Patient, load, split};
pub use generator::generate;
pub use job::run;
pub use report::{Report, StepResult};
