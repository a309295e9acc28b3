//! Delivering blocks: one session a seek request, as a state machine without clock, socket or ledger.
//!
//! Place in the flow: the gRPC handlers of orderer and peer read an envelope, [`Request::open`] it, look its channel up,
//! [`Session::start`] a session and then call [`Session::step`] until it ends; they do what each step says. After an
//! end with SUCCESS the stream stays open for the next request, after any other status it is closed. Statuses, their
//! order and the reasons are Fabric's:
//!
//! | in this order | status |
//! |---|---|
//! | unreadable, no header, no timestamp, more than 15 minutes off, not bound to its TLS certificate | BAD_REQUEST |
//! | unknown channel ([`Refusal::unknown_channel`]) | NOT_FOUND |
//! | unreadable seek information | BAD_REQUEST |
//! | consenter in error, unless best effort is asked for | SERVICE_UNAVAILABLE |
//! | identity expired, or no reader of the channel | FORBIDDEN |
//! | start or stop missing | BAD_REQUEST |
//! | start above the height | NOT_FOUND |
//! | stop before start | BAD_REQUEST |
//! | a stored block cannot be read ([`Refusal::unreadable`]) | SERVICE_UNAVAILABLE |
//! | at each block: not there yet and failing is asked for; in error; no longer allowed | NOT_FOUND; SERVICE_UNAVAILABLE; FORBIDDEN |

mod request;
mod session;

pub use request::{Binding, Refusal, Request, TIME_WINDOW_MS};
pub use session::{Session, Step, View, without_data};
