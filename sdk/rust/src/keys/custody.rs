//! Emergency access without an escrow key: a data key in shares, each sealed to one custodian organisation.
//!
//! Whoever writes a record splits its data key 2-of-3 ([`seal_shares`]). A custodian opens its own share only
//! ([`open_share`]) and seals it anew to the reader whom a committed grant names ([`release_share`]); the reader joins two
//! ([`join_released`]). Each seal is bound to record, version, data key, share number and its receiver's key, and a released one
//! to the transaction that it was released for, so none serves anywhere else.

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, OpModeR, OpModeS, Serializable};
use zeroize::Zeroizing;

use super::Error;
use super::shares::{self, Share};
use crate::seal::{Binding, DataKey};
use crate::wrap::EncryptionKey;

/// Custodians of a data key.
pub const CUSTODIANS: u8 = 3;
/// How many of them together open it.
pub const NEEDED: u8 = 2;

const STORED: &[u8] = b"carecord-share-v1";
const RELEASED: &[u8] = b"carecord-share-released-v1";

type Kem = X25519HkdfSha256;

/// A custodian's, or a reader's, public encryption key and its id.
#[derive(Clone, Copy, Debug)]
pub struct Receiver<'a> {
    /// The id of the key.
    pub kid: &'a str,
    /// Its 32 bytes, whose owner's signature the caller has verified.
    pub public: &'a [u8],
}

/// What a share belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    /// Record and version.
    pub binding: Binding<'a>,
    /// The data key's id.
    pub data_key_id: &'a str,
}

/// A share that only its receiver opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedShare {
    /// The share's number, from 1.
    pub number: u8,
    /// The id of the receiver's key.
    pub kid: String,
    /// HPKE's encapsulated key.
    pub enc: Vec<u8>,
    /// The sealed share.
    pub ciphertext: Vec<u8>,
}

