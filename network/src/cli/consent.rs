//! `carecord consent`.

use carecord_health::consent::{Grant as Entry, Grantee};
use clap::Subcommand;
use serde_json::json;

use crate::bringup::now_unix_s;
use crate::cli::record::parse_id;
use crate::cli::target::{Caller, Purposeful};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::output::{Output, table};
use crate::session::from_sdk;
use crate::wallet::Wallet;

const DAY_S: i64 = 86_400;
const DAYS_MAX: u32 = 3_650;

#[derive(Debug, Subcommand)]
pub(super) enum Consent {
    /// Let somebody read: all records, or those named.
    Grant {
        #[command(flatten)]
        caller: Caller,
        #[command(flatten)]
        purpose: Purposeful,
        /// Person who may read: a user, or an id.
        #[arg(long)]
        to: String,
        /// For how many days.
        #[arg(long, default_value_t = 30, value_name = "DAYS")]
        days: u32,
        /// Only this record; may be given more than once.
        #[arg(long = "record", value_name = "ID")]
        records: Vec<String>,
    },
    /// End a grant; keys that were made for it are deleted.
    Revoke {
        #[command(flatten)]
        caller: Caller,
        /// The grant's id.
        grant: String,
    },
    /// The caller's grants.
    List {
        #[command(flatten)]
        caller: Caller,
    },
}

// === impl Consent ===

impl Consent {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        match self {
            Self::Grant { caller, purpose, to, days, records } => {
                caller.placed(grant(&caller, &purpose, &to, days, &records, output).await)
            }
            Self::Revoke { caller, grant } => caller.placed(revoke(&caller, &grant, output).await),
            Self::List { caller } => caller.placed(list(&caller, output).await),
        }
    }
}

async fn grant(
    caller: &Caller,
    purpose: &Purposeful,
    to: &str,
    days: u32,
    records: &[String],
    output: Output,
) -> Outcome<()> {
    if !(1..=DAYS_MAX).contains(&days) {
        let cause = format!("--days is {days}; it takes 1 to {DAYS_MAX}");
        return Err(Failure::new(Code::Argument, cause));
    }
    let session = caller.open()?;
    let person = caller.person(&session).await?;
    let reader = Wallet::id_of(&session, to)?;
    let records = match records {
        [] => None,
        named => Some(named.iter().map(|id| parse_id(id)).collect::<Outcome<Vec<_>>>()?),
    };
    let until = now_unix_s() + i64::from(days) * DAY_S;
    let grant = person
        .grant(&reader, purpose.purpose()?, until, records)
        .await
        .map_err(|error| from_sdk(&error))?;
    output.result(&json!({"schema": "carecord.grant/v1", "grant": grant}), || {
        format!("grant {} lets {to} read for {days} days", grant.id)
    });
    Ok(())
}

async fn revoke(caller: &Caller, grant: &str, output: Output) -> Outcome<()> {
    let session = caller.open()?;
    let person = caller.person(&session).await?;
    let id = parse_id(grant)?;
    let grants = person.my_grants().await.map_err(|error| from_sdk(&error))?;
    let found = grants.iter().find(|grant| grant.id == id).ok_or_else(|| {
        Failure::new(Code::Unknown, format!("you have no grant {grant}"))
            .hint("`carecord consent list` shows yours")
    })?;
    let Grantee::Subject { subject } = &found.grantee else {
        return Err(Failure::new(Code::Argument, "this grant is not to one person")
            .hint("revoke it with `carecord tx submit health consent:Revoke ID`"));
    };
    person.revoke(&id, subject).await.map_err(|error| from_sdk(&error))?;
    let value = json!({"schema": "carecord.revocation/v1", "grant": grant});
    output.result(&value, || format!("grant {grant} has ended"));
    Ok(())
}

async fn list(caller: &Caller, output: Output) -> Outcome<()> {
    let session = caller.open()?;
    let person = caller.person(&session).await?;
    let grants = person.my_grants().await.map_err(|error| from_sdk(&error))?;
    output.result(&json!({"schema": "carecord.grants/v1", "grants": grants}), || {
        let now = now_unix_s();
        let row = |grant: &Entry| {
            let purposes: Vec<&str> =
                grant.purposes.iter().map(|purpose| purpose.as_str()).collect();
            let state = match grant.revoked {
                Some(_) => "revoked",
                None if grant.until <= now => "ended",
                None => "holds",
            };
            [grant.id.to_string(), grantee(&grant.grantee), purposes.join(","), state.to_owned()]
        };
        table(["GRANT", "TO", "PURPOSES", "STATE"], grants.iter().map(row))
    });
    Ok(())
}

fn grantee(grantee: &Grantee) -> String {
    match grantee {
        Grantee::Subject { subject } => subject.to_string(),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}
