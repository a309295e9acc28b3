//! `carecord record`.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use carecord_ca::attributes::PATIENT;
use carecord_health::ids::Id;
use carecord_health::model::Record as Entry;
use clap::Subcommand;
use serde_json::json;

use crate::cli::target::{Caller, Purposeful};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::output::{Output, table};
use crate::session::from_sdk;
use crate::wallet::Wallet;

/// Larger contents are split by their writer.
const CONTENT_BYTES_MAX: u64 = 256 << 20;
/// The name that stands for standard input and output.
const STANDARD_STREAM: &str = "-";

#[derive(Debug, Subcommand)]
pub(super) enum Record {
    /// Encrypt a file and store it as a record.
    Add {
        #[command(flatten)]
        caller: Caller,
        /// Patient whose record it is; may be left out by a patient, whose own record it then is.
        #[arg(long)]
        patient: Option<String>,
        /// File to store; `-` for standard input.
        file: PathBuf,
    },
    /// Ask for access, fetch and decrypt a record; the access is on the ledger either way.
    Open {
        #[command(flatten)]
        caller: Caller,
        #[command(flatten)]
        purpose: Purposeful,
        /// The record's id.
        record: String,
        /// File to write; standard output if not named.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// The caller's own records.
    List {
        #[command(flatten)]
        caller: Caller,
    },
}

// === impl Record ===

impl Record {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        match self {
            Self::Add { caller, patient, file } => {
                caller.placed(add(&caller, patient.as_deref(), &file, output).await)
            }
            Self::Open { caller, purpose, record, out } => {
                caller.placed(open(&caller, &purpose, &record, out.as_deref(), output).await)
            }
            Self::List { caller } => caller.placed(list(&caller, output).await),
        }
    }
}

async fn add(caller: &Caller, patient: Option<&str>, file: &Path, output: Output) -> Outcome<()> {
    let session = caller.open()?;
    let person = caller.person(&session).await?;
    let patient = match patient {
        Some(name) => Wallet::id_of(&session, name)?,
        None if caller.user(&session)?.role.as_deref() == Some(PATIENT) => person.id().clone(),
        None => {
            let cause =
                format!("{} is not a patient, so whose record this is must be said", caller.user);
            return Err(
                Failure::new(Code::Argument, cause).hint("name the patient: `--patient NAME`")
            );
        }
    };
    let content = read_content(file)?;
    let record = person.add_record(&patient, &content).await.map_err(|error| from_sdk(&error))?;
    output.result(&json!({"schema": "carecord.record/v1", "record": record}), || {
        format!("record {} is stored: {} bytes sealed as {}", record.id, record.size, record.cid)
    });
    Ok(())
}

async fn open(
    caller: &Caller,
    purpose: &Purposeful,
    record: &str,
    out: Option<&Path>,
    output: Output,
) -> Outcome<()> {
    let session = caller.open()?;
    let person = caller.person(&session).await?;
    let id = parse_id(record)?;
    let opened =
        person.open_record(&id, purpose.purpose()?).await.map_err(|error| from_sdk(&error))?;
    match out.filter(|path| *path != Path::new(STANDARD_STREAM)) {
        Some(path) => {
            std::fs::write(path, &opened.content).map_err(|error| Failure::file(path, &error))?;
            let value = json!({
                "schema": "carecord.access/v1", "record": record, "tx_id": opened.tx_id,
                "bytes": opened.content.len(), "out": path,
            });
            output
                .result(&value, || format!("{} bytes in {}", opened.content.len(), path.display()));
        }
        None => {
            let mut out = std::io::stdout().lock();
            // The reader at the other end of a pipe may have had enough.
            let _ = out.write_all(&opened.content).and_then(|()| out.flush());
        }
    }
    output.note(&format!("this access is on the ledger: transaction {}", opened.tx_id));
    Ok(())
}

async fn list(caller: &Caller, output: Output) -> Outcome<()> {
    let session = caller.open()?;
    let person = caller.person(&session).await?;
    let records = person.my_records().await.map_err(|error| from_sdk(&error))?;
    output.result(&json!({"schema": "carecord.records/v1", "records": records}), || {
        let row = |record: &Entry| {
            [
                record.id.to_string(),
                record.version.to_string(),
                record.size.to_string(),
                record.org.to_string(),
                if record.hidden { "hidden" } else { "" }.to_owned(),
                record.cid.to_string(),
            ]
        };
        table(["RECORD", "VERSION", "BYTES", "WRITTEN AT", "", "CONTENT"], records.iter().map(row))
    });
    Ok(())
}

fn read_content(file: &Path) -> Outcome<Vec<u8>> {
    let failed = |error: std::io::Error| Failure::file(file, &error);
    let mut content = Vec::new();
    let mut limited: Box<dyn Read> = if file == Path::new(STANDARD_STREAM) {
        Box::new(std::io::stdin().take(CONTENT_BYTES_MAX + 1))
    } else {
        Box::new(std::fs::File::open(file).map_err(failed)?.take(CONTENT_BYTES_MAX + 1))
    };
    limited.read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > CONTENT_BYTES_MAX {
        let cause = format!("a record takes at most {CONTENT_BYTES_MAX} bytes");
        return Err(Failure::new(Code::Argument, cause).at(file.display()));
    }
    Ok(content)
}

/// A record's or grant's id as it stands on the ledger.
pub(super) fn parse_id(text: &str) -> Outcome<Id> {
    Id::new(text).ok_or_else(|| {
        Failure::new(
            Code::Argument,
            format!("{text:?} is not an id: 32 lower-case hexadecimal digits"),
        )
    })
}
