//! Uploads: room is reserved before the first byte, and a content counts against its sender until a record names it.

use std::time::Instant;

use carecord_health::access;
use carecord_health::ids::ContentId;
use carecord_proto::carecord::vault::{
    Custody, GetHeader, PutHeader, PutResponse, SignedRequest, receipt::What,
};
use rocksdb::WriteBatch;

use crate::caller::Verified;
use crate::claims::{Claim, Room};
use crate::contents::Incoming;
use crate::copies::Kept;
use crate::limits::{CONTENT_BYTES_MAX, SETTLE_PAUSE};
use crate::outgoing::Outgoing;
use crate::requests::id;
use crate::service::{Inner, now};
use crate::transfers::Place;
use crate::{Error, Store};

/// An upload under way: what it is for, and what it holds until it ends.
pub(crate) struct Upload {
    claim: Claim,
    /// What the receipt is for.
    request: SignedRequest,
    /// From another vault: the ledger names it already.
    is_copy: bool,
    _room: Option<Room>,
    _place: Place,
}

// === impl Inner ===

impl Inner {
    pub(crate) fn begin_put(&self, signed: &SignedRequest) -> Result<(Incoming, Upload), Error> {
        let caller: Verified<PutHeader> = self.verify(signed)?;
        let is_copy = caller.is_peer;
        if !is_copy {
            self.may_store(&caller.header.channel_id, &caller)?;
        }
        let once = caller.once();
        let place = self.transfers.enter(&caller.key)?;
        let claim = claim_of(caller, now())?;
        if is_copy {
            self.may_copy(&claim)?;
        }
        self.check_disk(claim.size)?;
        let room = if is_copy { None } else { Some(self.room_for(&claim)?) };
        let incoming = self.contents.begin(claim.cid.as_str(), claim.size)?;
        let mut batch = WriteBatch::default();
        let mut writing = self.store.writing();
        writing.admit(&self.store, &once, now(), &mut batch)?;
        self.store.write(batch)?;
        drop(writing);
        let request = signed.clone();
        Ok((incoming, Upload { claim, request, is_copy, _room: room, _place: place }))
    }

    pub(crate) fn finish_put(
        &self,
        incoming: Incoming,
        upload: &Upload,
    ) -> Result<PutResponse, Error> {
        let whole = incoming.finish()?;
        let root = whole.root();
        let claim = &upload.claim;
        if upload.is_copy {
            whole.place()?;
            let mut batch = WriteBatch::default();
            Store::note_kept(&Kept::of(claim), &mut batch);
            self.store.write(batch)?;
        } else {
            let is_there = || self.contents.has(claim.cid.as_str());
            self.store.keep(claim, is_there, || whole.place().map(drop))?;
        }
        let custody = Custody {
            cid: claim.cid.to_string(),
            size: claim.size,
            root: root.to_vec().into(),
            record_id: claim.record.to_string(),
            version: claim.version,
        };
        let receipt = self.receipt(&claim.channel, &upload.request, What::Custody(custody))?;
        Ok(PutResponse { cid: claim.cid.to_string(), size: claim.size, receipt: Some(receipt) })
    }

    /// Another vault's copy is taken if this vault's own ledger names the content, and it is not here.
    fn may_copy(&self, claim: &Claim) -> Result<(), Error> {
        if !is_named(self, claim) {
            return Err(Error::Denied);
        }
        if !self.holds(&claim.cid) {
            return Ok(());
        }
        // Here already, perhaps from when no record named it: from now on its copies are looked after.
        let mut batch = WriteBatch::default();
        Store::note_kept(&Kept::of(claim), &mut batch);
        self.store.write(batch)?;
        Err(Error::Held)
    }

    /// Registered people fetch contents, and other vaults do.
    pub(crate) fn may_fetch<H>(&self, channel: &str, caller: &Verified<H>) -> Result<(), Error> {
        if caller.is_peer { Ok(()) } else { self.may_store(channel, caller) }
    }

    pub(crate) fn open_content(&self, signed: &SignedRequest) -> Result<(Outgoing, Place), Error> {
        let caller: Verified<GetHeader> = self.verify(signed)?;
        self.may_fetch(&caller.header.channel_id, &caller)?;
        let place = self.transfers.enter(&caller.key)?;
        let GetHeader { cid, offset, length, .. } = caller.header;
        if (offset, length) == (0, 0) {
            let file = self.contents.read(&cid)?;
            return Ok((Outgoing::whole(cid, file), place));
        }
        let stored = self.contents.stored(&cid)?;
        Ok((Outgoing::part(cid, stored, offset, length)?, place))
    }

    /// Refuses what would leave less of the disk free than the reserve.
    pub(crate) fn check_disk(&self, bytes: u64) -> Result<(), Error> {
        let coming = self.store.usage.lock().coming_bytes();
        let wanted = bytes.saturating_add(coming).saturating_add(self.limits.free_bytes);
        if self.contents.free_bytes()? < wanted {
            tracing::warn!("the vault refuses writes: the disk has no more free than its reserve");
            return Err(Error::DiskLow);
        }
        Ok(())
    }

    /// Room for the content; who has none left may have had records committed meanwhile.
    fn room_for(&self, claim: &Claim) -> Result<Room, Error> {
        match self.store.reserve(claim, &self.limits) {
            Err(Error::Quota) if self.may_settle() => {
                self.settle_all()?;
                self.store.reserve(claim, &self.limits)
            }
            answer => answer,
        }
    }

    fn may_settle(&self) -> bool {
        let mut settled = self.settled.lock();
        let may = settled.is_none_or(|last| last.elapsed() >= SETTLE_PAUSE);
        if may {
            *settled = Some(Instant::now());
        }
        may
    }
}

fn claim_of(caller: Verified<PutHeader>, now: i64) -> Result<Claim, Error> {
    let PutHeader { channel_id, cid, size, record_id, version, .. } = caller.header;
    if size > CONTENT_BYTES_MAX {
        return Err(Error::TooLarge { max: CONTENT_BYTES_MAX });
    }
    if version == 0 {
        return Err(Error::Malformed("versions begin with 1"));
    }
    Ok(Claim {
        cid: ContentId::new(cid).ok_or(Error::Malformed("content id"))?,
        caller: caller.key,
        channel: channel_id,
        record: id(record_id)?,
        version,
        size,
        at: now,
        msp_id: caller.msp_id,
    })
}

/// Whether the ledger names the claimed content.
pub(crate) fn is_named(inner: &Inner, claim: &Claim) -> bool {
    let state = inner.state(&claim.channel);
    access::names_content(&state, &claim.record, claim.version, &claim.cid)
}
