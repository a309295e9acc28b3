//! What a person at the command line sees when something fails: a code, what, where, and what to do.
//!
//! Place in the flow: every command ends in `Result<(), Failure>`; `main` prints it and turns [`Exit`] into the
//! process's exit code. Each code has a page in `docs/errors`, shown by `carecord explain CODE`.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use carecord_ledger::state::EngineError;
use serde::Serialize;

use crate::codes::Code;

const PREFIX: &str = "error ";
const HINT: &str = "  hint: ";
/// How the system words a full disk; RocksDB passes on nothing but this text.
const NO_SPACE: &str = "No space left on device";

/// Exit codes of the binary; stable, because scripts depend on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// It did not work, for a reason without a number of its own.
    Failed = 1,
    /// The command line or a file that the user wrote is wrong.
    Usage = 2,
    /// What was asked for does not exist.
    NotFound = 3,
    /// The caller may not do this.
    Denied = 4,
    /// Somebody else changed the same data at the same time; trying again may work.
    Conflict = 5,
    /// A node did not answer.
    Unreachable = 6,
    /// It took too long; it may still happen.
    Timeout = 7,
}

/// One failure, as it is shown to the user; boxed, because nearly every function may return one.
#[derive(Debug, Clone)]
pub struct Failure(Box<Said>);

#[derive(Debug, Clone)]
struct Said {
    code: Cow<'static, str>,
    exit: Exit,
    cause: String,
    place: Option<String>,
    hint: Option<String>,
    tx_id: Option<String>,
}

/// The result of a command and of everything below it in this crate.
pub type Outcome<T> = Result<T, Failure>;

// === impl Failure ===

impl Failure {
    /// A failure with `code`'s usual exit code; `cause` is a lower-case fragment.
    pub fn new(code: Code, cause: impl fmt::Display) -> Self {
        Self::said(Cow::Borrowed(code.text()), code.exit(), cause)
    }

    /// A failure that another component has given its own code to.
    pub fn foreign(code: &str, exit: Exit, cause: impl fmt::Display) -> Self {
        Self::said(Cow::Owned(code.to_owned()), exit, cause)
    }

    fn said(code: Cow<'static, str>, exit: Exit, cause: impl fmt::Display) -> Self {
        let cause = cause.to_string();
        Self(Box::new(Said { code, exit, cause, place: None, hint: None, tx_id: None }))
    }

