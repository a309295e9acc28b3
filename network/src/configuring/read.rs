//! The configuration in force, read from an orderer and believed only as far as it can be verified.
//!
//! The first block is the one in the network's folder. From there every configuration block must be signed as the
//! configuration before it asks, and be what its own update leads to.

use std::sync::Arc;

use carecord_blocks::verify::BlockVerifier;
use carecord_channel::Bundle;
use carecord_proto::block;
use carecord_proto::common::Block;
use prost::Message;

use crate::chain::{Range, stream_as};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::session::Session;
use crate::state::{ChannelEntry, NodeEntry, UserEntry};

/// A channel's configuration in force.
#[derive(Debug, Clone)]
pub struct Current {
    /// The channel.
    pub channel: String,
    /// Number of the block that it stands in.
    pub number: u64,
    /// That block.
    pub block: Block,
    /// What it says.
    pub bundle: Arc<Bundle>,
}

/// Reads the configuration as `user` from the first orderer of `channel` that answers.
pub async fn current(
    session: &Session,
    channel: &ChannelEntry,
    user: &UserEntry,
) -> Outcome<Current> {
    let mut failed: Option<Failure> = None;
    for name in &channel.orderers {
        match from(session, session.file().node(name)?, user, channel).await {
            Ok(current) => return Ok(current),
            // One that is away may know what the others do not, so that is what is told.
            Err(failure) if is_absence(&failure) => {
                let known = failed.filter(|known| known.code() != Code::NoBlock.text());
                failed = Some(known.unwrap_or(failure));
            }
            Err(failure) => return Err(failure),
        }
    }
    Err(failed.unwrap_or_else(|| {
        Failure::new(Code::Unknown, "the channel has no orderers").at(&channel.name)
    }))
}

/// Whether another orderer may answer: this one is away, or knows nothing of the channel.
fn is_absence(failure: &Failure) -> bool {
    [Code::GatewayUnreachable, Code::Deadline, Code::Deliver, Code::NoBlock]
        .iter()
        .any(|code| failure.code() == code.text())
}

/// The newest configuration block, or the first block if no orderer but `newcomer` is on the channel: what it joins by.
///
/// # Errors
/// If another orderer should have it and none answers: an old configuration would be joined by.
pub async fn join_block(
    session: &Session,
    channel: &ChannelEntry,
    newcomer: &NodeEntry,
) -> Outcome<Block> {
    let mut others = channel.clone();
    others.orderers.retain(|name| *name != newcomer.name);
    if others.orderers.is_empty() {
        return genesis(channel);
    }
    let admin = session.file().admin(&newcomer.organisation)?;
    match current(session, &others, admin).await {
        Ok(current) => Ok(current.block),
        // They answer, and have not one block of it.
        Err(failure) if failure.code() == Code::NoBlock.text() => genesis(channel),
        Err(failure) => Err(failure),
    }
}

async fn from(
    session: &Session,
    node: &NodeEntry,
    user: &UserEntry,
    channel: &ChannelEntry,
) -> Outcome<Current> {
    let reader = Reader { session, node, user, channel: &channel.name };
    match followed(&reader, channel).await {
        Err(failure) if failure.code() == Code::ConfigUnverified.text() => {
            Err(reader.compared(failure, channel).await)
        }
        followed => followed,
    }
}

async fn followed(reader: &Reader<'_>, channel: &ChannelEntry) -> Outcome<Current> {
    let newest = reader.newest().await?;
    // From the newest configuration back to the first block, then forward again with the rules of each.
    let mut blocks = Vec::new();
    let mut number = reader.last_config(&newest)?;
    while number > 0 {
        blocks.push((number, reader.block(number).await?));
        let before = reader.last_config(&reader.block(number - 1).await?)?;
        if before >= number {
            return Err(reader.refused("configuration blocks do not lead to the first block"));
        }
        number = before;
    }
    let genesis = genesis(channel)?;
    let bundle = Bundle::from_block(&genesis).map_err(|error| reader.refused(error))?;
    let mut current = Current {
        channel: channel.name.clone(),
        number: 0,
        block: genesis,
        bundle: Arc::new(bundle),
    };
    for (number, block) in blocks.into_iter().rev() {
        current = current.next(number, block).map_err(|reason| reader.refused(reason))?;
    }
    if block::number(&newest) > 0 {
        BlockVerifier::new(Arc::clone(&current.bundle))
            .verify_signatures(&newest)
            .map_err(|error| reader.refused(error))?;
    }
    Ok(current)
}

/// The first block as the network's folder has it.
pub(crate) fn genesis(channel: &ChannelEntry) -> Outcome<Block> {
    let path = &channel.genesis_file;
    let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
    Block::decode(bytes.as_slice()).map_err(|error| {
        Failure::new(Code::Genesis, format!("not a block: {error}")).at(path.display())
    })
}

// === impl Current ===

impl Current {
    /// The configuration that `block` puts in this one's place.
    fn next(&self, number: u64, block: Block) -> Result<Self, String> {
        BlockVerifier::new(Arc::clone(&self.bundle))
            .verify(&block, number, None)
            .map_err(|error| error.to_string())?;
        let envelope = block::config_envelope(&block).map_err(|error| error.to_string())?;
        let envelope = envelope.ok_or_else(|| format!("block {number} holds no configuration"))?;
        let bundle = self.bundle.next_bundle(&envelope).map_err(|error| error.to_string())?;
        Ok(Self { channel: self.channel.clone(), number, block, bundle: Arc::new(bundle) })
    }
}

/// Reads blocks of one channel at one node.
struct Reader<'a> {
    session: &'a Session,
    node: &'a NodeEntry,
    user: &'a UserEntry,
    channel: &'a str,
}

// === impl Reader ===

impl Reader<'_> {
    async fn newest(&self) -> Outcome<Block> {
        self.one(Range::Newest).await
    }

    async fn block(&self, number: u64) -> Outcome<Block> {
        self.one(Range::Between(number, number)).await
    }

    async fn one(&self, range: Range) -> Outcome<Block> {
        let mut found = None;
        let each = |block| {
            found = Some(block);
            Ok(())
        };
        stream_as(self.session, self.node, self.user, self.channel, range, each).await?;
        found.ok_or_else(|| {
            Failure::new(Code::Deliver, "the node sent no block").at(&self.node.name)
        })
    }

    fn last_config(&self, block: &Block) -> Outcome<u64> {
        block::last_config(block).map_err(|error| self.refused(error))
    }

    /// The same failure; if the node's first block is not the folder's, it says so.
    async fn compared(&self, failure: Failure, channel: &ChannelEntry) -> Failure {
        let (Ok(ours), Ok(theirs)) = (genesis(channel), self.block(0).await) else {
            return failure;
        };
        if ours.header == theirs.header {
            return failure;
        }
        failure.hint(format!(
            "{} is the first block of another network than the one that {} is in: it may be older than this network; \
             ask another member for the first block, not this orderer alone",
            channel.genesis_file.display(),
            self.node.name
        ))
    }

    fn refused(&self, reason: impl std::fmt::Display) -> Failure {
        let cause = format!(
            "the configuration of channel {} is not to be believed: {reason}",
            self.channel
        );
        Failure::new(Code::ConfigUnverified, cause).at(&self.node.name)
    }
}
