//! `carecord cert`: how long certificates last, what they say, and new ones in their place.

mod check;
mod renew;
mod revoke;
mod show;

use clap::Subcommand;

use crate::error::Outcome;
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(super) enum Cert {
    /// Every certificate below a folder, the one that ends first on top; fails if one ends too soon.
    Check(check::Check),
    /// What a certificate file says.
    Show(show::Show),
    /// New certificates for nodes and people, while the network runs.
    Renew(renew::Renew),
    /// Take certificates back: their holders lose every right and every open stream with one configuration block.
    Revoke(revoke::Revoke),
}

// === impl Cert ===

impl Cert {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        match self {
            Self::Check(command) => command.run(output),
            Self::Show(command) => command.run(output),
            Self::Renew(command) => command.run(output).await,
            Self::Revoke(command) => command.run(output).await,
        }
    }
}

/// An end of life for people: a day, and how far off it is.
fn shown(not_after_unix_s: i64, lasts_s: i64) -> String {
    let day = time::OffsetDateTime::from_unix_timestamp(not_after_unix_s)
        .map_or_else(|_| not_after_unix_s.to_string(), |moment| moment.date().to_string());
    match lasts_s {
        ..0 => format!("{day} (expired)"),
        0..172_800 => format!("{day} ({} h)", lasts_s / 3_600),
        _ => format!("{day} ({} d)", lasts_s / 86_400),
    }
}
