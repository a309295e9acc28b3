//! Records: seal and store, open and verify, hand a data key on.

use aws_lc_rs::hmac;
use carecord_health::consent::Recipient;
use carecord_health::events::RecordAccess;
use carecord_health::ids::{Commitment, ContentId, Id};
use carecord_health::model::Record;
use carecord_health::records::NewRecord;
use carecord_health::vocabulary::{Decision, Purpose};
use carecord_proto::carecord::vault::Wrap;

use super::identity::verified_key;
use super::{Person, json, random_id};
use crate::seal::{self, Binding, DataKey};
use crate::vault::NamedBy;
use crate::wrap::{self, SUITE};
use crate::{Commit, Error};

/// Ciphertext format 1, see [`crate::seal`].
const FORMAT: u32 = seal::FORMAT as u32;

/// A record's plaintext.
pub type Content = Vec<u8>;

/// An opened record, and the transaction that tells of it.
#[derive(Clone, Debug)]
pub struct Opened {
    /// What the record holds.
    pub content: Content,
    /// The record as the ledger describes it.
    pub record: Record,
    /// The committed `records:Open`.
    pub tx_id: String,
}

/// A permitted access: the evidence and the data key that it released.
struct Access {
    record: Record,
    key: DataKey,
    tx_id: String,
}

impl Person {
    /// Stores a record of `patient`: sealed here, its data key wrapped to everyone who may read it now.
    ///
    /// A reader whose registered key fails verification is left out, and can be given the key later; the patient's
    /// key must be good.
    pub async fn add_record(&self, patient: &Id, content: &[u8]) -> Result<Record, Error> {
        self.add_tagged_record(patient, content, &[]).await
    }

    /// See [`Person::add_record`]; grants may refer to the tags. A contribution to a study has the study's id as one.
    pub async fn add_tagged_record(
        &self,
        patient: &Id,
        content: &[u8],
        tags: &[Id],
    ) -> Result<Record, Error> {
        let (id, data_key) = (random_id()?, random_id()?);
        let key = DataKey::random()?;
        let binding = Binding { record_id: id.as_str(), version: 1 };
        let sealed = seal::seal(&key, binding, content)?;
        let own = self.gateway().signer().msp_id().to_owned();
        let org = carecord_health::ids::MspId::new(own).ok_or(Error::Answer("own MSP id"))?;
        let vault = self.vault(&org)?;
        let named_by = NamedBy { record_id: id.as_str(), version: binding.version };
        let cid = vault.put(&sealed, named_by).await?;
        let new = NewRecord {
            id: id.clone(),
            patient: patient.clone(),
            cid: ContentId::new(cid).ok_or(Error::Answer("content id"))?,
            size: sealed.len() as u64,
            suite: FORMAT,
            data_key: data_key.clone(),
            commitment: commitment(&key, content),
            tags: (!tags.is_empty()).then(|| tags.to_vec()),
        };
        let record: Record = self.submit("records:Add", [json(&new)]).await?;
        let wraps = self.wraps(patient, tags, &key, &data_key, binding).await?;
        vault.put_wraps(id.as_str(), wraps).await?;
        Ok(record)
    }

    /// Asks the ledger for access and, if it permits, fetches, decrypts and verifies the record.
    ///
    /// A refusal is [`Error::Denied`]: the attempt is on the ledger, as a permitted one would be.
    pub async fn open_record(&self, record: &Id, purpose: Purpose) -> Result<Opened, Error> {
        let Access { record, key, tx_id } = self.access(record, purpose).await?;
        let sealed = self.vault(&record.org)?.get(record.cid.as_str()).await?;
        let content = seal::open(&key, binding(&record), &sealed)?;
        if commitment(&key, &content) != record.commitment {
            return Err(Error::Untrusted("the content is not the one committed on the ledger"));
        }
        Ok(Opened { content, record, tx_id })
    }

    /// The data key of a record, released as for opening it: for a person's other device, or for a search for keys
    /// where none may be.
    pub async fn data_key(&self, record: &Id, purpose: Purpose) -> Result<DataKey, Error> {
        Ok(self.access(record, purpose).await?.key)
    }

    /// The caller's own records, as patient.
    pub async fn my_records(&self) -> Result<Vec<Record>, Error> {
        self.list("records:ListMine", &[]).await
    }

    /// The records that the caller may open for `purpose`.
    pub async fn records_for_me(&self, purpose: Purpose) -> Result<Vec<Record>, Error> {
        self.list("records:ListForMe", &[purpose.as_str().to_owned()]).await
    }

    /// Wraps the data key of one's own record to another person's verified key.
    pub(super) async fn hand_on(&self, record: &Record, reader: &Id) -> Result<(), Error> {
        let Access { record, key, .. } = self.access(&record.id, Purpose::PatientRequest).await?;
        let subject = self.agreed_subject(reader).await?;
        let registered =
            subject.encryption_key.ok_or(Error::Untrusted("the reader has no encryption key"))?;
        let public = self.verified_key(reader, &registered)?;
        let kid = registered.registration.kid.as_str();
        let wrapped = wrap::wrap(&key, record.data_key.as_str(), binding(&record), kid, &public)?;
        let wrapped = Wrap { recipient_id: reader.to_string(), ..wrapped };
        self.vault(&record.org)?.put_wraps(record.id.as_str(), vec![wrapped]).await
    }

