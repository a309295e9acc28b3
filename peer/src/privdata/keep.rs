//! The keeper of a channel's private data: what is missing is asked for again, what is purged leaves the files.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{
    limits::{
        PURGE_DEADLINE, PURGE_PAUSE, RECONCILE_MIN_PAUSE, RECONCILE_PAGE, RECONCILE_PAGES,
        RECONCILE_PAUSE, RECONCILE_TIMEOUT,
    },
    pull::fetch,
};
use crate::{channel::Channel, peer::Peer};

/// How a commit calls the keeper.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    missing: Notify,
}

// === impl Keeper ===

impl Keeper {
    /// Something is missing since this block.
    pub(crate) fn something_is_missing(&self) {
        self.missing.notify_one();
    }
}

/// Works for one channel until it is dropped.
pub(crate) async fn keep(peer: Arc<Peer>, channel: Arc<Channel>) {
    tokio::join!(reconcile(&peer, &channel), rewrite(&peer, &channel));
}

async fn reconcile(peer: &Arc<Peer>, channel: &Arc<Channel>) {
    loop {
        let _ = tokio::time::timeout(RECONCILE_PAUSE, channel.keeper().missing.notified()).await;
        let started = Instant::now();
        let (label, metrics) = ([channel.id()], &peer.config().metrics.private_data);
        match round(peer, channel).await {
            Ok((0, 0)) => metrics.missing.with_label_values(&label).set(0),
            Ok((taken, left)) => {
                tracing::info!(channel = channel.id(), taken, left, "private data reconciled");
                metrics.missing.with_label_values(&label).set(left as i64);
                let took = started.elapsed().as_secs_f64();
                metrics.reconciliation_duration.with_label_values(&label).observe(took);
            }
            Err(error) => tracing::error!(channel = channel.id(), %error, "reconciliation failed"),
        }
        tokio::time::sleep(RECONCILE_MIN_PAUSE).await;
    }
}

/// One look at everything that is missing, newest first; gives how much was taken and how much is left.
async fn round(
    peer: &Arc<Peer>,
    channel: &Arc<Channel>,
) -> Result<(usize, usize), carecord_ledger::Error> {
    let (mut taken, mut left, mut after) = (0, 0, None);
    for _ in 0..RECONCILE_PAGES {
        let page = channel.ledger().missing(after.as_ref(), RECONCILE_PAGE)?;
        let Some(last) = page.last() else { break };
        after = Some(last.spot.clone());
        let asked = page.len();
        let ledger = Arc::clone(channel.ledger());
        let missing = fetch(peer, channel, page, RECONCILE_TIMEOUT, move |found, source| {
            let taken = ledger.take_missing(found).unwrap_or_else(|error| {
                tracing::error!(%error, "private data cannot be stored");
                Vec::new()
            });
            if taken.contains(&false) {
                tracing::warn!(source, "a peer sent other private data than was asked for");
            }
            taken
        })
        .await;
        taken += asked - missing.len();
        left += missing.len();
    }
    Ok((taken, left))
}

async fn rewrite(peer: &Arc<Peer>, channel: &Arc<Channel>) {
    let mut pending_since: Option<Instant> = None;
    loop {
        tokio::time::sleep(PURGE_PAUSE).await;
        match channel.ledger().has_pending_purges() {
            Ok(true) => {}
            Ok(false) => {
                pending_since = None;
                continue;
            }
            Err(error) => {
                tracing::error!(channel = channel.id(), %error, "purges cannot be read");
                continue;
            }
        }
        let since = *pending_since.get_or_insert_with(Instant::now);
        let started = Instant::now();
        let ledger = Arc::clone(channel.ledger());
        let done = tokio::task::spawn_blocking(move || ledger.rewrite_purged()).await;
        let took = started.elapsed();
        match done {
            Ok(Ok(0)) => late(channel, since.elapsed()),
            Ok(Ok(purges)) => {
                tracing::info!(channel = channel.id(), purges, ms = took.as_millis(), "purged");
                let purge = &peer.config().metrics.private_data.purge_duration;
                purge.with_label_values(&[channel.id()]).observe(took.as_secs_f64());
                pending_since = None;
            }
            Ok(Err(error)) => tracing::error!(channel = channel.id(), %error, "purge failed"),
            Err(error) => tracing::error!(channel = channel.id(), %error, "purge failed"),
        }
    }
}

fn late(channel: &Channel, since: Duration) {
    if since > PURGE_DEADLINE {
        tracing::error!(
            channel = channel.id(),
            s = since.as_secs(),
            "purged bytes are still in files: an old view of the ledger is open, or a disk fails"
        );
    }
}