/// Splits a data key and seals one share to each custodian, who must be of three organisations.
pub fn seal_shares(
    key: &DataKey,
    of: Of<'_>,
    custodians: &[Receiver<'_>; CUSTODIANS as usize],
) -> Result<Vec<SealedShare>, Error> {
    let shares = shares::split(key.as_bytes(), NEEDED, CUSTODIANS)?;
    let sealed = shares.iter().zip(custodians);
    sealed.map(|(share, to)| seal(share, of, *to, (STORED, ""))).collect()
}

/// A custodian opens its own share.
pub fn open_share(
    sealed: &SealedShare,
    of: Of<'_>,
    custodian: &EncryptionKey,
) -> Result<Share, Error> {
    open(sealed, of, custodian, (STORED, ""))
}

/// A custodian seals a share to the reader for whom the committed transaction `tx_id` permits it.
pub fn release_share(
    share: &Share,
    of: Of<'_>,
    reader: Receiver<'_>,
    tx_id: &str,
) -> Result<SealedShare, Error> {
    seal(share, of, reader, (RELEASED, tx_id))
}

/// The reader joins what custodians released for the transaction. The content tells whether they told the truth: a data key of
/// wrong shares opens nothing.
pub fn join_released(
    released: &[SealedShare],
    of: Of<'_>,
    reader: &EncryptionKey,
    tx_id: &str,
) -> Result<DataKey, Error> {
    let opened = released.iter().map(|sealed| open(sealed, of, reader, (RELEASED, tx_id)));
    let opened: Vec<Share> = opened.collect::<Result<_, _>>()?;
    DataKey::from_bytes(&shares::join(&opened, NEEDED)?).ok_or(Error::Shares)
}

fn seal(
    share: &Share,
    of: Of<'_>,
    to: Receiver<'_>,
    (domain, tx_id): (&[u8], &str),
) -> Result<SealedShare, Error> {
    let public = <Kem as hpke::Kem>::PublicKey::from_bytes(to.public).map_err(|_| Error::BadKey)?;
    let (enc, ciphertext) = hpke::single_shot_seal::<AesGcm256, HkdfSha256, Kem, _>(
        &OpModeS::Base,
        &public,
        &info(domain, to.kid),
        &share.bytes,
        &of.associated_data(share.number, tx_id),
        &mut rand::rng(),
    )
    .map_err(|_| Error::BadKey)?;
    let enc = enc.to_bytes().to_vec();
    Ok(SealedShare { number: share.number, kid: to.kid.to_owned(), enc, ciphertext })
}

fn open(
    sealed: &SealedShare,
    of: Of<'_>,
    receiver: &EncryptionKey,
    (domain, tx_id): (&[u8], &str),
) -> Result<Share, Error> {
    let enc = <Kem as hpke::Kem>::EncappedKey::from_bytes(&sealed.enc);
    let bytes = hpke::single_shot_open::<AesGcm256, HkdfSha256, Kem>(
        &OpModeR::Base,
        receiver.private(),
        &enc.map_err(|_| Error::NotAuthentic)?,
        &info(domain, &sealed.kid),
        &sealed.ciphertext,
        &of.associated_data(sealed.number, tx_id),
    )
    .map_err(|_| Error::NotAuthentic)?;
    Ok(Share { number: sealed.number, bytes: Zeroizing::new(bytes) })
}

fn info(domain: &[u8], kid: &str) -> Vec<u8> {
    [domain, kid.as_bytes()].concat()
}

// === impl Of ===

impl Of<'_> {
    /// The record's binding, then each further part behind its length.
    fn associated_data(&self, number: u8, tx_id: &str) -> Vec<u8> {
        let mut out = self.binding.associated_data();
        for part in [self.data_key_id.as_bytes(), &[number], tx_id.as_bytes()] {
            out.extend((part.len() as u32).to_be_bytes());
            out.extend(part);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: Of<'_> = Of { binding: Binding { record_id: "r1", version: 1 }, data_key_id: "dek" };

    struct Scene {
        key: DataKey,
        custodians: [EncryptionKey; 3],
        sealed: Vec<SealedShare>,
    }

    fn scene() -> Scene {
        let key = DataKey::random().unwrap();
        let custodians = [(); 3].map(|()| EncryptionKey::random());
        let to = [0, 1, 2]
            .map(|at| Receiver { kid: ["a", "b", "c"][at], public: custodians[at].public() });
        let sealed = seal_shares(&key, OF, &to).unwrap();
        Scene { key, custodians, sealed }
    }

    #[test]
    fn any_two_custodians_open_a_data_key_and_one_does_not() {
        let Scene { key, custodians, sealed } = scene();
        let reader = EncryptionKey::random();
        let to = Receiver { kid: "reader", public: reader.public() };
        let released: Vec<SealedShare> = sealed
            .iter()
            .zip(&custodians)
            .map(|(share, own)| {
                release_share(&open_share(share, OF, own).unwrap(), OF, to, "tx").unwrap()
            })
            .collect();
        for two in [[0, 1], [1, 2], [2, 0]] {
            let two = two.map(|at| released[at].clone());
            let joined = join_released(&two, OF, &reader, "tx").unwrap();
            assert_eq!(joined.as_bytes(), key.as_bytes());
            let other = join_released(&two, OF, &reader, "another tx");
            assert_eq!(other.err(), Some(Error::NotAuthentic));
        }
        let one = join_released(&released[..1], OF, &reader, "tx");
        assert_eq!(one.err(), Some(Error::Shares));
        let twice = [released[0].clone(), released[0].clone()];
        assert_eq!(join_released(&twice, OF, &reader, "tx").err(), Some(Error::Shares));
    }

    #[test]
    fn a_share_opens_for_its_custodian_record_and_version_only() {
        let Scene { custodians, sealed, .. } = scene();
        let refused = |share: &SealedShare, of, own| open_share(share, of, own).err();
        let no = Some(Error::NotAuthentic);
        assert_eq!(refused(&sealed[0], OF, &custodians[1]), no);
        for binding in
            [Binding { record_id: "r2", version: 1 }, Binding { record_id: "r1", version: 2 }]
        {
            assert_eq!(refused(&sealed[0], Of { binding, ..OF }, &custodians[0]), no);
        }
        assert_eq!(refused(&sealed[0], Of { data_key_id: "other", ..OF }, &custodians[0]), no);
        let renumbered = SealedShare { number: 2, ..sealed[0].clone() };
        assert_eq!(refused(&renumbered, OF, &custodians[0]), no);
        // What a custodian got to keep is nothing that a reader was given, and the other way round.
        let as_released = join_released(&sealed[..2], OF, &custodians[0], "");
        assert_eq!(as_released.err(), no);
    }
}
