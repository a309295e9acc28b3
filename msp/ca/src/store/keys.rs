//! Keys of the database: one letter for the kind of row, then what names it.

/// The form of the rows.
pub(super) const FORMAT: &[u8] = b"m/format";
/// Random bytes that choose the slots of names nobody has.
pub(super) const DECOY_KEY: &[u8] = b"m/decoy";
/// Number of the last log entry and hash of its bytes.
pub(super) const LOG_HEAD: &[u8] = b"m/log";
/// Number of the last revocation list.
pub(super) const CRL_NUMBER: &[u8] = b"m/crl";

pub(super) const IDENTITIES: &[u8] = b"i/";
pub(super) const AFFILIATIONS: &[u8] = b"a/";
pub(super) const CERTIFICATES: &[u8] = b"c/";
pub(super) const TOKENS: &[u8] = b"t/";
pub(super) const LOG: &[u8] = b"l/";
const OWNED: &[u8] = b"o/";
const DECOYS: &[u8] = b"d/";

pub(super) fn identity(id: &str) -> Vec<u8> {
    [IDENTITIES, id.as_bytes()].concat()
}

pub(super) fn affiliation(name: &str) -> Vec<u8> {
    [AFFILIATIONS, name.as_bytes()].concat()
}

pub(super) fn certificate(aki: &str, serial: &str) -> Vec<u8> {
    [CERTIFICATES, aki.as_bytes(), b"/", serial.as_bytes()].concat()
}

/// No id has a zero byte, so no id's rows begin as another's.
pub(super) fn owned(id: &str) -> Vec<u8> {
    [OWNED, id.as_bytes(), b"\0"].concat()
}

pub(super) fn owned_certificate(id: &str, aki: &str, serial: &str) -> Vec<u8> {
    [owned(id).as_slice(), aki.as_bytes(), b"/", serial.as_bytes()].concat()
}

pub(super) fn token(hash: &[u8; 32]) -> Vec<u8> {
    [TOKENS, hash].concat()
}

/// Big-endian, so that the rows lie in their order.
pub(super) fn log(number: u64) -> Vec<u8> {
    [LOG, &number.to_be_bytes()].concat()
}

pub(super) fn decoy(slot: u16) -> Vec<u8> {
    [DECOYS, &slot.to_be_bytes()].concat()
}
