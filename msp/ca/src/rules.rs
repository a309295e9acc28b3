//! Who may do what at the membership service, decided from records alone: no store, no clock, no HTTP.
//!
//! Fabric-CA's rules (`lib/attr/attribute.go`, `lib/serverregister.go`, `lib/serverrequestcontext.go`), and above them
//! ours: an organisation gives only the health roles that it may hold, and a patient goes by a pseudonym.

pub mod affiliation;
pub mod attempts;
pub mod enrolment;
pub mod names;
pub mod registrar;
pub mod reserved;
pub mod roles;