    /// Says where: a file, `file:line`, an address or a node's name.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.0.place = Some(place.to_string());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.0.hint = Some(hint.to_string());
        self
    }

    /// Names the transaction that failed.
    #[must_use]
    pub fn tx(mut self, tx_id: impl fmt::Display) -> Self {
        self.0.tx_id = Some(tx_id.to_string());
        self
    }

    /// Ends the process with another exit code than the usual one.
    #[must_use]
    pub fn exit(mut self, exit: Exit) -> Self {
        self.0.exit = exit;
        self
    }

    /// A file that cannot be read or written; a full disk gets a code of its own.
    pub fn file(path: &Path, error: &std::io::Error) -> Self {
        let place = path.display();
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Self::new(Code::DiskFull, "no space is left on the disk")
                    .at(place)
                    .hint("free some space or choose another folder with --dir")
            }
            std::io::ErrorKind::PermissionDenied => {
                Self::new(Code::File, error.to_string().to_lowercase()).at(place).hint(
                    "let the user who runs carecord read and write it (ls -l shows whose it is)",
                )
            }
            _ => Self::new(Code::File, error.to_string().to_lowercase()).at(place),
        }
    }

    /// A node called `name` that cannot go on; what its operator can mend has a code of its own.
    pub fn node(name: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        if error.to_string().contains(NO_SPACE) {
            return Self::new(Code::DiskFull, error)
                .at(name)
                .hint("free some space, then start the node again; there is nothing to repair");
        }
        let causes = || std::iter::successors(Some(error), |cause| cause.source());
        let taken = |io: &std::io::Error| io.kind() == std::io::ErrorKind::AddrInUse;
        if causes().any(|cause| cause.downcast_ref().is_some_and(taken)) {
            return Self::new(Code::PortTaken, error).at(name).hint(
                "stop the program that uses it (ss -ltnp shows which), or give the node another port",
            );
        }
        let foreign = causes().any(|cause| {
            let log = cause.downcast_ref();
            matches!(log, Some(carecord_blocks::Error::Foreign { .. }))
                || matches!(cause.downcast_ref(), Some(EngineError::Format { .. }))
        });
        if foreign {
            return Self::new(Code::OldFolder, error)
                .at(name)
                .hint("start the node with the version of carecord that wrote the folder");
        }
        if causes().any(is_damage) {
            return Self::new(Code::LedgerDamaged, error).at(name);
        }
        Self::new(Code::NodeStopped, error).at(name)
    }

    /// The last failure in a node's log, as its process has printed it at its end.
    pub fn read(log: &str) -> Option<Self> {
        let lines: Vec<&str> = log.lines().collect();
        let at = lines.iter().rposition(|line| line.starts_with(PREFIX))?;
        let (code, cause) = lines[at].strip_prefix(PREFIX)?.split_once(": ")?;
        let failure = Self::new(Code::find(code)?, cause);
        match lines.get(at + 1).and_then(|line| line.strip_prefix(HINT)) {
            Some(hint) => Some(failure.hint(hint)),
            None => Some(failure),
        }
    }

    /// The error code.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// Whether it says where.
    pub fn has_place(&self) -> bool {
        self.0.place.is_some()
    }

    /// Puts a node's name before its address, in the place and in the cause.
    #[must_use]
    pub fn naming(mut self, name: &str, address: &str) -> Self {
        let named = format!("{name} at {address}");
        let texts = self.0.place.iter_mut().chain([&mut self.0.cause]);
        for text in texts.filter(|text| text.contains(address) && !text.contains(&named)) {
            *text = text.replace(address, &named);
        }
        self
    }

    /// What went wrong, without code, place and hint.
    pub fn cause(&self) -> &str {
        &self.0.cause
    }

    /// The exit code this failure ends the process with.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.0.exit as u8)
    }

    /// The exit code as its kind.
    pub fn kind(&self) -> Exit {
        self.0.exit
    }

    /// The machine-readable form, schema `carecord.error/v1`.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "schema": "carecord.error/v1",
            "code": self.0.code,
            "exit": self.0.exit as u8,
            "cause": self.0.cause,
            "place": self.0.place,
            "hint": self.0.hint,
            "tx_id": self.0.tx_id,
        })
    }
}

/// Whether a node's files are not what it once wrote.
fn is_damage(cause: &(dyn std::error::Error + 'static)) -> bool {
    use carecord_ledger::Error::{Diverged, LogBehindState, Stored};

    matches!(cause.downcast_ref(), Some(carecord_blocks::Error::Corrupt { .. }))
        || matches!(
            cause.downcast_ref(),
            Some(Diverged { .. } | LogBehindState { .. } | Stored { .. })
        )
        || cause.downcast_ref().is_some_and(EngineError::is_damage)
}

// === impl Display for Failure ===

/// One line with what and where; a second with what to do, which the code's page says if nothing shorter does.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}: ", self.0.code)?;
        if let Some(place) = &self.0.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.0.cause)?;
        if let Some(tx_id) = &self.0.tx_id {
            write!(f, " (transaction {tx_id})")?;
        }
        match &self.0.hint {
            Some(hint) => write!(f, "\n{HINT}{hint}"),
            None => write!(f, "\n{HINT}`carecord explain {}` says what to do", self.0.code),
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_with_damaged_files_gets_the_code_whose_page_says_how_to_mend_them() {
        let corrupt = || carecord_blocks::Error::Corrupt {
            file: "0.log".to_owned(),
            offset: 7,
            reason: "checksum of a record's body does not match",
        };
        let ledger = carecord_ledger::Error::Log(corrupt());
        let peer = carecord_peer::Error::Ledger { channel: "care".to_owned(), source: ledger };
        for error in [&corrupt() as &(dyn std::error::Error + 'static), &peer] {
            let failure = Failure::node("hospital-a", error);
            assert_eq!(failure.code(), "CR-LED-002");
            assert!(failure.to_string().contains("hospital-a: "), "{failure}");
            assert!(failure.cause().contains("0.log is corrupt at byte 7"), "{failure}");
        }
    }
}
