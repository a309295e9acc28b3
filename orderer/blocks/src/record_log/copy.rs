//! A log copied while its node writes it: what was synced by then, every byte checked on the way.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::format::{self, BadHead, HEAD, MARK_LEN, MARK_NAME, MARK_SLOT, RecordHead};
use crate::Error;

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// How many records.
    pub records: u64,
    /// Index of the last one: in a block log its block's number.
    pub last_index: Option<u64>,
    /// Their bytes, heads included.
    pub bytes: u64,
}

/// Whether a folder holds a log.
pub fn is_log(folder: &Path) -> bool {
    folder.join(MARK_NAME).is_file() && folder.join(format::segment_name(0)).is_file()
}

/// Copies the log in `from` into the new folder `to`; no lock is taken, so the log may be in use.
///
/// Nothing of a log is ever overwritten, so its synced bytes are the same whenever they are read.
pub fn copy(from: &Path, to: &Path, label: Option<[u8; 4]>) -> Result<Copied, Error> {
    fs::create_dir_all(to).map_err(io(to))?;
    let end = synced(from)?.unwrap_or(0);
    let mut bases: Vec<u64> = fs::read_dir(from)
        .map_err(io(from))?
        .filter_map(|entry| format::segment_base(entry.ok()?.file_name().to_str()?))
        .collect();
    bases.sort_unstable();
    let mut copied = Copied::default();
    for base in bases.into_iter().filter(|base| *base == 0 || *base < end) {
        segment(from, to, base, end, label, &mut copied)?;
    }
    if copied.bytes < end {
        let (file, reason) = (from.display().to_string(), "log is shorter than what was synced");
        return Err(Error::Corrupt { file, offset: copied.bytes, reason });
    }
    let path = to.join(MARK_NAME);
    let mut mark = vec![0; MARK_SLOT as usize];
    mark.extend_from_slice(&format::mark(end, 1));
    write(&path, &mark)?;
    File::open(to).and_then(|folder| folder.sync_all()).map_err(io(to))?;
    Ok(copied)
}

/// How far the log is durable, as its mark says.
fn synced(folder: &Path) -> Result<Option<u64>, Error> {
    let path = folder.join(MARK_NAME);
    let mark = fs::read(&path).map_err(io(&path))?;
    let slot = |offset: u64| {
        let slot = mark.get(usize::try_from(offset).ok()?..)?.get(..MARK_LEN)?;
        format::read_mark(slot.try_into().ok()?).map(|(position, turn)| (turn, position))
    };
    Ok(slot(0).max(slot(MARK_SLOT)).map(|(_, position)| position))
}

fn segment(
    from: &Path,
    to: &Path,
    base: u64,
    end: u64,
    label: Option<[u8; 4]>,
    copied: &mut Copied,
) -> Result<(), Error> {
    let name = format::segment_name(base);
    let (source, target) = (from.join(&name), to.join(&name));
    let file = source.display().to_string();
    let corrupt = |offset: u64, reason| Error::Corrupt { file: file.clone(), offset, reason };
    if base != copied.bytes {
        return Err(corrupt(0, "the segment before it is missing or has another length"));
    }
    let bytes = Segment::open(&source)?;
    let mut out = File::create_new(&target).map_err(io(&target))?;
    let head = bytes.read(0, HEAD)?;
    let head: [u8; HEAD] = head.try_into().map_err(|_| corrupt(0, "segment is too short"))?;
    let own = label.unwrap_or_else(|| head[12..16].try_into().unwrap_or_default());
    match format::check_segment_head(&head, own, base) {
        Ok(()) => {}
        Err(BadHead::Broken(reason)) => return Err(corrupt(0, reason)),
        Err(BadHead::Foreign(reason)) => return Err(Error::Foreign { file, reason }),
    }
    out.write_all(&head).map_err(io(&target))?;
    let mut offset = HEAD as u64;
    while base + offset < end && offset < bytes.size {
        let raw = bytes.read(offset, HEAD)?;
        let raw: [u8; HEAD] = raw.try_into().map_err(|_| corrupt(offset, "record is cut off"))?;
        let head = RecordHead::decode(&raw)
            .ok_or_else(|| corrupt(offset, "checksum of a record's head does not match"))?;
        let body = bytes.read(offset + HEAD as u64, head.len as usize)?;
        if body.len() != head.len as usize || crc32fast::hash(&body) != head.body_crc {
            return Err(corrupt(offset, "checksum of a record's body does not match"));
        }
        out.write_all(&raw).and_then(|()| out.write_all(&body)).map_err(io(&target))?;
        offset += HEAD as u64 + u64::from(head.len);
        copied.records += 1;
        copied.last_index = Some(head.index);
    }
    copied.bytes = base + offset;
    out.sync_all().map_err(io(&target))
}

/// A segment file that may be growing.
struct Segment<'a> {
    path: &'a Path,
    file: File,
    size: u64,
}

impl<'a> Segment<'a> {
    fn open(path: &'a Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(io(path))?;
        let size = file.metadata().map_err(io(path))?.len();
        Ok(Self { path, file, size })
    }

    /// Up to `len` bytes; fewer at the end of the file.
    fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
        use std::os::unix::fs::FileExt;

        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; len.min(left)];
        self.file.read_exact_at(&mut bytes, offset).map_err(io(self.path))?;
        Ok(bytes)
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let written = File::create_new(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(io(path))
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let file = path.display().to_string();
    move |source| Error::Io { file, source }
}
