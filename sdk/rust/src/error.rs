//! What a call to the gateway can end with, as the official SDKs name it.

use carecord_proto::gateway::ErrorDetail;
use carecord_proto::protos::TxValidationCode;

/// Why a call did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The gateway answered with an error; `details` name the nodes behind it.
    #[error("{step} failed: {} ({:?}){}", .status.message(), .status.code(), detail_text(.details))]
    Gateway {
        /// The step at which it failed: evaluate, endorse, submit, commit status or chaincode events.
        step: &'static str,
        /// The gRPC status.
        status: Box<tonic::Status>,
        /// One entry for each node that failed.
        details: Vec<ErrorDetail>,
    },
    /// The transaction is on the ledger, but not valid.
    #[error("transaction {tx_id} failed to commit with status {}{}", .code.as_str_name(), cause_text(.cause))]
    Commit {
        /// The transaction.
        tx_id: String,
        /// Its code on the ledger.
        code: TxValidationCode,
        /// The block that holds it.
        block: u64,
        /// Why, in words, if the peer said.
        cause: Option<String>,
    },
    /// The identity could not sign.
    #[error("cannot sign: {0}")]
    Sign(#[from] carecord_msp::Error),
    /// An answer that does not follow the interface.
    #[error("the gateway's answer cannot be read: {0}")]
    Answer(&'static str),
    /// No randomness for a nonce.
    #[error("no randomness from the operating system")]
    NoRandomness,
    /// A content could not be sealed or opened.
    #[error(transparent)]
    Seal(#[from] crate::seal::Error),
    /// A data key could not be wrapped or unwrapped.
    #[error(transparent)]
    Wrap(#[from] crate::wrap::Error),
    /// Words, keys or shares.
    #[error(transparent)]
    Keys(#[from] crate::keys::Error),
    /// A content could not be read, or what was opened could not be written.
    #[error("the content cannot be read or written: {0}")]
    File(#[source] std::io::Error),
    /// The ledger denied an access; the attempt is on the ledger.
    #[error("CR-VLT-031 no access to this record; ask the patient for consent")]
    Denied {
        /// The transaction that tells of the attempt.
        tx_id: String,
    },
    /// The ledger and the vault disagree, or a key's signature does not hold.
    #[error("{0}")]
    Untrusted(&'static str),
}

impl Error {
    /// A gateway error with its details taken out of the trailer.
    pub(crate) fn gateway(step: &'static str, status: tonic::Status) -> Self {
        let details = carecord_comm::error_details(&status);
        Self::Gateway { step, status: Box::new(status), details }
    }

    /// Whether the same call may succeed later: nobody was reached, or an MVCC conflict.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Gateway { status, .. } => status.code() == tonic::Code::Unavailable,
            Self::Commit { code, .. } => matches!(
                code,
                TxValidationCode::MvccReadConflict | TxValidationCode::PhantomReadConflict
            ),
            _ => false,
        }
    }
}

fn detail_text(details: &[ErrorDetail]) -> String {
    details.iter().map(|d| format!("; {} at {}: {}", d.msp_id, d.address, d.message)).collect()
}

fn cause_text(cause: &Option<String>) -> String {
    cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default()
}
