//! Who asks: a signed request becomes a caller, or nothing.

use bytes::Bytes;
use carecord_chaincode::Caller;
use carecord_channel::SignedData;
use carecord_health::ids::KeyHash;
use carecord_proto::carecord::vault::{
    DeleteWrapsHeader, GetHeader, PutHeader, PutWrapsHeader, ReleaseWrapHeader, SignedRequest,
};
use prost::Message;

use crate::limits::REQUEST_WINDOW_SECONDS;
use crate::{Error, Ledger};

/// The policy that a caller's signature must satisfy.
const POLICY: &str = "/Channel/Application/Readers";

/// What every header says of its sender.
pub(crate) trait Header: Message + Default {
    /// The method that the header is for; signed with it, so that no signature serves another method.
    const CALL: &str;
    fn call(&self) -> &str;
    fn channel(&self) -> &str;
    fn identity(&self) -> &Bytes;
    fn timestamp(&self) -> i64;
}

/// A caller whose signature over exactly these bytes holds.
pub(crate) struct Verified<H> {
    pub(crate) header: H,
    pub(crate) key: KeyHash,
}

/// Checks time, identity, signature and the channel's Readers policy.
pub(crate) fn verify<H: Header>(
    ledger: &dyn Ledger,
    signed: &SignedRequest,
    now: i64,
) -> Result<Verified<H>, Error> {
    let header = H::decode(signed.request.clone()).map_err(|_| Error::Malformed("header"))?;
    if header.call() != H::CALL {
        return Err(Error::Malformed("the header is for another call"));
    }
    if now.abs_diff(header.timestamp()) > REQUEST_WINDOW_SECONDS.unsigned_abs() {
        return Err(Error::OutsideWindow);
    }
    let bundle = ledger.bundle(header.channel()).ok_or(Error::Unauthenticated)?;
    let identity = bundle.msps().identity(header.identity()).map_err(refused)?;
    if identity.expires_at() <= now {
        return Err(Error::Unauthenticated);
    }
    let data = SignedData {
        identity: header.identity().clone(),
        data: signed.request.clone(),
        signature: signed.signature.clone(),
    };
    bundle.evaluate(POLICY, &[data]).map_err(refused)?;
    Ok(Verified { key: key_hash(header.identity())?, header })
}

/// The name under which the ledger knows the key of an identity.
pub(crate) fn key_hash(identity: &[u8]) -> Result<KeyHash, Error> {
    let caller = Caller::from_creator(identity).map_err(refused)?;
    KeyHash::new(caller.key_hash).ok_or(Error::Unauthenticated)
}

/// The reason goes to the log, not to the caller.
fn refused(reason: impl std::fmt::Display) -> Error {
    tracing::info!(%reason, "vault request refused");
    Error::Unauthenticated
}

macro_rules! header {
    ($($name:ident = $call:literal),* $(,)?) => {$(
        impl Header for $name {
            const CALL: &str = $call;
            fn call(&self) -> &str {
                &self.call
            }
            fn channel(&self) -> &str {
                &self.channel_id
            }
            fn identity(&self) -> &Bytes {
                &self.identity
            }
            fn timestamp(&self) -> i64 {
                self.timestamp
            }
        }
    )*};
}

header! {
    PutHeader = "Put",
    GetHeader = "Get",
    PutWrapsHeader = "PutWraps",
    ReleaseWrapHeader = "ReleaseWrap",
    DeleteWrapsHeader = "DeleteWraps",
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use carecord_channel::Bundle;

    use super::*;
    use crate::Committed;

    /// A peer that has joined nothing.
    struct NoChannel;

    impl Ledger for NoChannel {
        fn bundle(&self, _: &str) -> Option<Arc<Bundle>> {
            None
        }
        fn valid_transaction(&self, _: &str, _: &str) -> Option<Committed> {
            None
        }
        fn health_value(&self, _: &str, _: &str) -> Option<Vec<u8>> {
            None
        }
    }

    fn signed(header: &impl Message) -> SignedRequest {
        SignedRequest { request: header.encode_to_vec().into(), signature: Bytes::new() }
    }

    #[test]
    fn a_signature_for_one_call_serves_no_other() {
        let header = PutWrapsHeader { call: "PutWraps".to_owned(), ..PutWrapsHeader::default() };
        let as_itself = verify::<PutWrapsHeader>(&NoChannel, &signed(&header), 0);
        assert!(matches!(as_itself.err(), Some(Error::Unauthenticated)), "no such channel");
        let as_delete = verify::<DeleteWrapsHeader>(&NoChannel, &signed(&header), 0);
        assert!(matches!(as_delete.err(), Some(Error::Malformed(_))));
    }

    #[test]
    fn a_request_that_is_too_old_is_refused_before_anything_is_looked_up() {
        let header = GetHeader { call: "Get".to_owned(), timestamp: 1, ..GetHeader::default() };
        let late = verify::<GetHeader>(&NoChannel, &signed(&header), REQUEST_WINDOW_SECONDS + 2);
        assert!(matches!(late.err(), Some(Error::OutsideWindow)));
    }
}