    /// Submits `records:Open` and, if it permits, gets the data key released for it.
    async fn access(&self, record: &Id, purpose: Purpose) -> Result<Access, Error> {
        let args = [record.to_string(), purpose.as_str().to_owned()];
        let proposal = self.contract.proposal("records:Open").arguments(args.clone()).build()?;
        let transaction = proposal.endorse().await?;
        let evidence: RecordAccess = super::parse(transaction.result())?;
        let commit = transaction.submit().await?;
        commit.wait_valid().await?;
        let tx_id = commit.tx_id().to_owned();
        if evidence.decision != Decision::Permit {
            return Err(Error::Denied { tx_id });
        }
        let record: Record = self.evaluate("records:Get", args).await?;
        if evidence.data_key.as_ref() != Some(&record.data_key) {
            return Err(Error::Untrusted("the record changed while it was opened; try again"));
        }
        // The vault believes its own peer, which may be a block behind the one that answered above.
        Commit::new(self.network_at(&record.org)?, &tx_id).wait_valid().await?;
        let vault = self.vault(&record.org)?;
        let wrapped = vault.release_wrap(record.id.as_str(), self.kid().as_str(), &tx_id).await?;
        let key = wrap::unwrap(&wrapped, binding(&record), &self.encryption)?;
        Ok(Access { record, key, tx_id })
    }

    /// One wrap for each reader whose key its owner has signed, see [`wraps_for`].
    async fn wraps(
        &self,
        patient: &Id,
        tags: &[Id],
        key: &DataKey,
        data_key: &Id,
        binding: Binding<'_>,
    ) -> Result<Vec<Wrap>, Error> {
        let recipients = self.recipients(patient, tags).await?;
        let wrap_one = |recipient: &Recipient| {
            let public = verified_key(self.network().name(), &recipient.subject, &recipient.key)?;
            let kid = recipient.key.registration.kid.as_str();
            let wrapped = wrap::wrap(key, data_key.as_str(), binding, kid, &public)?;
            Ok(Wrap { recipient_id: recipient.subject.to_string(), ..wrapped })
        };
        wraps_for(patient, &recipients, wrap_one)
    }
}

/// A wrap for each recipient, without those whose key is unusable: one reader's bad key must not keep a patient from
/// having records. The patient's own key must be good, since a record that its owner cannot open is lost to them.
fn wraps_for(
    patient: &Id,
    recipients: &[Recipient],
    wrap_one: impl Fn(&Recipient) -> Result<Wrap, Error>,
) -> Result<Vec<Wrap>, Error> {
    let mut wraps = Vec::with_capacity(recipients.len());
    for recipient in recipients {
        match wrap_one(recipient) {
            Ok(wrap) => wraps.push(wrap),
            Err(error) if recipient.subject == *patient => return Err(error),
            Err(_) => {}
        }
    }
    Ok(wraps)
}

fn binding(record: &Record) -> Binding<'_> {
    Binding { record_id: record.id.as_str(), version: record.version }
}

/// What the ledger holds of a content: an HMAC under a key that only the data key's holders can derive.
///
/// So a small or guessable content cannot be found by trying, and the trace ends with the data key.
fn commitment(key: &DataKey, content: &[u8]) -> Commitment {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let derived = hmac::sign(&key, b"carecord-commitment-v1");
    let derived = hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref());
    let tag = hmac::sign(&derived, content);
    Commitment::new(hex::encode(tag.as_ref())).expect("32 bytes are 64 hex digits")
}

const _: () = assert!(SUITE == carecord_health::keys::SUITE_X25519_AES256GCM);

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use carecord_health::ids::KeyHash;
    use carecord_health::keys::{self, EncryptionKey, KeyRegistration};
    use carecord_proto::hash::sha256;
    use data_encoding::BASE64;

    use super::*;

    /// What precedes an Ed25519 key in its SubjectPublicKeyInfo.
    const SPKI_ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

    /// Somebody who signed this encryption key properly.
    fn recipient(key: &[u8; 32]) -> Recipient {
        let pair = Ed25519KeyPair::generate().unwrap();
        let spki = [&SPKI_ED25519, pair.public_key().as_ref()].concat();
        let (subject, kid) = (random_id().unwrap(), keys::kid(SUITE, key));
        let statement = keys::statement("care", &subject, &kid, SUITE, key, 1, None);
        let signature = BASE64.encode(pair.sign(&statement).as_ref());
        let key = BASE64.encode(key);
        let key = EncryptionKey {
            registration: KeyRegistration {
                kid,
                suite: SUITE,
                key,
                seq: 1,
                previous: None,
                signature,
            },
            signer: KeyHash::new(hex::encode(sha256(&[&spki]))).unwrap(),
            signer_key: BASE64.encode(&spki),
            registered: 0,
            revoked: None,
        };
        Recipient { subject, key }
    }

    fn checked(recipient: &Recipient) -> Result<Wrap, Error> {
        verified_key("care", &recipient.subject, &recipient.key)?;
        let recipient_kid = recipient.key.registration.kid.to_string();
        Ok(Wrap { recipient_kid, ..Wrap::default() })
    }

    #[test]
    fn a_reader_with_an_unusable_key_is_left_out_and_the_others_are_not() {
        let people = [recipient(&[9; 32]), recipient(&[0; 32]), recipient(&[8; 32])];
        let wraps = wraps_for(&people[0].subject, &people, checked).unwrap();
        let kids: Vec<&str> = wraps.iter().map(|w| w.recipient_kid.as_str()).collect();
        let good = [&people[0], &people[2]].map(|p| p.key.registration.kid.as_str());
        assert_eq!(kids, good);
    }

    #[test]
    fn a_patient_with_an_unusable_key_gets_no_record() {
        let people = [recipient(&[9; 32]), recipient(&[0; 32])];
        let refused = wraps_for(&people[1].subject, &people, checked);
        assert!(matches!(refused, Err(Error::Untrusted(_))), "{refused:?}");
    }
}
