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
    ($($name:ident),*) => {$(
        impl Header for $name {
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

header!(PutHeader, GetHeader, PutWrapsHeader, ReleaseWrapHeader, DeleteWrapsHeader);
