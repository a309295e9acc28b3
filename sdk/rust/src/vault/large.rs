//! Large contents: sealed, sent, fetched and opened piece by piece, so that memory does not grow with them.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use bytes::Bytes;
use carecord_proto::carecord::vault::{PutRequest, put_request};
use carecord_proto::content::Hasher;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{NamedBy, Vault, failed};
use crate::Error;
use crate::seal::{
    self, Binding, DataKey, HEADER_BYTES, Opener, SEALED_SEGMENT_BYTES, SEGMENT_BYTES, Sealer,
};

/// Sealed pieces that wait for the wire.
const PIECES_WAITING: usize = 2;
/// Segments that are sent as one piece.
const SEGMENTS_A_PIECE: usize = 4;

/// What was sent to the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The content id.
    pub cid: String,
    /// Bytes of the sealed content.
    pub size: u64,
}

// === impl Vault ===

impl Vault {
    /// Seals and stores a content of any length. It is read twice, once for its id and once to be sent, and must be the same both
    /// times: only what is sent the second time leaves this machine.
    pub async fn put_large<R: Read + Seek + Send + 'static>(
        &self,
        mut content: R,
        key: &DataKey,
        binding: Binding<'_>,
    ) -> Result<Sent, Error> {
        let sealer = Sealer::new(key, binding)?;
        let second = sealer.again(key, binding);
        let (sent, content) = blocking(move || {
            let (mut hasher, mut size) = (Hasher::default(), 0);
            seal_all(&mut content, sealer, |piece| {
                hasher.update(&piece);
                size += piece.len() as u64;
                true
            })?;
            content.seek(SeekFrom::Start(0)).map_err(Error::File)?;
            Ok((Sent { cid: hasher.finish(), size }, content))
        })
        .await?;
        let named_by = NamedBy { record_id: binding.record_id, version: binding.version };
        let header = self.put_header(&sent.cid, sent.size, named_by)?;
        self.send(header, content, second).await?;
        Ok(sent)
    }

    async fn send<R: Read + Send + 'static>(
        &self,
        header: put_request::Part,
        mut content: R,
        sealer: Sealer,
    ) -> Result<(), Error> {
        let (sender, parts) = mpsc::channel(PIECES_WAITING);
        let request = |part| PutRequest { part: Some(part) };
        let _ = sender.try_send(request(header)); // there is room for the first
        let sealing = tokio::task::spawn_blocking(move || {
            seal_all(&mut content, sealer, |piece| {
                let piece = request(put_request::Part::Chunk(piece.into()));
                sender.blocking_send(piece).is_ok()
            })
        });
        let answer = self.client.clone().put(ReceiverStream::new(parts)).await;
        let sealed = sealing.await.map_err(|_| Error::Answer("sealing ended early"))?;
        answer.map_err(failed)?;
        sealed
    }

    /// Fetches and opens a part of a sealed content of `sealed` bytes, as the ledger gives them, and hands it to `sink` in
    /// order. Each piece is authentic, and in its place, when the sink gets it.
    pub async fn get_part(
        &self,
        (cid, sealed): (&str, u64),
        range: Range<u64>,
        key: &DataKey,
        binding: Binding<'_>,
        mut sink: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), Error> {
        let length = seal::plaintext_bytes(sealed).ok_or(seal::Error::Truncated)?;
        let range = range.start.min(length)..range.end.min(length);
        let header = self.bytes(cid, 0, HEADER_BYTES).await?;
        let opener = Opener::new(key, binding, &header)?;
        let segments = segments(&range, length);
        let first = HEADER_BYTES as u64 + segments.start * SEALED_SEGMENT_BYTES as u64;
        let end = (HEADER_BYTES as u64 + segments.end * SEALED_SEGMENT_BYTES as u64).min(sealed);
        let mut stream = self.part(cid, first, end - first).await?;
        let mut pending = Vec::with_capacity(2 * SEALED_SEGMENT_BYTES);
        let last = length.div_ceil(SEGMENT_BYTES as u64).max(1) - 1;
        for number in segments {
            let wanted = (sealed - HEADER_BYTES as u64 - number * SEALED_SEGMENT_BYTES as u64)
                .min(SEALED_SEGMENT_BYTES as u64) as usize;
            while pending.len() < wanted {
                let part = stream.message().await.map_err(failed)?;
                pending.extend_from_slice(&part.ok_or(seal::Error::Truncated)?.chunk);
            }
            let place = u32::try_from(number).map_err(|_| seal::Error::TooLong)?;
            let opened = opener.segment(place, number == last, &pending[..wanted])?;
            pending.drain(..wanted);
            let at = number * SEGMENT_BYTES as u64;
            let from = range.start.saturating_sub(at).min(opened.len() as u64) as usize;
            let to = range.end.saturating_sub(at).min(opened.len() as u64) as usize;
            sink(&opened[from..to]).map_err(Error::File)?;
        }
        Ok(())
    }

    /// A few bytes of a sealed content.
    async fn bytes(&self, cid: &str, offset: u64, length: usize) -> Result<Bytes, Error> {
        let mut stream = self.part(cid, offset, length as u64).await?;
        let mut bytes = Vec::with_capacity(length);
        while let Some(part) = stream.message().await.map_err(failed)? {
            bytes.extend_from_slice(&part.chunk);
        }
        if bytes.len() != length {
            return Err(seal::Error::Truncated.into());
        }
        Ok(bytes.into())
    }
}

