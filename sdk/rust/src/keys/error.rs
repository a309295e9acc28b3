//! What can be wrong with words, keys and shares.

/// Why keys could not be made or restored. No text here holds a word, a key or a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not the number of words that we hand out.
    #[error("there are {0} words, not 12; write them in their order, with blanks between")]
    Count(usize),
    /// A word that is not in the English list.
    #[error("word {0} is not in the list of BIP-39; check its spelling")]
    UnknownWord(usize),
    /// The last word does not fit the others.
    #[error("the words do not fit together; check their order and spelling")]
    Checksum,
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    NoRandomness,
    /// A derived number is no private key; happens for one seed in 2^32.
    #[error("the seed gives no {0} key; take other words")]
    NoKey(&'static str),
    /// A split that cannot be made or joined.
    #[error("a secret is split into 2 to 255 shares, of which 2 or more are needed")]
    Split,
    /// Fewer shares than needed, two of the same number, or of different lengths.
    #[error("the shares do not suffice: too few, one twice, or of different secrets")]
    Shares,
    /// A share that was sealed for another custodian, record or version, or was altered.
    #[error("the share does not belong to this custodian, record and version, or was altered")]
    NotAuthentic,
    /// A custodian's or reader's key is no X25519 key.
    #[error("not an X25519 key of 32 bytes")]
    BadKey,
}
