//! What can go wrong while certificates are made, read or written.

use std::path::PathBuf;

/// Why a certificate could not be issued, loaded or stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The certificate library refused a key or a field.
    #[error("cannot issue the certificate of {subject}: {source}")]
    Issue {
        /// Common name of the certificate asked for.
        subject: String,
        /// The library's reason.
        source: rcgen::Error,
    },
    /// A CA's certificate or key on disk is not usable.
    #[error("cannot use the CA {name}: {reason}")]
    Authority {
        /// The CA, or the file it was read from.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The time asked for does not fit into a certificate.
    #[error("{unix_s} s after 1970 is not a time that fits into a certificate")]
    Time {
        /// The time asked for.
        unix_s: i64,
    },
    /// A name that cannot be part of a path or a certificate.
    #[error("{name:?} cannot be used as a name: {reason}")]
    Name {
        /// The name asked for.
        name: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system: {0}")]
    Random(getrandom::Error),
    /// A file could not be written or read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A secret cannot be hashed.
    #[error("cannot hash a secret: {reason}")]
    Secret {
        /// The hash function's reason.
        reason: String,
    },
    /// The membership service's database cannot be used.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// The membership service's configuration is not usable.
    #[error("the configuration of CA {ca:?} is not usable: {reason}")]
    Config {
        /// The CA's name.
        ca: String,
        /// What is wrong.
        reason: String,
    },
}
