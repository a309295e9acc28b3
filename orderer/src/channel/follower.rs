//! A channel of which this node is no consenter: it takes the blocks that others made, verifies them and serves them on.
//!
//! Place in the flow: one of the two roles of a [`Life`](super::life::Life). It asks one orderer after the other for
//! blocks by Deliver, as a peer does, and writes each as *fetched*, so that a core started on this log later goes on from
//! there. It ends when a configuration makes this node a consenter.
//!
//! A channel joined by a later block than its first is brought to that block before anything of it is served; the chain
//! must lead to exactly that block.

mod chain;
mod source;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carecord_blocks::verify::{BlockVerifier, check_structure};
use carecord_channel::Bundle;
use carecord_proto::common::{Block, Status};
use tokio::sync::mpsc;

use super::life::End;
use super::{Input, Shared, State};
use crate::Error;
use crate::cluster::Members;
use crate::host::Host;
use crate::storage::Appender;
use chain::{ChainEnd, Portion};
use source::Source;

/// Bytes of blocks that are written and synced at a time.
const PORTION_BYTES: usize = 4 << 20;
/// The first and the longest pause after a round in which no source had anything.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// A follower of one channel.
pub(super) struct Follower {
    host: Arc<Host>,
    shared: Arc<Shared>,
    appender: Option<Appender>,
    /// Where the chain ends that is here; nothing before the first block.
    end: Option<ChainEnd>,
    /// True to fetch what there is and end.
    once: bool,
}

/// Why a source was left.
#[derive(Debug, thiserror::Error)]
enum Left {
    /// The next one may do better.
    #[error("{0}")]
    Source(Error),
    /// No source can help.
    #[error("{0}")]
    Halt(String),
    /// This node has another role now.
    #[error("another role")]
    Over,
}

impl<E: Into<Error>> From<E> for Left {
    fn from(error: E) -> Self {
        Self::Source(error.into())
    }
}

/// Answers what comes to a channel that orders nothing here; returns when the channel ends.
pub(super) async fn refuse(inputs: &mut mpsc::Receiver<Input>, why: &str) {
    while let Some(input) = inputs.recv().await {
        match input {
            Input::Submit { reply, .. } => {
                let _ = reply.send((Status::ServiceUnavailable, why.to_owned()));
            }
            Input::Stop => return,
            _ => {}
        }
    }
}

// === impl Follower ===

impl Follower {
    pub(super) fn new(
        host: Arc<Host>,
        shared: Arc<Shared>,
        appender: Appender,
        once: bool,
    ) -> Self {
        Self { host, shared, appender: Some(appender), end: None, once }
    }

    pub(super) fn into_appender(self) -> Option<Appender> {
        self.appender
    }

    /// Follows until this node has another role, or until told to stop.
    pub(super) async fn run(&mut self, inputs: &mut mpsc::Receiver<Input>) -> End {
        self.show(false);
        let shared = Arc::clone(&self.shared);
        self.host.links.trust(&shared.name, &shared.bundle.load());
        let why = format!(
            "this node is not a consenter of channel {}, it follows; send to one that is",
            shared.name
        );
        tokio::select! {
            end = self.pull() => end,
            () = refuse(inputs, &why) => End::Stopped,
        }
    }

    async fn pull(&mut self) -> End {
        match self.chain_end().await {
            Ok(end) => self.end = end,
            Err(error) => return self.halt(&error.to_string()),
        }
        let mut pause = PAUSES.0;
        loop {
            let before = self.next();
            for address in self.shared.sources(&self.host) {
                match self.pull_from(&address).await {
                    Ok(()) => {}
                    Err(Left::Over) => return End::Over,
                    Err(Left::Halt(reason)) => return self.halt(&reason),
                    Err(Left::Source(error)) => {
                        tracing::info!(channel = self.shared.name, address, %error, "source left");
                    }
                }
                self.show(false);
                if self.is_consenter() {
                    return End::Over;
                }
            }
            if self.once {
                return End::Over;
            }
            pause = if self.next() > before { PAUSES.0 } else { (pause * 2).min(PAUSES.1) };
            tokio::time::sleep(pause).await;
        }
    }

    fn next(&self) -> u64 {
        self.end.as_ref().map_or(0, |end| end.next)
    }

    fn is_consenter(&self) -> bool {
        !self.once && self.shared.is_whole() && self.shared.own_id(&self.host).is_some()
    }

