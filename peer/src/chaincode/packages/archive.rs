//! Gzipped tar archives from outside, read up to named limits.

use std::{collections::BTreeMap, io::Read};

use flate2::read::GzDecoder;

/// Bytes that an archive may unpack to.
pub(super) const MAX_UNPACKED_BYTES: u64 = 64 << 20;
/// Files that an archive may hold.
pub(super) const MAX_FILES: usize = 1_000;
/// The longest name of a file.
const MAX_NAME_BYTES: usize = 1_024;

/// Reads the files of these names; the others are passed over, unread but counted against the limits.
pub(super) fn files(packed: &[u8], names: &[&str]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let unpacked = Limited { inner: GzDecoder::new(packed), left: MAX_UNPACKED_BYTES };
    let mut archive = tar::Archive::new(unpacked);
    let next = |error: std::io::Error| match packed.starts_with(&[0x1f, 0x8b]) {
        true => format!("error inspecting next tar header: {error}"),
        false => "error reading as gzip stream: gzip: invalid header".to_owned(),
    };
    let mut found = BTreeMap::new();
    for (count, entry) in archive.entries().map_err(next)?.enumerate() {
        let mut entry = entry.map_err(next)?;
        if count >= MAX_FILES {
            return Err(format!("it holds more than {MAX_FILES} files"));
        }
        let name = entry.path_bytes();
        if name.len() > MAX_NAME_BYTES {
            return Err(format!("a file's name is longer than {MAX_NAME_BYTES} bytes"));
        }
        let name = String::from_utf8_lossy(&name).into_owned();
        let kind = entry.header().entry_type();
        if !kind.is_file() {
            let kind = kind.as_byte();
            return Err(format!("tar entry {name} is not a regular file, type {kind}"));
        }
        if names.contains(&name.as_str()) {
            let mut bytes = Vec::new();
            entry
                .read_to_end(&mut bytes)
                .map_err(|error| format!("could not read {name} from tar: {error}"))?;
            found.insert(name, bytes);
        }
    }
    Ok(found)
}

/// A reader that fails instead of unpacking without end.
struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            std::io::Error::other(format!("it unpacks to more than {MAX_UNPACKED_BYTES} bytes"))
        })?;
        Ok(read)
    }
}
