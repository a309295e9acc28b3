//! Opening a log: find its segments, check them, cut what a crash tore, refuse what rotted.

use std::sync::Arc;

use super::format::{self, BadHead, HEAD, MARK_LEN, MARK_NAME, MARK_SLOT, RecordHead};
use super::read::{Segment, Shared};
use super::{Check, MAX_RECORD_BYTES, Options, RecordLog};
use crate::Error;
use crate::storage::{Storage, StoredFile};

pub(super) fn open(storage: Arc<dyn Storage>, options: Options) -> Result<RecordLog, Error> {
    let Mark { file: mark, synced, turn: mark_turn } = open_mark(&*storage)?;
    let mut segments = Vec::new();
    let mut end = 0;
    let mut cut_bytes = 0;
    let bases = bases(&*storage)?;
    for (i, base) in bases.iter().enumerate() {
        let opening = Opening { storage: &*storage, options, synced, last: i + 1 == bases.len() };
        let segment = opening.segment(*base, end)?;
        (end, cut_bytes) = opening.check(&segment)?;
        segments.push(Arc::new(segment));
    }
    if let Some(position) = synced.filter(|position| end < *position) {
        let file = storage.describe(&format::segment_name(bases.last().copied().unwrap_or(0)));
        let offset = end - bases.last().copied().unwrap_or(0);
        let reason = match position > end && bases.is_empty() {
            true => "all segments of the log are missing",
            false => "log is shorter than what was synced",
        };
        return Err(Error::Corrupt { file, offset, reason });
    }
    if segments.is_empty() {
        segments.push(Arc::new(create_segment(&*storage, options.label, 0)?));
        end = HEAD as u64;
    }
    let shared = Arc::new(Shared::new(segments, end));
    let stopped = None;
    Ok(RecordLog {
        storage,
        options,
        shared,
        mark,
        mark_turn,
        buffer: Vec::new(),
        cut_bytes,
        stopped,
    })
}

/// Makes a segment whose head is durable before any record follows.
pub(super) fn create_segment(
    storage: &dyn Storage,
    label: [u8; 4],
    base: u64,
) -> Result<Segment, Error> {
    let name = format::segment_name(base);
    let described = storage.describe(&name);
    let file =
        storage.create(&name).map_err(|source| Error::Io { file: described.clone(), source })?;
    let segment = Segment { base, name, described, file };
    write_head(&segment, label)?;
    Ok(segment)
}

fn write_head(segment: &Segment, label: [u8; 4]) -> Result<(), Error> {
    let head = format::segment_head(label, segment.base);
    let written = segment.file.write_at(&head, 0).and_then(|()| segment.file.sync());
    written.map_err(|source| Error::Io { file: segment.described.clone(), source })
}

fn bases(storage: &dyn Storage) -> Result<Vec<u64>, Error> {
    let names =
        storage.list().map_err(|source| Error::Io { file: storage.describe(""), source })?;
    let mut bases: Vec<u64> = names.iter().filter_map(|name| format::segment_base(name)).collect();
    bases.sort_unstable();
    Ok(bases)
}

/// What the mark tells: the furthest position that was synced, `None` if it tells nothing.
struct Mark {
    file: Arc<dyn StoredFile>,
    synced: Option<u64>,
    turn: u64,
}

fn open_mark(storage: &dyn Storage) -> Result<Mark, Error> {
    let io = |source| Error::Io { file: storage.describe(MARK_NAME), source };
    let names = storage.list().map_err(io)?;
    if !names.iter().any(|name| name == MARK_NAME) {
        return Ok(Mark { file: storage.create(MARK_NAME).map_err(io)?, synced: None, turn: 0 });
    }
    let file = storage.open(MARK_NAME).map_err(io)?;
    let size = file.size().map_err(io)?;
    let mut newest = None;
    for offset in [0, MARK_SLOT] {
        if size < offset + MARK_LEN as u64 {
            continue;
        }
        let mut slot = [0; MARK_LEN];
        file.read_at(&mut slot, offset).map_err(io)?;
        newest = newest.max(format::read_mark(&slot).map(|(position, turn)| (turn, position)));
    }
    let turn = newest.map_or(0, |(turn, _)| turn);
    Ok(Mark { file, synced: newest.map(|(_, position)| position), turn })
}

/// How one segment is opened.
struct Opening<'a> {
    storage: &'a dyn Storage,
    options: Options,
    synced: Option<u64>,
    last: bool,
}

// === impl Opening ===

