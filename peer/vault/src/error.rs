//! What the vault refuses, with a stable code each (`carecord explain CR-VLT-…`).

/// Why a request was not served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request, or its header, is not the message it should be.
    #[error("CR-VLT-040 the request cannot be read: {0}")]
    Malformed(&'static str),
    /// Unknown channel, unknown or expired identity, bad signature, not a reader of the channel: one answer for all.
    #[error("CR-VLT-041 access denied; check channel, identity and signature")]
    Unauthenticated,
    /// The request's time is off.
    #[error("CR-VLT-042 the request's time is more than 15 minutes off; check the clocks")]
    OutsideWindow,
    /// Not permitted, or nothing there: one and the same answer.
    #[error("CR-VLT-031 no access; submit records:Open with an active consent, then ask again")]
    Denied,
    /// The bytes do not have the content id that they were announced with.
    #[error("CR-VLT-010 the bytes do not match the content id; send the ciphertext again")]
    ContentMismatch,
    /// More bytes than allowed or announced.
    #[error("CR-VLT-011 the content is larger than announced or than {max} bytes")]
    TooLarge {
        /// The limit.
        max: u64,
    },
    /// No content with this id.
    #[error("CR-VLT-012 no such content in this vault; ask the vault of the record's organisation")]
    NoContent,
    /// Too many wraps, or one that is too large.
    #[error("CR-VLT-013 too many wraps in one request, or one of them is too large")]
    TooManyWraps,
    /// All places for transfers, or the caller's share of them, are taken.
    #[error("CR-VLT-014 too many uploads and downloads at a time; end one, then try again")]
    Busy,
    /// An upload stood still for too long; nothing was stored.
    #[error("CR-VLT-015 the upload stood still for too long; send it again")]
    Stalled,
    /// A wrap for a key that the ledger does not know as its recipient's.
    #[error("CR-VLT-016 a wrap is for a key that its recipient has not registered; fetch it again")]
    NotRegistered,
    /// Something that no reader could open.
    #[error("CR-VLT-017 a wrap has no known suite, or not the lengths of its suite")]
    NoWrap,
    /// As many wraps as a record, or a version of it, can have.
    #[error("CR-VLT-018 the record has as many wraps as it can have; its owner deletes old ones")]
    WrapsFull,
    /// The person, or their organisation, has stored too much that no record names yet.
    #[error("CR-VLT-019 too many bytes stored for records that are not committed; commit them")]
    Quota,
    /// The disk has no more than its reserve; nothing was stored.
    #[error("CR-VLT-022 the vault's disk is nearly full; its operator must make room")]
    DiskLow,
    /// A content on the disk is not what its id says.
    #[error("CR-VLT-023 the stored content is damaged; its operator restores it from a copy")]
    Damaged,
    /// Another vault offers what is here already.
    #[error("CR-VLT-024 the content is in this vault already")]
    Held,
    /// A part, or a block, behind the content's end.
    #[error(
        "CR-VLT-025 the content ends before the part asked for; its record says how long it is"
    )]
    OutOfRange,
    /// The peer could not sign a receipt.
    #[error("CR-VLT-026 the vault cannot sign: {0}")]
    Sign(#[from] carecord_msp::Error),
    /// The request is meant for somebody else.
    #[error("CR-VLT-043 the request is for another vault than {own}")]
    OtherVault {
        /// The name of this vault.
        own: String,
    },
    /// A nonce that this caller has used.
    #[error("CR-VLT-044 the request was served before; sign it anew")]
    Replayed,
    /// The wrap's owner has deleted it after the request was signed.
    #[error("CR-VLT-045 the wrap was deleted after the request was signed")]
    DeletedSince,
    /// More writes than the vault remembers.
    #[error("CR-VLT-046 too many requests within half an hour; wait")]
    TooManyRequests,
    /// The disk failed; nothing was confirmed.
    #[error("CR-VLT-020 the vault's disk failed at {what}: {source}")]
    Disk {
        /// Which file or folder.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The store of wraps failed; nothing was confirmed.
    #[error("CR-VLT-021 the vault's store of wraps failed: {0}")]
    Store(#[from] rocksdb::Error),
}

impl Error {
    pub(crate) fn disk(what: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let what = what.display().to_string();
        move |source| Self::Disk { what, source }
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Malformed(_)
            | Error::OutsideWindow
            | Error::OtherVault { .. }
            | Error::TooManyWraps
            | Error::NoWrap => Self::invalid_argument(text),
            Error::Unauthenticated | Error::Denied => Self::permission_denied(text),
            Error::ContentMismatch | Error::Damaged => Self::data_loss(text),
            Error::TooLarge { .. }
            | Error::Busy
            | Error::WrapsFull
            | Error::Quota
            | Error::DiskLow
            | Error::TooManyRequests => Self::resource_exhausted(text),
            Error::Replayed | Error::Held => Self::already_exists(text),
            Error::OutOfRange => Self::out_of_range(text),
            Error::Sign(source) => {
                tracing::error!(%source, "the vault cannot sign");
                Self::unavailable("CR-VLT-026 the vault cannot sign; its operator sees why")
            }
            Error::NotRegistered | Error::DeletedSince => Self::failed_precondition(text),
            Error::Stalled => Self::deadline_exceeded(text),
            Error::NoContent => Self::not_found(text),
            Error::Disk { what, source } => {
                tracing::error!(%what, %source, "vault disk failed");
                Self::unavailable("CR-VLT-020 the vault's disk failed; its operator sees where")
            }
            Error::Store(source) => {
                tracing::error!(%source, "vault store failed");
                Self::unavailable("CR-VLT-021 the vault's store failed; its operator sees how")
            }
        }
    }
}
