//! What the MSP promises, checked against Fabric's own verdicts and against hostile input.

mod golden;
mod hostile;
mod keystore;
mod made;
