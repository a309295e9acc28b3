//! What each request about wraps must satisfy, checks first, disk second.

use std::collections::BTreeSet;

use carecord_health::access::{self, Request as Access};
use carecord_health::events::RECORD_ACCESS;
use carecord_health::ids::{Id, Kid};
use carecord_proto::carecord::vault::{
    DeleteWrapsHeader, DeleteWrapsResponse, Deletion, PutWrapsHeader, ReleaseWrapHeader,
    SignedRequest, Wrap, receipt::What,
};

use crate::Error;
use crate::caller::{self, Verified, key_hash};
use crate::limits::{WRAP_LENGTHS, WRAPS_PER_REQUEST};
use crate::service::{Inner, now};
use crate::wraps::{Named, Which};

/// The chaincode whose events are evidence.
const HEALTH: &str = "health";

// === impl Inner ===

impl Inner {
    pub(crate) fn put_wraps(&self, signed: &SignedRequest) -> Result<(), Error> {
        let caller: Verified<PutWrapsHeader> = self.verify(signed)?;
        let once = caller.once();
        let PutWrapsHeader { channel_id, record_id, wraps, .. } = caller.header;
        if wraps.len() > WRAPS_PER_REQUEST {
            return Err(Error::TooManyWraps);
        }
        let record = id(record_id)?;
        let state = self.state(&channel_id);
        let named = wraps.into_iter().map(named).collect::<Result<Vec<_>, _>>()?;
        let data_keys: BTreeSet<&Id> = named.iter().map(|(_, (data_key, ..))| data_key).collect();
        if !data_keys.into_iter().all(|id| access::may_put_wraps(&state, &record, id, &caller.key))
        {
            return Err(Error::Denied);
        }
        let is_registered = |(recipient, (_, kid, _)): &(Id, Named)| {
            access::is_registered_key(&state, recipient, kid)
        };
        if !named.iter().all(is_registered) {
            return Err(Error::NotRegistered);
        }
        self.check_disk(0)?;
        let named: Vec<Named> = named.into_iter().map(|(_, named)| named).collect();
        // Only the owner may replace a wrap that is there: nobody else can take a reader's key away.
        let may_replace = access::may_delete_wraps(&state, &record, &caller.key);
        let place = (channel_id.as_str(), &record);
        self.store.put(place, &named, may_replace, (&once, now()), &self.limits)?;
        // The record is committed, so its content counts against nobody any more.
        match access::current_content(&state, &record) {
            Some(cid) => self.settle(&cid),
            None => Ok(()),
        }
    }

    pub(crate) fn release_wrap(&self, signed: &SignedRequest) -> Result<Wrap, Error> {
        let now = now();
        let caller: Verified<ReleaseWrapHeader> = self.verify(signed)?;
        let ReleaseWrapHeader { channel_id, record_id, recipient_kid, transaction_id, .. } =
            caller.header;
        let (record, recipient) = (id(record_id)?, kid(recipient_kid)?);
        let committed = self.ledger.valid_transaction(&channel_id, &transaction_id);
        let committed = committed.ok_or(Error::Denied)?;
        if key_hash(&committed.creator)? != caller.key {
            return Err(Error::Denied);
        }
        let event = committed
            .event
            .filter(|event| event.chaincode_id == HEALTH && event.event_name == RECORD_ACCESS);
        let event = event.ok_or(Error::Denied)?;
        let asked = Access { record: &record, reader: &caller.key, recipient: &recipient, now };
        let evidence = access::access_granted(&event.payload, &asked).map_err(denied)?;
        access::still_granted(&self.state(&channel_id), &evidence).map_err(denied)?;
        let data_key = evidence.data_key.as_ref().ok_or(Error::Denied)?;
        let wrap = self.store.get(&channel_id, &record, data_key, &recipient)?;
        let wrap = wrap.ok_or(Error::Denied)?;
        if !self.store.use_once(&channel_id, &transaction_id, now)? {
            return Err(Error::Denied);
        }
        Ok(wrap)
    }

    pub(crate) fn delete_wraps(
        &self,
        signed: &SignedRequest,
    ) -> Result<DeleteWrapsResponse, Error> {
        let caller: Verified<DeleteWrapsHeader> = self.verify(signed)?;
        let once = caller.once();
        let DeleteWrapsHeader { channel_id, record_id, recipient_kid, data_key_id, .. } =
            caller.header;
        let record = id(record_id)?;
        if !access::may_delete_wraps(&self.state(&channel_id), &record, &caller.key) {
            return Err(Error::Denied);
        }
        let recipient = unless_empty(recipient_kid, kid)?;
        let data_key = unless_empty(data_key_id, id)?;
        let which = Which { recipient: recipient.as_ref(), data_key: data_key.as_ref() };
        let deleted = self.store.delete((&channel_id, &record), which, (&once, now()))?;
        let deletion = Deletion {
            record_id: record.to_string(),
            recipient_kid: recipient.as_ref().map(Kid::to_string).unwrap_or_default(),
            data_key_id: data_key.as_ref().map(Id::to_string).unwrap_or_default(),
            deleted,
        };
        let receipt = self.receipt(&channel_id, signed, What::Deletion(deletion))?;
        Ok(DeleteWrapsResponse { deleted, receipt: Some(receipt) })
    }

    pub(crate) fn verify<H: caller::Header>(
        &self,
        signed: &SignedRequest,
    ) -> Result<Verified<H>, Error> {
        caller::verify(self.ledger.as_ref(), &self.name, signed, now())
    }

    pub(crate) fn may_store<H>(&self, channel: &str, caller: &Verified<H>) -> Result<(), Error> {
        let allowed = access::may_store(&self.state(channel), &caller.key);
        if allowed { Ok(()) } else { Err(Error::Denied) }
    }

    pub(crate) fn state(&self, channel: &str) -> impl Fn(&str) -> Option<Vec<u8>> {
        move |key| self.ledger.health_value(channel, key)
    }
}

fn denied(reason: access::NotGranted) -> Error {
    tracing::info!(%reason, "wrap not released");
    Error::Denied
}

/// A wrap that a reader could open: its recipient and its names. The recipient is for the check only, and not kept.
fn named(wrap: Wrap) -> Result<(Id, Named), Error> {
    let is_one = |(suite, enc, ciphertext): &(u32, usize, usize)| {
        (wrap.suite, wrap.enc.len(), wrap.ciphertext.len()) == (*suite, *enc, *ciphertext)
    };
    if !WRAP_LENGTHS.iter().any(is_one) {
        return Err(Error::NoWrap);
    }
    let recipient = id(wrap.recipient_id.clone())?;
    let (data_key, recipient_kid) =
        (id(wrap.data_key_id.clone())?, kid(wrap.recipient_kid.clone())?);
    Ok((recipient, (data_key, recipient_kid, Wrap { recipient_id: String::new(), ..wrap })))
}

pub(crate) fn id(text: String) -> Result<Id, Error> {
    Id::new(text).ok_or(Error::Malformed("id of a record, data key or person"))
}

fn kid(text: String) -> Result<Kid, Error> {
    Kid::new(text).ok_or(Error::Malformed("key id"))
}

fn unless_empty<T>(
    text: String,
    parse: fn(String) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}