/// The segments in which a part of the content lies; one at least, so that an empty part is authenticated too.
fn segments(range: &Range<u64>, length: u64) -> Range<u64> {
    let size = SEGMENT_BYTES as u64;
    let last = length.div_ceil(size).max(1) - 1;
    let first = (range.start / size).min(last);
    first..range.end.div_ceil(size).clamp(first + 1, last + 1)
}

/// Seals a content and hands it on in pieces, until `piece` says that nobody wants more.
fn seal_all(
    content: &mut impl Read,
    mut sealer: Sealer,
    mut piece: impl FnMut(Vec<u8>) -> bool,
) -> Result<(), Error> {
    let mut out = sealer.header().to_vec();
    let mut segment = segment_of(content)?;
    loop {
        // The last segment is sealed as such, so the next one is read before.
        let next = if segment.len() < SEGMENT_BYTES { Vec::new() } else { segment_of(content)? };
        if next.is_empty() {
            out.extend(sealer.last(&segment)?);
            piece(out);
            return Ok(());
        }
        out.extend(sealer.next(&segment)?);
        if out.len() >= SEGMENTS_A_PIECE * SEALED_SEGMENT_BYTES && !piece(std::mem::take(&mut out))
        {
            return Ok(());
        }
        segment = next;
    }
}

/// The next segment; shorter only at the end.
fn segment_of(content: &mut impl Read) -> Result<Vec<u8>, Error> {
    let mut segment = Vec::with_capacity(SEGMENT_BYTES);
    content.take(SEGMENT_BYTES as u64).read_to_end(&mut segment).map_err(Error::File)?;
    Ok(segment)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Error::Answer("sealing ended early"))?
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Binding<'_> = Binding { record_id: "r1", version: 1 };

    #[test]
    fn pieces_of_a_large_content_are_the_content_sealed_at_once() {
        let key = DataKey::random().unwrap();
        for size in [0, 1, SEGMENT_BYTES, 4 * SEGMENT_BYTES, 9 * SEGMENT_BYTES + 1] {
            let content: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            let sealer = Sealer::new(&key, HERE).unwrap();
            let again = sealer.again(&key, HERE);
            let (mut first, mut second) = (Vec::new(), Vec::new());
            for (sealer, out) in [(sealer, &mut first), (again, &mut second)] {
                let take = |piece: Vec<u8>| {
                    out.extend(piece);
                    true
                };
                seal_all(&mut content.as_slice(), sealer, take).unwrap();
            }
            assert_eq!(first, second);
            assert_eq!(seal::open(&key, HERE, &first).unwrap(), content, "{size}");
        }
    }

    #[test]
    fn a_part_lies_in_the_segments_that_it_touches() {
        let size = SEGMENT_BYTES as u64;
        for (range, length, expected) in [
            (0..0, 0, 0..1),
            (0..1, 1, 0..1),
            (0..size, 3 * size, 0..1),
            (0..size + 1, 3 * size, 0..2),
            (size..3 * size, 3 * size, 1..3),
            (3 * size..3 * size, 3 * size, 2..3),
            (5..5, 3 * size, 0..1),
        ] {
            assert_eq!(segments(&range, length), expected, "{range:?} of {length}");
        }
    }
}
