//! Files of a snapshot: one format byte, then numbers as varints and bytes preceded by their length
//! (Fabric's `common/ledger/snapshot/file.go`).

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use prost::encoding::encode_varint;
use sha2::{Digest, Sha256};

use super::SnapshotError;

/// The first byte of every file.
const FORMAT: u8 = 1;

/// The longest piece that is read: above any value that fits a message.
const MAX_PIECE: u64 = 128 << 20;

/// Bytes read at a time where a file is only hashed.
const HASH_CHUNK: usize = 64 << 10;

/// A file on its way out; its hash is taken as it is written.
pub(super) struct Writer {
    path: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
    piece: Vec<u8>,
}

impl Writer {
    pub(super) fn create(path: PathBuf) -> Result<Self, SnapshotError> {
        let file = File::create_new(&path).map_err(SnapshotError::file(&path))?;
        let (file, hash) = (BufWriter::new(file), Sha256::new());
        let mut writer = Writer { path, file, hash, piece: Vec::new() };
        writer.write(&[FORMAT])?;
        Ok(writer)
    }

    pub(super) fn number(&mut self, number: u64) -> Result<(), SnapshotError> {
        let mut piece = std::mem::take(&mut self.piece);
        piece.clear();
        encode_varint(number, &mut piece);
        let written = self.write(&piece);
        self.piece = piece;
        written
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.number(bytes.len() as u64)?;
        self.write(bytes)
    }

    /// Makes the file durable; gives its name and the hash of all its bytes.
    pub(super) fn done(self) -> Result<(String, String), SnapshotError> {
        let Writer { path, file, hash, .. } = self;
        let synced = file.into_inner().map_err(std::io::IntoInnerError::into_error);
        synced.and_then(|file| file.sync_all()).map_err(SnapshotError::file(&path))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok((name.unwrap_or_default(), hex::encode(hash.finalize())))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.hash.update(bytes);
        self.file.write_all(bytes).map_err(SnapshotError::file(&self.path))
    }
}

/// A file read from its beginning.
pub(super) struct Reader {
    path: PathBuf,
    file: BufReader<File>,
}

impl Reader {
    pub(super) fn open(path: PathBuf) -> Result<Self, SnapshotError> {
        let file = File::open(&path).map_err(SnapshotError::file(&path))?;
        let mut reader = Reader { path, file: BufReader::new(file) };
        match reader.byte()? {
            FORMAT => Ok(reader),
            other => Err(reader.damaged(format!("its format is {other}"))),
        }
    }

    pub(super) fn number(&mut self) -> Result<u64, SnapshotError> {
        let mut number = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.damaged("a number is too long"))
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, SnapshotError> {
        let length = self.number()?;
        if length > MAX_PIECE {
            return Err(self.damaged("a piece is too long"));
        }
        let mut bytes = Vec::new();
        let read = (&mut self.file).take(length).read_to_end(&mut bytes);
        let read = read.map_err(SnapshotError::file(&self.path))?;
        match read as u64 == length {
            true => Ok(bytes),
            false => Err(self.damaged("it ends early")),
        }
    }

    pub(super) fn text(&mut self) -> Result<String, SnapshotError> {
        let bytes = self.bytes()?;
        String::from_utf8(bytes).map_err(|_| self.damaged("a name is no text"))
    }

    pub(super) fn ended(&mut self) -> Result<(), SnapshotError> {
        let mut byte = [0];
        match self.file.read(&mut byte).map_err(SnapshotError::file(&self.path))? {
            0 => Ok(()),
            _ => Err(self.damaged("it goes on behind its end")),
        }
    }

    pub(super) fn damaged(&self, reason: impl ToString) -> SnapshotError {
        SnapshotError::damaged(&self.path, reason)
    }

    fn byte(&mut self) -> Result<u8, SnapshotError> {
        let mut byte = [0];
        self.file.read_exact(&mut byte).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => self.damaged("it ends early"),
            _ => SnapshotError::file(&self.path)(error),
        })?;
        Ok(byte[0])
    }
}

/// SHA-256 of a whole file, hexadecimal.
pub(super) fn hash(path: &Path) -> Result<String, SnapshotError> {
    let mut file = File::open(path).map_err(SnapshotError::file(path))?;
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; HASH_CHUNK]);
    loop {
        match file.read(&mut chunk).map_err(SnapshotError::file(path))? {
            0 => return Ok(hex::encode(hash.finalize())),
            read => hash.update(&chunk[..read]),
        }
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), SnapshotError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(SnapshotError::file(path))
}

/// Writes a small file durably.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), SnapshotError> {
    let written = File::create_new(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(SnapshotError::file(path))
}
