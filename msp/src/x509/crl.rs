//! Certificate revocation lists as Go's old `ParseCRL` reads them.

use super::der::{Reader, tag};
use super::key::{SignatureAlgorithm, check_signature};
use super::{Certificate, Error, extensions, time};
use crate::pem_block;
use crate::signature::Ecdsa;

const AUTHORITY_KEY_ID: [u8; 3] = [0x55, 0x1d, 0x23];
const PEM_KIND: &str = "X509 CRL";
const PEM_START: &[u8] = b"-----BEGIN X509 CRL";

/// What an issuer has taken back.
#[derive(Debug, Clone)]
pub(crate) struct RevocationList {
    raw_tbs: Vec<u8>,
    algorithm: SignatureAlgorithm,
    signature: Vec<u8>,
    /// The authority key identifier; `None` if the extension is missing, an error if it is malformed.
    authority_key_id: Option<Result<Vec<u8>, Error>>,
    /// Revoked serial numbers.
    serials: Vec<Vec<u8>>,
}

impl RevocationList {
    /// Reads a list, DER or PEM. An ECDSA signature is brought into canonical form, as Fabric does.
    pub(crate) fn read(bytes: &[u8]) -> Result<RevocationList, Error> {
        if bytes.starts_with(PEM_START) {
            let block = pem_block::decode(bytes).filter(|b| b.kind == PEM_KIND);
            return Self::read_der(block.as_ref().map_or(bytes, |b| &b.bytes));
        }
        Self::read_der(bytes)
    }

    fn read_der(der: &[u8]) -> Result<RevocationList, Error> {
        let malformed = || Error::Malformed("malformed crl".into());
        let mut input = Reader::new(der);
        let mut outer = input.sequence().ok_or_else(malformed)?;
        if !input.is_empty() {
            return Err(Error::Malformed("trailing data after CRL".into()));
        }
        let tbs = outer.element(tag::SEQUENCE).ok_or_else(malformed)?;
        let algorithm = outer.content(tag::SEQUENCE).ok_or_else(malformed)?;
        let algorithm = SignatureAlgorithm::read(algorithm)?;
        let mut signature = outer.bit_string().ok_or_else(malformed)?.right_aligned();
        if algorithm.is_ecdsa() {
            signature = Ecdsa::from_der(&signature)
                .map_err(|why| Error::Malformed(why.to_string()))?
                .to_der();
        }
        let (serials, authority_key_id) = read_tbs(tbs.content).ok_or_else(malformed)?;
        Ok(RevocationList {
            raw_tbs: tbs.whole.to_vec(),
            algorithm,
            signature,
            authority_key_id,
            serials,
        })
    }

    /// The key identifier of the list's issuer.
    pub(crate) fn authority_key_id(&self) -> Option<Result<&[u8], &Error>> {
        self.authority_key_id.as_ref().map(|id| id.as_deref())
    }

    /// Whether the list names this serial number; the date of revocation does not matter.
    pub(crate) fn names(&self, serial: &[u8]) -> bool {
        self.serials.iter().any(|s| s == serial)
    }

    /// Whether `issuer` signed the list.
    pub(crate) fn is_signed_by(&self, issuer: &Certificate) -> Result<(), Error> {
        check_signature(self.algorithm, &self.raw_tbs, &self.signature, &issuer.key, true)
    }
}

type Contents = (Vec<Vec<u8>>, Option<Result<Vec<u8>, Error>>);

fn read_tbs(content: &[u8]) -> Option<Contents> {
    let mut tbs = Reader::new(content);
    if tbs.next_is(tag::INTEGER) {
        tbs.integer()?;
    }
    tbs.sequence()?; // algorithm
    tbs.sequence()?; // issuer
    time::read(&mut tbs)?;
    if tbs.next_is(tag::UTC_TIME) || tbs.next_is(tag::GENERALIZED_TIME) {
        time::read(&mut tbs)?;
    }
    let mut serials = Vec::new();
    if tbs.next_is(tag::SEQUENCE) {
        let mut revoked = tbs.sequence()?;
        while !revoked.is_empty() {
            let mut entry = revoked.sequence()?;
            serials.push(entry.integer()?.to_vec());
            time::read(&mut entry)?;
        }
    }
    let mut authority_key_id = None;
    if let Some(field) = tbs.optional(tag::explicit(0))? {
        let mut list = Reader::new(field.content).sequence()?;
        while !list.is_empty() {
            let mut extension = list.sequence()?;
            let oid = extension.oid()?;
            if extension.next_is(tag::BOOLEAN) {
                extension.boolean()?;
            }
            let value = extension.content(tag::OCTET_STRING)?;
            if oid == AUTHORITY_KEY_ID && authority_key_id.is_none() {
                let id = extensions::authority_key_id(&mut Reader::new(value));
                let malformed = || Error::Malformed("failed to unmarshal AKI".into());
                authority_key_id = Some(id.ok_or_else(malformed));
            }
        }
    }
    Some((serials, authority_key_id))
}
