//! Who asks: a signed request becomes a caller, or nothing.

use bytes::Bytes;
use carecord_chaincode::Caller;
use carecord_channel::SignedData;
use carecord_channel::policy::dsl;
use carecord_health::ids::KeyHash;
use carecord_proto::carecord::vault::{
    DeleteWrapsHeader, GetHeader, ProveHeader, PutHeader, PutWrapsHeader, ReleaseWrapHeader,
    SignedRequest,
};
use carecord_proto::common::msp_role::MspRoleType;
use prost::Message;

use crate::limits::{NONCE_BYTES, REQUEST_WINDOW_SECONDS};
use crate::once::{Moment, Once};
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
    fn nanos(&self) -> u32;
    fn vault(&self) -> &str;
    fn nonce(&self) -> &Bytes;
}

/// A caller whose signature over exactly these bytes holds.
pub(crate) struct Verified<H> {
    pub(crate) header: H,
    pub(crate) key: KeyHash,
    pub(crate) msp_id: String,
    /// Whether it is a peer of its organisation: another vault.
    pub(crate) is_peer: bool,
}

impl<H: Header> Verified<H> {
    /// The request as it is remembered.
    pub(crate) fn once(&self) -> Once {
        let at = Moment { seconds: self.header.timestamp(), nanos: self.header.nanos() };
        Once { caller: self.key.clone(), nonce: self.header.nonce().clone(), at }
    }
}

/// Checks receiver, time, identity, signature and the channel's Readers policy. `own` is this vault's name.
pub(crate) fn verify<H: Header>(
    ledger: &dyn Ledger,
    own: &str,
    signed: &SignedRequest,
    now: i64,
) -> Result<Verified<H>, Error> {
    let header = H::decode(signed.request.clone()).map_err(|_| Error::Malformed("header"))?;
    if header.call() != H::CALL {
        return Err(Error::Malformed("the header is for another call"));
    }
    if header.vault() != own {
        return Err(Error::OtherVault { own: own.to_owned() });
    }
    if header.nonce().len() != NONCE_BYTES {
        return Err(Error::Malformed("a nonce has 16 bytes"));
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
    let caller = Caller::from_creator(header.identity()).map_err(refused)?;
    let key = KeyHash::new(caller.key_hash).ok_or(Error::Unauthenticated)?;
    let peer = dsl::role(&caller.msp_id, MspRoleType::Peer);
    let is_peer = identity.validate().and_then(|()| identity.satisfies(&peer)).is_ok();
    Ok(Verified { key, msp_id: caller.msp_id, is_peer, header })
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
            fn nanos(&self) -> u32 {
                self.nanos
            }
            fn vault(&self) -> &str {
                &self.vault
            }
            fn nonce(&self) -> &Bytes {
                &self.nonce
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
    ProveHeader = "Prove",
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
        fn time(&self, _: &str) -> Option<i64> {
            None
        }
        fn signer(&self) -> Arc<dyn carecord_msp::Signer> {
            unreachable!("nothing is signed")
        }
        fn neighbours(&self, _: &str) -> Vec<crate::Neighbour> {
            Vec::new()
        }
    }

    fn signed(header: &impl Message) -> SignedRequest {
        SignedRequest { request: header.encode_to_vec().into(), signature: Bytes::new() }
    }

    const OWN: &str = "A@here:1";

    fn put_wraps() -> PutWrapsHeader {
        PutWrapsHeader {
            call: "PutWraps".to_owned(),
            vault: OWN.to_owned(),
            nonce: vec![1; NONCE_BYTES].into(),
            ..PutWrapsHeader::default()
        }
    }

    fn error<H: Header>(header: &impl Message, now: i64) -> Option<Error> {
        verify::<H>(&NoChannel, OWN, &signed(header), now).err()
    }

    #[test]
    fn a_signature_for_one_call_serves_no_other() {
        let as_itself = error::<PutWrapsHeader>(&put_wraps(), 0);
        assert!(matches!(as_itself, Some(Error::Unauthenticated)), "no such channel");
        let as_delete = error::<DeleteWrapsHeader>(&put_wraps(), 0);
        assert!(matches!(as_delete, Some(Error::Malformed(_))));
    }

    #[test]
    fn a_request_that_is_too_old_is_refused_before_anything_is_looked_up() {
        let late = error::<PutWrapsHeader>(&put_wraps(), REQUEST_WINDOW_SECONDS + 1);
        assert!(matches!(late, Some(Error::OutsideWindow)));
    }

    #[test]
    fn a_request_names_its_vault_and_has_a_nonce() {
        let elsewhere = PutWrapsHeader { vault: "A@there:1".to_owned(), ..put_wraps() };
        let refused = error::<PutWrapsHeader>(&elsewhere, 0);
        assert!(matches!(refused, Some(Error::OtherVault { own }) if own == OWN));
        let short = PutWrapsHeader { nonce: vec![1; NONCE_BYTES - 1].into(), ..put_wraps() };
        assert!(matches!(error::<PutWrapsHeader>(&short, 0), Some(Error::Malformed(_))));
    }
}