    async fn pull_from(&mut self, address: &str) -> Result<(), Left> {
        let mut source =
            Source::open(&self.host, &self.shared.name, address, self.next(), self.once).await?;
        self.show(true);
        while let Some(block) = source.next().await? {
            let mut portion = Portion::default();
            self.take(block, &mut portion)?;
            while portion.bytes < PORTION_BYTES
                && let Some(block) = source.waiting()?
            {
                self.take(block, &mut portion)?;
            }
            self.write(portion).await?;
            if self.is_consenter() {
                return Err(Left::Over);
            }
        }
        Ok(())
    }

    /// Verifies the next block of the chain.
    fn take(&mut self, block: Block, portion: &mut Portion) -> Result<(), Left> {
        let end = match &self.end {
            None => self.take_first(&block)?,
            Some(end) => {
                BlockVerifier::new(Arc::clone(&end.bundle)).verify(
                    &block,
                    end.next,
                    Some(&end.hash),
                )?;
                end.after(&block)?
            }
        };
        self.check_join_block(&end)?;
        self.end = Some(end);
        portion.push(block)?;
        Ok(())
    }

    /// A first block cannot be verified by itself: it proves right when the chain reaches the join block.
    fn take_first(&self, block: &Block) -> Result<ChainEnd, Left> {
        check_structure(block, &self.shared.name, 0, None)?;
        let bundle = Arc::new(Bundle::from_block(block)?);
        if bundle.channel_id() != self.shared.name {
            return Err(Left::Source(Error::OtherChannel {
                found: bundle.channel_id().to_owned(),
            }));
        }
        ChainEnd { next: 0, hash: Bytes::new(), bundle }.moved(block)
    }

    fn check_join_block(&self, end: &ChainEnd) -> Result<(), Left> {
        match self.shared.join_point() {
            Some((number, hash)) if end.next == number + 1 && end.hash[..] != hash[..] => {
                Err(Left::Halt(format!(
                    "block {number} of the chain is not the one that the channel was joined by; \
                     remove the channel here and join it by a block of the right chain"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Makes a portion durable, and then lets it be seen.
    async fn write(&mut self, portion: Portion) -> Result<(), Left> {
        let Some(mut appender) = self.appender.take() else {
            return Err(Left::Halt("the log is closed".to_owned()));
        };
        let Portion { records, first, config, .. } = portion;
        let written = tokio::task::spawn_blocking(move || {
            first.iter().try_for_each(|first| appender.begin(first))?;
            appender.append(&records)?;
            appender.sync()?;
            Ok::<_, Error>(appender)
        });
        match written.await {
            Ok(Ok(appender)) => self.appender = Some(appender),
            Ok(Err(error)) => {
                let reason = error.to_string();
                let _ = self.host.fatal.send(error);
                return Err(Left::Halt(reason));
            }
            Err(error) => return Err(Left::Halt(error.to_string())),
        }
        self.published(config).map_err(|error| Left::Halt(error.to_string()))
    }

    /// What is written may be served, once the join block is reached.
    fn published(&self, config: Option<Block>) -> Result<(), Error> {
        let Some(end) = &self.end else { return Ok(()) };
        self.shared.reached(end.next, &self.host.metrics)?;
        if self.shared.is_whole()
            && (config.is_some() || self.shared.bundle.load().sequence() < end.bundle.sequence())
        {
            let config = self.shared.log.last_config_block(end.next - 1)?;
            let members = Members::of_block(&crate::consenters(&end.bundle)?, &config)?;
            self.shared.members.store(Arc::new(members));
            self.shared.bundle.store(Arc::clone(&end.bundle));
            self.host.links.trust(&self.shared.name, &end.bundle);
        }
        self.show(true);
        Ok(())
    }

    /// What the log holds.
    async fn chain_end(&self) -> Result<Option<ChainEnd>, Error> {
        let log = Arc::clone(&self.shared.log);
        let height = self.shared.stored();
        let read = move || {
            let Some(newest) = height.checked_sub(1) else { return Ok(None) };
            let hash = log.header_hash(newest)?.ok_or(Error::NoBlock(newest))?;
            let bundle = Arc::new(Bundle::from_block(&log.last_config_block(newest)?)?);
            Ok(Some(ChainEnd { next: height, hash, bundle }))
        };
        tokio::task::spawn_blocking(read).await.unwrap_or(Err(Error::NoHeader))
    }

    fn show(&self, connected: bool) {
        let onboarding = !self.shared.is_whole();
        self.shared.show(State::Following { onboarding, connected }, &self.host.metrics);
    }

    fn halt(&self, reason: &str) -> End {
        tracing::error!(channel = self.shared.name, reason, "channel halted");
        self.shared.show(State::Failed { reason: reason.to_owned() }, &self.host.metrics);
        End::Failed
    }
}
