//! The life of a channel on this node: consenter or follower, and from one to the other without a restart.
//!
//! Place in the flow: started when a channel is opened, ended when it is removed or the node stops. It holds the log's
//! writable end and the inbox and lends both to one role at a time:
//!
//! | the newest configuration known here | role |
//! |---|---|
//! | names this node's certificate, under an id that it may vote by | consenter ([`Owner`]) |
//! | does not, or the node lost data under that id, or blocks below the join block are missing | follower ([`Follower`]) |

use std::sync::Arc;
use std::time::Duration;

use carecord_channel::Bundle;
use carecord_consensus::{ChannelCore, ChannelParams, NodeId, Restored};
use tokio::sync::mpsc;

use super::follower::Follower;
use super::{Input, Owner, Shared, Start, State};
use crate::Error;
use crate::host::Host;
use crate::storage::{self, Appender, Entries};
use crate::writer::Writer;

/// How old what is remembered of the other consenters may be after a crash.
const PINS_INTERVAL: Duration = Duration::from_secs(2);

/// A channel's task.
pub(crate) struct Life {
    pub(crate) host: Arc<Host>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) inputs: mpsc::Receiver<Input>,
}

/// Why a role ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The channel is removed or the node stops.
    Stopped,
    /// The configuration, or what is known of this node's data, asks for another role.
    Over,
    /// Nobody leads, and others say that this node is none of them: what happened must be fetched.
    Suspects,
    /// It cannot go on.
    Failed,
}

// === impl Life ===

impl Life {
    /// Lives until the channel ends here. `restored` is nothing while the channel's first block is missing.
    pub(crate) async fn run(mut self, mut appender: Appender, mut restored: Option<Restored>) {
        let mut suspects = false;
        loop {
            let own = self.shared.own_id(&self.host).filter(|_| !suspects);
            let (end, returned) = match (own, restored.take()) {
                (Some(own), Some(restored)) if self.shared.is_whole() => {
                    match self.consent(own, appender, restored).await {
                        Ok(ended) => ended,
                        Err(error) => return self.fail(&error.to_string()).await,
                    }
                }
                _ => self.follow(appender, suspects).await,
            };
            match end {
                End::Stopped => return,
                End::Failed => return self.wait_for_end().await,
                End::Over => suspects = false,
                End::Suspects => suspects = true,
            }
            let Some(back) = returned else { return self.wait_for_end().await };
            match storage::reread(back).await {
                Ok((back, again)) => (appender, restored) = (back, again),
                Err(error) => return self.fail(&error.to_string()).await,
            }
        }
    }

    async fn consent(
        &mut self,
        own: NodeId,
        appender: Appender,
        restored: Restored,
    ) -> Result<(End, Option<Appender>), Error> {
        let shared = &self.shared;
        // The core stands at what Raft committed, which can lie below what was fetched.
        let block = shared.log.last_config_block(restored.height() - 1)?;
        let params = ChannelParams::from_bundle(&Bundle::from_block(&block)?)?;
        let mut config = carecord_consensus::Config::new(own, rand::random());
        config.acknowledge = self.host.config.acknowledge;
        shared.greeting.begin(own, restored.term(), restored.log_end());
        let proven = is_proven(&restored);
        let entries = Box::new(Entries(Arc::clone(&shared.log)));
        let core = ChannelCore::new(config, params.clone(), restored, entries)?;
        let (reports, reported) = mpsc::unbounded_channel();
        let (fatal, metrics) = (self.host.fatal.clone(), self.host.metrics.clone());
        let writer = Writer::start(&shared.name, appender, reports, fatal, metrics)?;
        tracing::info!(channel = shared.name, own, "consenter");
        if proven {
            shared.show(State::Active { leader: None, is_self: false }, &self.host.metrics);
        }
        let owner = Owner::new(Start {
            core,
            own,
            params,
            host: Arc::clone(&self.host),
            shared: Arc::clone(shared),
            writer: &writer,
            reports: reported,
            inputs: &mut self.inputs,
        })?;
        let flushing = tokio::spawn(flush(Arc::clone(shared)));
        let end = owner.run().await;
        flushing.abort();
        shared.greeting.end();
        Ok((end, writer.end().await))
    }

    async fn follow(&mut self, appender: Appender, once: bool) -> (End, Option<Appender>) {
        let (host, shared) = (Arc::clone(&self.host), Arc::clone(&self.shared));
        tracing::info!(channel = shared.name, "follower");
        let mut follower = Follower::new(host, shared, appender, once);
        let end = follower.run(&mut self.inputs).await;
        (end, follower.into_appender())
    }

    async fn fail(&mut self, reason: &str) {
        tracing::error!(channel = self.shared.name, reason, "channel halted");
        self.shared.show(State::Failed { reason: reason.to_owned() }, &self.host.metrics);
        self.wait_for_end().await;
    }

    /// Refuses what comes until the channel is removed or the node stops.
    async fn wait_for_end(&mut self) {
        super::follower::refuse(&mut self.inputs, "the channel is halted").await;
    }
}

/// Whether this node may call itself a consenter before a leader has taken it for one. Who never voted may be one that lost
/// its data, and the others may be about to refuse it.
pub(super) fn is_proven(restored: &Restored) -> bool {
    restored.term() > 0 || restored.newest_consenter_ids().len() == 1
}

/// Makes durable what is noted of the other consenters, now and then.
async fn flush(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(PINS_INTERVAL).await;
        let this = Arc::clone(&shared);
        let flushed = tokio::task::spawn_blocking(move || this.pins.flush()).await;
        if let Ok(Err(error)) = flushed {
            tracing::warn!(channel = shared.name, %error, "pins could not be written");
        }
    }
}
