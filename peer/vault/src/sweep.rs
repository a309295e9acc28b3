//! The sweep: contents that a record names are kept for good, those whose time is over are removed.

use carecord_health::ids::ContentId;

use crate::Error;
use crate::claims::Claim;
use crate::limits::REQUEST_WINDOW_SECONDS;
use crate::service::Inner;
use crate::uploads::is_named;

/// What a sweep found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Contents that a committed record names by now.
    pub named: u64,
    /// Contents that were removed.
    pub removed: u64,
    /// Bytes that were removed.
    pub removed_bytes: u64,
}

// === impl Inner ===

impl Inner {
    /// Looks at every content that no record named yet, and forgets what no request can repeat.
    pub(crate) fn sweep(&self, now: i64) -> Result<Swept, Error> {
        self.store.forget(now)?;
        let mut swept = Swept::default();
        self.each_claim(|claim| {
            if is_named(self, claim) {
                swept.named += 1;
                return self.settle(&claim.cid);
            }
            if self.is_over(claim, now)
                && self.store.expire(claim, || self.contents.remove(claim.cid.as_str()))?
            {
                swept.removed += 1;
                swept.removed_bytes += claim.size;
            }
            Ok(())
        })?;
        if swept.removed > 0 {
            let Swept { removed, removed_bytes, .. } = swept;
            tracing::info!(removed, removed_bytes, "contents that no record named were removed");
        }
        Ok(swept)
    }

    /// Looks only for what records name by now.
    pub(crate) fn settle_all(&self) -> Result<(), Error> {
        self.each_claim(|claim| match is_named(self, claim) {
            true => self.settle(&claim.cid),
            false => Ok(()),
        })
    }

    /// The content is named: it stays, and its copies are made.
    pub(crate) fn settle(&self, cid: &ContentId) -> Result<(), Error> {
        let kept = self.store.settle(cid, |claim| is_named(self, claim))?;
        self.fresh.add(kept);
        Ok(())
    }

    /// Whether the claim's time is over by the vault's clock and by the ledger's: a peer that lags behind does not know
    /// which records there are, so it removes nothing that they might name.
    fn is_over(&self, claim: &Claim, now: i64) -> bool {
        let until = claim.at.saturating_add(self.limits.unnamed_seconds);
        let ledger = self.ledger.time(&claim.channel).unwrap_or(i64::MIN);
        self.limits.unnamed_seconds > 0
            && now >= until
            // Whoever signed the newest block's transaction may be this far ahead of it.
            && ledger.saturating_sub(REQUEST_WINDOW_SECONDS) >= until
    }

    fn each_claim(&self, mut each: impl FnMut(&Claim) -> Result<(), Error>) -> Result<(), Error> {
        let mut after = String::new();
        loop {
            let claims = self.store.claims_after(&after)?;
            let Some(last) = claims.last() else { return Ok(()) };
            after = last.key();
            for claim in &claims {
                each(claim)?;
            }
        }
    }
}
