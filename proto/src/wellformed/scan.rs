//! The wire format of an envelope, field by field, with the rules of Fabric's decoder (protobuf-go).
//!
//! The last occurrence of a field wins; a known number with another wire type, and every other number, is an unknown
//! field, kept with its tag in minimal form and its value as it is. Nothing here recurses or allocates by a length
//! that the input claims.

use std::ops::Range;

use super::Fault;

/// The deepest nesting of groups that Fabric's decoder follows.
const GROUP_DEPTH_LIMIT: usize = 10_000;
const MAX_FIELD_NUMBER: u64 = (1 << 29) - 1;
const VARINT_LIMIT: usize = 10;

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const START_GROUP: u64 = 3;
const END_GROUP: u64 = 4;
const FIXED32: u64 = 5;

/// Where an envelope's fields lie in its raw form.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Scanned {
    pub(super) payload: Range<usize>,
    pub(super) signature: Range<usize>,
    /// Unknown fields as Fabric's encoder would write them, after the known ones.
    pub(super) unknown: Vec<u8>,
}

/// Reads an envelope's fields.
pub(super) fn scan(raw: &[u8]) -> Result<Scanned, Fault> {
    let mut scanned = Scanned::default();
    let mut at = 0;
    while at < raw.len() {
        let (tag, value_at) = varint(raw, at)?;
        if !(1..=MAX_FIELD_NUMBER).contains(&(tag >> 3)) {
            return Err(Fault::Invalid("field number out of range"));
        }
        at = value_end(raw, value_at, tag)?;
        match (tag >> 3, tag & 7) {
            (1, BYTES) => scanned.payload = content(raw, value_at, at)?,
            (2, BYTES) => scanned.signature = content(raw, value_at, at)?,
            _ => {
                put_varint(&mut scanned.unknown, tag);
                scanned.unknown.extend_from_slice(&raw[value_at..at]);
            }
        }
    }
    Ok(scanned)
}

/// The length of a byte field with a one-byte tag.
pub(super) fn field_len(content: &[u8]) -> usize {
    1 + varint_len(content.len() as u64) + content.len()
}

/// What follows in `raw` after a minimal byte field of that number and content; `None` if it does not start so.
pub(super) fn strip_field<'a>(raw: &'a [u8], number: u8, content: &[u8]) -> Option<&'a [u8]> {
    let mut head = vec![number << 3 | BYTES as u8];
    put_varint(&mut head, content.len() as u64);
    raw.strip_prefix(&head[..])?.strip_prefix(content)
}

fn content(raw: &[u8], value_at: usize, end: usize) -> Result<Range<usize>, Fault> {
    let (_, start) = varint(raw, value_at)?;
    Ok(start..end)
}

/// The end of the value at `at`; a group ends with its own end tag.
fn value_end(raw: &[u8], mut at: usize, tag: u64) -> Result<usize, Fault> {
    let mut open: Vec<u64> = Vec::new();
    let mut tag = tag;
    loop {
        let number = tag >> 3;
        match tag & 7 {
            START_GROUP => {
                if open.len() > GROUP_DEPTH_LIMIT {
                    return Err(Fault::Invalid("groups are nested too deeply"));
                }
                open.push(number);
            }
            END_GROUP => {
                if open.pop() != Some(number) {
                    return Err(Fault::Invalid("group ends that did not start"));
                }
            }
            wire_type => at = plain_end(raw, at, wire_type)?,
        }
        if open.is_empty() {
            return Ok(at);
        }
        (tag, at) = varint(raw, at)?;
        if !(1..=i32::MAX as u64).contains(&(tag >> 3)) {
            return Err(Fault::Invalid("field number out of range"));
        }
    }
}

fn plain_end(raw: &[u8], at: usize, wire_type: u64) -> Result<usize, Fault> {
    let (len, start) = match wire_type {
        VARINT => (0, varint(raw, at)?.1),
        FIXED64 => (8, at),
        FIXED32 => (4, at),
        BYTES => varint(raw, at)?,
        _ => return Err(Fault::Invalid("reserved wire type")),
    };
    match usize::try_from(len).ok().and_then(|len| start.checked_add(len)) {
        Some(end) if end <= raw.len() => Ok(end),
        _ => Err(Fault::Invalid("ends inside a field")),
    }
}

fn varint(raw: &[u8], at: usize) -> Result<(u64, usize), Fault> {
    let mut value = 0u64;
    for (i, byte) in raw[at..].iter().take(VARINT_LIMIT).enumerate() {
        if i == VARINT_LIMIT - 1 && *byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok((value, at + i + 1));
        }
    }
    Err(Fault::Invalid("broken varint"))
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}
