//! Contents on their way out: the whole, whose id is checked behind its last byte, or a part, whose chunks are checked before.

use std::fs::File;
use std::io::Read;

use carecord_proto::content::Hasher;

use crate::Error;
use crate::contents::Stored;
use crate::limits::CHUNK_BYTES;
use crate::tree;

/// A ciphertext, or a part of it, that is sent piece by piece.
pub(crate) struct Outgoing {
    cid: String,
    what: What,
}

enum What {
    Whole { file: File, hasher: Hasher },
    Part { stored: Stored, at: u64, end: u64 },
}

// === impl Outgoing ===

impl Outgoing {
    pub(crate) fn whole(cid: String, file: File) -> Self {
        Self { cid, what: What::Whole { file, hasher: Hasher::default() } }
    }

    /// `length` bytes from `offset`, all to the end if it is 0.
    pub(crate) fn part(
        cid: String,
        stored: Stored,
        offset: u64,
        length: u64,
    ) -> Result<Self, Error> {
        let size = stored.tree().size;
        let end = if length == 0 { size } else { offset.saturating_add(length) };
        if offset >= size || end > size {
            return Err(Error::OutOfRange);
        }
        Ok(Self { cid, what: What::Part { stored, at: offset, end } })
    }

    /// The next bytes; none at the end, if what was read is what the id says.
    pub(crate) fn next(&mut self) -> Result<Vec<u8>, Error> {
        match &mut self.what {
            What::Whole { file, hasher } => next_of_whole(&self.cid, file, hasher),
            What::Part { at, end, .. } if at == end => Ok(Vec::new()),
            What::Part { stored, at, end } => {
                let size = tree::CHUNK_BYTES as u64;
                let number = *at / size;
                let chunk = stored.chunk(number, &self.cid)?;
                let from = (*at - number * size) as usize;
                let to = (*end - number * size).min(chunk.len() as u64) as usize;
                *at = number * size + to as u64;
                Ok(chunk[from..to].to_vec())
            }
        }
    }
}

fn next_of_whole(cid: &str, file: &mut File, hasher: &mut Hasher) -> Result<Vec<u8>, Error> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let count =
        file.read(&mut chunk).map_err(|source| Error::Disk { what: cid.to_owned(), source })?;
    chunk.truncate(count);
    hasher.update(&chunk);
    if count == 0 && std::mem::take(hasher).finish() != cid {
        tracing::error!(cid, "a stored content is damaged");
        return Err(Error::Damaged);
    }
    Ok(chunk)
}
