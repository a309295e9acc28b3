//! Bring-up: from a topology to running nodes with a channel and deployed chaincodes, and back.
//!
//! ```text
//! init:  ports ─▶ credentials ─▶ genesis ─▶ files (node.toml, network.json) ─▶ scrape (prometheus.yml)
//! up:    (init) ─▶ start (spawn, wait until healthy) ─▶ ready ─▶ deploy (`_lifecycle` transactions)
//! down:  stop
//! later: newcomer (organisations and nodes of a network that runs), retire (a node that has left it)
//! ```
//!
//! Place in the flow: the commands `carecord network …` and `carecord demo` call these functions in this order.

mod cas;
mod credentials;
mod deploy;
mod files;
mod genesis;
mod health;
mod init;
mod newcomer;
mod ports;
mod ready;
mod retire;
mod scrape;
mod start;
mod status;
mod stop;

pub use cas::{add as add_ca, add_all as add_cas};
pub(crate) use cas::{registrar as ca_registrar, secret_file, tls as ca_tls};
pub(crate) use credentials::{enrol, failure as ca_failure, load as load_cas, tree as tree_of};
pub use deploy::deploy;
pub(crate) use files::user_entry;
pub(crate) use genesis::settings as genesis_settings;
pub use health::get as http_get;
pub use init::init;
pub(crate) use init::now_unix_s;
pub use newcomer::{add_nodes, add_organisation};
pub use ready::{Unserved, ready};
pub use retire::retire;
pub use start::{start, waiting};
pub use status::{NodeStatus, Status, status};
pub use stop::{stop, stop_nodes};
