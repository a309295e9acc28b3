//! Adding records and versions of them.

use carecord_chaincode::{Context, ContractError, codes, json_object};

use crate::{
    audit::{self, Act},
    consent::decision::Facts,
    error,
    events::{RECORD_ADDED, RECORD_VERSION_ADDED, RecordChange},
    ids::{Commitment, ContentId, Id},
    model::{DataKey, Record, RecordStatus, Subject, Version},
    person, policy,
    records::{Ground, TAGS_MAX, may_write, writable_patient},
    store,
};

/// The ciphertext format: AES-256-GCM in STREAM of 64 KiB segments.
pub const FORMAT_1: u32 = 1;
/// Longest ciphertext: 4 TiB.
pub const SIZE_MAX: u64 = 1 << 42;

json_object! {
    /// A record as its author adds it; the ciphertext is in the vault, the wraps of its data key follow.
    pub struct NewRecord {
        /// Chosen by the client.
        pub id: Id,
        /// Whose record it is.
        pub patient: Id,
        /// The content id of the ciphertext.
        pub cid: ContentId,
        /// The length of the ciphertext in bytes.
        pub size: u64,
        /// The format of the ciphertext.
        pub suite: u32,
        /// The id of its data key, never used before.
        pub data_key: Id,
        /// A salted commitment to title, codes and dates.
        pub commitment: Commitment,
        /// Random marks that grants may refer to.
        pub tags: Option<Vec<Id>>,
    }
}

json_object! {
    /// The next version of a record.
    pub struct NewVersion {
        /// The record.
        pub id: Id,
        /// Its number: one more than the current version.
        pub version: u64,
        /// The content id of the ciphertext.
        pub cid: ContentId,
        /// The length of the ciphertext in bytes.
        pub size: u64,
        /// The format of the ciphertext.
        pub suite: u32,
        /// The id of its data key, never used before.
        pub data_key: Id,
        /// A salted commitment to title, codes and dates.
        pub commitment: Commitment,
    }
}

/// `Add(record)`.
pub(super) fn add(context: &mut Context<'_>, new: NewRecord) -> Result<Record, ContractError> {
    let author = person::caller(context)?;
    check_ciphertext(new.size, new.suite, "/record")?;
    let tags = new.tags.unwrap_or_default();
    if tags.len() > TAGS_MAX {
        return Err(codes::VALUE.because("a record has at most 16 tags").at("/record/tags"));
    }
    let created = context.now();
    let draft = Facts { id: new.id.clone(), tags: tags.clone(), created, withdrawn: false };
    let patient = writable_patient(context, &author, &new.patient, &draft)?;
    if context.bytes(&store::record(&new.id))?.is_some() {
        return Err(error::TAKEN.because("the record id is taken").at("/record/id"));
    }
    let record = Record {
        id: new.id,
        owner: patient.id.clone(),
        home: patient.msp.clone(),
        author: author.id.clone(),
        org: author.msp.clone(),
        version: 1,
        cid: new.cid,
        size: new.size,
        suite: new.suite,
        data_key: new.data_key,
        commitment: new.commitment,
        tags,
        status: RecordStatus::Active,
        hidden: false,
        created,
    };
    let key = store::record(&record.id);
    write_version(context, &record, &author, "/record")?;
    context.put_bytes(&store::owned(&record.owner, &record.id), store::MARK)?;
    policy::protect(context, &patient.msp, &[key])?;
    audit::record(context, &author, Act::Add, &record.id, Some(&patient))?;
    context.event(RECORD_ADDED, &change(&record))?;
    Ok(record)
}

/// `AddVersion(version)`.
///
/// A new version makes the earlier one unopenable, so to practise at the patient's home is not enough: the caller
/// is the patient, the record's author, or has a `submit` grant that covers the record.
pub(super) fn add_version(
    context: &mut Context<'_>,
    new: NewVersion,
) -> Result<Record, ContractError> {
    let author = person::caller(context)?;
    check_ciphertext(new.size, new.suite, "/version")?;
    let absent = || error::ABSENT.because("no such record, or no right to write to it");
    let mut record: Record = context.get(&store::record(&new.id))?.ok_or_else(absent)?;
    let patient = person::patient(context, &record.owner)?.ok_or_else(absent)?;
    match may_write(context, &author, &patient, &Facts::from(&record))? {
        Some(Ground::Permitted) => {}
        Some(Ground::AtHome) if record.author == author.id => {}
        _ => return Err(absent()),
    }
    if record.status != RecordStatus::Active {
        return Err(error::STATE.because("the record is retracted"));
    }
    if new.version != record.version + 1 {
        let reason = "the version does not follow on the current one";
        return Err(error::STATE.because(reason).at("/version/version"));
    }
    record.version = new.version;
    record.cid = new.cid;
    record.size = new.size;
    record.suite = new.suite;
    record.data_key = new.data_key;
    record.commitment = new.commitment;
    write_version(context, &record, &author, "/version")?;
    audit::record(context, &author, Act::AddVersion, &record.id, Some(&patient))?;
    context.event(RECORD_VERSION_ADDED, &change(&record))?;
    Ok(record)
}

fn write_version(
    context: &mut Context<'_>,
    record: &Record,
    author: &Subject,
    argument: &str,
) -> Result<(), ContractError> {
    // A data key that served two records would let the reader of one fetch the wrap of the other.
    if context.bytes(&store::data_key(&record.data_key))?.is_some() {
        let taken = error::TAKEN.because("the data key id is taken");
        return Err(taken.at(format!("{argument}/dataKey")));
    }
    let data_key = DataKey { record: record.id.clone(), author: author.id.clone() };
    let version = Version {
        record: record.id.clone(),
        version: record.version,
        cid: record.cid.clone(),
        size: record.size,
        suite: record.suite,
        data_key: record.data_key.clone(),
        commitment: record.commitment.clone(),
        author: author.id.clone(),
        at: context.now(),
    };
    context.put(&store::data_key(&record.data_key), &data_key)?;
    context.put(&store::version(&record.id, record.version), &version)?;
    context.put(&store::record(&record.id), record)
}

fn check_ciphertext(size: u64, suite: u32, argument: &str) -> Result<(), ContractError> {
    if suite != FORMAT_1 {
        let unknown = codes::VALUE.because("the ciphertext format is not known");
        return Err(unknown.at(format!("{argument}/suite")));
    }
    if size == 0 || size > SIZE_MAX {
        let size = codes::VALUE.because("a ciphertext has between 1 byte and 4 TiB");
        return Err(size.at(format!("{argument}/size")));
    }
    Ok(())
}

pub(super) fn change(record: &Record) -> RecordChange {
    RecordChange {
        record: record.id.clone(),
        version: record.version,
        data_key: record.data_key.clone(),
    }
}
