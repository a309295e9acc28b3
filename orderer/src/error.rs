//! Why an orderer cannot start or go on.

/// See each case; the text names the cause and, where there is one, the mend.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder failed.
    #[error("{what}: {source}")]
    Disk {
        /// Which one.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The log failed or is damaged.
    #[error("{0}")]
    Log(#[from] carecord_blocks::Error),
    /// The log's records do not make sense together.
    #[error(transparent)]
    Replay(#[from] carecord_consensus::ReplayError),
    /// A log without genesis block.
    #[error("the channel's log has no genesis block; remove its folder and join again")]
    NoGenesis,
    /// What is remembered of the other consenters cannot be read.
    #[error(
        "{file}: what is remembered of the other consenters cannot be read: {error}; restore the file from a backup of this node, or remove the channel here and join it again"
    )]
    Pins {
        /// The file.
        file: String,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// A source gave blocks of another channel.
    #[error("the source's first block is of channel {found}")]
    OtherChannel {
        /// Which one.
        found: String,
    },
    /// A source does not answer.
    #[error("the source does not answer")]
    Silent,
    /// A source ended with a status.
    #[error("the source answers {0}")]
    Delivered(&'static str),
    /// A name that no channel can have.
    #[error(transparent)]
    Name(#[from] carecord_channel::config::names::NameError),
    /// A record of unknown kind or shape.
    #[error(
        "record of kind {kind} at {position} cannot be read; was the log written by a newer version?"
    )]
    Record {
        /// Its kind.
        kind: u8,
        /// Where it lies.
        position: u64,
    },
    /// A block that should be there is not.
    #[error("block {0} is not in the log")]
    NoBlock(u64),
    /// A stored block does not follow the one before it.
    #[error("stored block {0} does not follow the block before it, or its data is not its own")]
    Chain(u64),
    /// A block without header.
    #[error("a block has no header")]
    NoHeader,
    /// A configuration block without configuration.
    #[error("a configuration block holds no configuration")]
    NoConfig,
    /// Bytes that are not the message they should be.
    #[error(transparent)]
    Decode(#[from] prost::DecodeError),
    /// A block's parts cannot be read.
    #[error(transparent)]
    Block(#[from] carecord_proto::block::Error),
    /// A part of a block is not the message it should be.
    #[error(transparent)]
    Malformed(#[from] carecord_proto::Malformed),
    /// A fetched block does not verify.
    #[error(transparent)]
    Verify(#[from] carecord_blocks::verify::Error),
    /// The source had fewer blocks than it promised.
    #[error("the source ended before block {next}")]
    FetchedTooFew {
        /// The first one missing.
        next: u64,
    },
    /// A remote call failed.
    #[error(transparent)]
    Call(Box<tonic::Status>),
    /// The channel's configuration cannot be used.
    #[error(transparent)]
    Channel(#[from] carecord_channel::Error),
    /// A following configuration cannot be used.
    #[error(transparent)]
    Change(#[from] carecord_channel::ChangeError),
    /// The core refused its configuration.
    #[error(transparent)]
    Config(#[from] carecord_consensus::ConfigError),
    /// The core did not start.
    #[error(transparent)]
    Start(#[from] carecord_consensus::StartError),
    /// The configuration orders by something else than Raft.
    #[error("the channel is not ordered by Raft")]
    NotRaft,
    /// Configuration and block metadata disagree on who orders.
    #[error("the configuration names {named} consenters, the last block numbers {numbered}")]
    Consenters {
        /// By the configuration.
        named: usize,
        /// By the block.
        numbered: usize,
    },
    /// A consenter's certificate is no PEM block.
    #[error("a consenter's TLS certificate cannot be read")]
    ConsenterCertificate,
    /// This node is none of the channel's consenters.
    #[error(
        "channel {channel}: none of its consenters has this node's TLS certificate; was the node's certificate renewed, or the wrong genesis block given?"
    )]
    NotAConsenter {
        /// The channel.
        channel: String,
    },
    /// This node has no TLS certificate to show to other orderers.
    #[error("there is no TLS certificate for the other orderers")]
    NoCertificate,
    /// TLS, an address or a port.
    #[error(transparent)]
    Comm(#[from] carecord_comm::Error),
    /// The identity could not sign.
    #[error(transparent)]
    Sign(#[from] carecord_msp::Error),
}

// === impl Error ===

impl Error {
    /// Whether another orderer did not know the certificate that this node showed.
    pub(crate) fn is_stranger(&self) -> bool {
        matches!(self, Self::Call(status) if status.code() == tonic::Code::PermissionDenied)
    }
}

impl From<tonic::Status> for Error {
    fn from(status: tonic::Status) -> Self {
        Self::Call(Box::new(status))
    }
}
