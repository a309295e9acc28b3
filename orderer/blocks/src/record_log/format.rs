//! The bytes of a log, version 1. All numbers are big-endian.
//!
//! ```text
//! segment file NNNNNNNNNNNNNNNNNNNN.log (its name is its base: the position of its first byte)
//!   head, 32 bytes: magic "CARELOG\0" · version u32 · label 4 bytes · base u64 · zero u32 · crc32 of the 28 before
//!   records, each: length u32 · kind u8 · zero 3 · index u64 · term u64 · crc32 of the body · crc32 of the 28 before · body
//! file "synced", two slots at 0 and 512 written in turn:
//!   position u64 · turn u64 · crc32 of the 16 before
//! ```
//!
//! The head has its own checksum, so its length can be trusted without the body. A position counts bytes from the
//! start of the first segment, heads included, so it never changes. "synced" is written after each sync and tells a
//! torn tail, which is cut, from synced bytes that have changed, which are an error.

/// Bytes of a segment's head and of a record's head.
pub(super) const HEAD: usize = 32;
/// The mark's two slots lie in different sectors.
pub(super) const MARK_SLOT: u64 = 512;
pub(super) const MARK_LEN: usize = 20;
pub(super) const MARK_NAME: &str = "synced";

const MAGIC: [u8; 8] = *b"CARELOG\0";
const VERSION: u32 = 1;

/// A segment file's name.
pub(super) fn segment_name(base: u64) -> String {
    format!("{base:020}.log")
}

/// The base in a segment file's name; `None` for other files.
pub(super) fn segment_base(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    (digits.len() == 20).then(|| digits.parse().ok())?
}

pub(super) fn segment_head(label: [u8; 4], base: u64) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_be_bytes());
    head[12..16].copy_from_slice(&label);
    head[16..24].copy_from_slice(&base.to_be_bytes());
    seal(&mut head);
    head
}

/// What a segment's head says is wrong with it.
pub(super) enum BadHead {
    Broken(&'static str),
    Foreign(String),
}

pub(super) fn check_segment_head(
    head: &[u8; HEAD],
    label: [u8; 4],
    base: u64,
) -> Result<(), BadHead> {
    if head[..8] != MAGIC {
        return Err(BadHead::Broken("segment does not start with the magic bytes"));
    }
    if !sealed(head) {
        return Err(BadHead::Broken("checksum of the segment's head does not match"));
    }
    let version = be_u32(&head[8..12]);
    if version != VERSION {
        return Err(BadHead::Foreign(format!("format version {version}, not {VERSION}")));
    }
    if head[12..16] != label {
        return Err(BadHead::Foreign("it holds another kind of log".to_owned()));
    }
    match be_u64(&head[16..24]) == base {
        true => Ok(()),
        false => Err(BadHead::Broken("segment's name and head disagree")),
    }
}

/// A record's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHead {
    pub(super) len: u32,
    pub(super) kind: u8,
    pub(super) index: u64,
    pub(super) term: u64,
    pub(super) body_crc: u32,
}

// === impl RecordHead ===

impl RecordHead {
    pub(super) fn new(kind: u8, index: u64, term: u64, body: &[u8]) -> Self {
        let body_crc = crc32fast::hash(body);
        Self { len: body.len() as u32, kind, index, term, body_crc }
    }

    pub(super) fn encode(&self) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&self.len.to_be_bytes());
        head[4] = self.kind;
        head[8..16].copy_from_slice(&self.index.to_be_bytes());
        head[16..24].copy_from_slice(&self.term.to_be_bytes());
        head[24..28].copy_from_slice(&self.body_crc.to_be_bytes());
        seal(&mut head);
        head
    }

    /// `None` if the head is not what was written.
    pub(super) fn decode(head: &[u8; HEAD]) -> Option<Self> {
        let known = sealed(head) && head[5..8] == [0; 3];
        known.then(|| Self {
            len: be_u32(&head[..4]),
            kind: head[4],
            index: be_u64(&head[8..16]),
            term: be_u64(&head[16..24]),
            body_crc: be_u32(&head[24..28]),
        })
    }
}

/// One slot of the mark.
pub(super) fn mark(position: u64, turn: u64) -> [u8; MARK_LEN] {
    let mut slot = [0; MARK_LEN];
    slot[..8].copy_from_slice(&position.to_be_bytes());
    slot[8..16].copy_from_slice(&turn.to_be_bytes());
    let crc = crc32fast::hash(&slot[..16]);
    slot[16..].copy_from_slice(&crc.to_be_bytes());
    slot
}

/// (position, turn) of a slot that is whole.
pub(super) fn read_mark(slot: &[u8; MARK_LEN]) -> Option<(u64, u64)> {
    let whole = crc32fast::hash(&slot[..16]) == be_u32(&slot[16..]);
    whole.then(|| (be_u64(&slot[..8]), be_u64(&slot[8..16])))
}

fn seal(head: &mut [u8; HEAD]) {
    let crc = crc32fast::hash(&head[..HEAD - 4]);
    head[HEAD - 4..].copy_from_slice(&crc.to_be_bytes());
}

fn sealed(head: &[u8; HEAD]) -> bool {
    crc32fast::hash(&head[..HEAD - 4]) == be_u32(&head[HEAD - 4..])
}

fn be_u32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("callers slice four bytes"))
}

fn be_u64(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes.try_into().expect("callers slice eight bytes"))
}
