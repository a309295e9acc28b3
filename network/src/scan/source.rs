//! Bytes at offsets, read in windows, so that a file of any length takes the same memory.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// Bytes looked at together.
pub(super) const WINDOW_BYTES: usize = 4 << 20;
/// Bytes of a window that the next one looks at again: more than the longest term takes in any view.
pub(super) const OVERLAP_BYTES: usize = 64 << 10;

const _: () = assert!(OVERLAP_BYTES * 4 <= WINDOW_BYTES);

/// Something with bytes at offsets.
pub(super) trait Source {
    /// Fills `buf` from `offset` as far as there are bytes; answers how many.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl Source for File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buf.len() {
            match FileExt::read_at(self, &mut buf[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

impl Source for &[u8] {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let read = buf.len().min(self.len() - from);
        buf[..read].copy_from_slice(&self[from..from + read]);
        Ok(read)
    }
}

/// Reads a source from an offset on.
pub(super) struct Tail<'a> {
    source: &'a dyn Source,
    offset: u64,
}

// === impl Tail ===

impl<'a> Tail<'a> {
    pub(super) fn new(source: &'a dyn Source, offset: u64) -> Self {
        Self { source, offset }
    }
}

impl Read for Tail<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read_at(buf, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