impl Opening<'_> {
    /// Opens the segment that must begin at `expected`, and checks its head.
    fn segment(&self, base: u64, expected: u64) -> Result<Segment, Error> {
        let name = format::segment_name(base);
        let described = self.storage.describe(&name);
        let io = |source| Error::Io { file: described.clone(), source };
        let file = self.storage.open(&name).map_err(io)?;
        let size = file.size().map_err(io)?;
        let segment = Segment { base, name, described: described.clone(), file };
        if base != expected {
            return Err(
                segment.corrupt(0, "the segment before it is missing or has another length")
            );
        }
        if self.last && size <= HEAD as u64 && !self.is_synced(base) {
            // The crash came while the segment was being made; no record can have followed.
            segment.file.truncate(0).map_err(io)?;
            write_head(&segment, self.options.label)?;
            return Ok(segment);
        }
        if size < HEAD as u64 {
            return Err(segment.corrupt(0, "segment is shorter than its head"));
        }
        let mut head = [0; HEAD];
        segment.read(&mut head, 0)?;
        match format::check_segment_head(&head, self.options.label, base) {
            Ok(()) => Ok(segment),
            Err(BadHead::Broken(reason)) => Err(segment.corrupt(0, reason)),
            Err(BadHead::Foreign(reason)) => Err(Error::Foreign { file: described, reason }),
        }
    }

    /// Walks the records; gives the position after the last good one, and how many bytes were cut there.
    fn check(&self, segment: &Segment) -> Result<(u64, u64), Error> {
        let io = |source| Error::Io { file: segment.described.clone(), source };
        let size = segment.file.size().map_err(io)?;
        let bodies = self.last || self.options.check == Check::Everything;
        let mut offset = HEAD as u64;
        while offset < size {
            let Err(flaw) = check_record(segment, offset, size, bodies)? else {
                offset = end_of(segment, offset)?;
                continue;
            };
            if !self.last || self.is_synced(segment.base + offset) || self.is_rot(flaw) {
                return Err(segment.corrupt(offset, flaw.reason()));
            }
            segment.file.truncate(offset).and_then(|()| segment.file.sync()).map_err(io)?;
            tracing::warn!(
                file = segment.described,
                offset,
                bytes = size - offset,
                "cut a torn tail"
            );
            return Ok((segment.base + offset, size - offset));
        }
        Ok((segment.base + offset, 0))
    }

    /// Whether a byte at `position` was durable once.
    fn is_synced(&self, position: u64) -> bool {
        self.synced.is_some_and(|synced| position < synced)
    }

    /// Without the mark, a whole record with others after it cannot have been torn.
    fn is_rot(&self, flaw: Flaw) -> bool {
        self.synced.is_none() && flaw == Flaw::BodyInTheMiddle
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    Head,
    Incomplete,
    BodyAtTheEnd,
    BodyInTheMiddle,
}

// === impl Flaw ===

impl Flaw {
    fn reason(self) -> &'static str {
        match self {
            Flaw::Head => "checksum of a record's head does not match",
            Flaw::Incomplete => "record is longer than its segment",
            Flaw::BodyAtTheEnd | Flaw::BodyInTheMiddle => {
                "checksum of a record's body does not match"
            }
        }
    }
}

fn check_record(
    segment: &Segment,
    offset: u64,
    size: u64,
    bodies: bool,
) -> Result<Result<(), Flaw>, Error> {
    if size - offset < HEAD as u64 {
        return Ok(Err(Flaw::Incomplete));
    }
    let mut head = [0; HEAD];
    segment.read(&mut head, offset)?;
    let Some(head) = RecordHead::decode(&head) else { return Ok(Err(Flaw::Head)) };
    let body_at = offset + HEAD as u64;
    if head.len as usize > MAX_RECORD_BYTES || size - body_at < u64::from(head.len) {
        return Ok(Err(Flaw::Incomplete));
    }
    if !bodies {
        return Ok(Ok(()));
    }
    let mut body = vec![0; head.len as usize];
    segment.read(&mut body, body_at)?;
    if crc32fast::hash(&body) == head.body_crc {
        return Ok(Ok(()));
    }
    match body_at + u64::from(head.len) == size {
        true => Ok(Err(Flaw::BodyAtTheEnd)),
        false => Ok(Err(Flaw::BodyInTheMiddle)),
    }
}

/// The end of a record whose head was just found good.
fn end_of(segment: &Segment, offset: u64) -> Result<u64, Error> {
    let mut head = [0; HEAD];
    segment.read(&mut head, offset)?;
    let len = RecordHead::decode(&head).map_or(0, |head| head.len);
    Ok(offset + HEAD as u64 + u64::from(len))
}
