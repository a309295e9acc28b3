//! A database as a file of rows: read from a database in use, and made into a database again.
//!
//! ```text
//! magic "CAREROWS" · pieces: 1 + name (a column begins) · 2 + key + value · 0 (the end)
//! ```
//!
//! Name, key and value are preceded by their length as u32, big-endian. Merge operators and comparators are not known here:
//! none of our databases has any.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use rocksdb::{DB, IteratorMode, Options, WriteBatch, WriteOptions};

use crate::codes::Code;
use crate::error::{Failure, Outcome};

const MAGIC: &[u8; 8] = b"CAREROWS";
const END: u8 = 0;
const COLUMN: u8 = 1;
const ROW: u8 = 2;
/// The longest piece; above any value that is stored.
const MAX_PIECE: u32 = 256 << 20;
/// Rows written at a time, and their bytes.
const BATCH: usize = 1_000;
const BATCH_BYTES: usize = 4 << 20;
/// How often a database is opened anew if the node has removed a file just then.
const ATTEMPTS: usize = 20;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// Writes all rows of the database in `from`, as they are at one moment, to the new file `to`.
pub(super) fn dump(from: &Path, scratch: &Path, to: &Path) -> Outcome<()> {
    let mut attempt = 0;
    let done = loop {
        attempt += 1;
        let dumped = open(from, scratch).and_then(|(db, columns)| dump_to(&db, &columns, to));
        let _ = std::fs::remove_dir_all(scratch);
        match dumped {
            Err(Dump::Database(_)) if attempt < ATTEMPTS => std::thread::sleep(PAUSE),
            done => break done,
        }
    };
    done.map_err(|error| match error {
        Dump::Database(error) => Failure::new(Code::BackupCopy, error).at(from.display()),
        Dump::File(error) => Failure::file(to, &error),
    })
}

enum Dump {
    Database(rocksdb::Error),
    File(std::io::Error),
}

impl From<rocksdb::Error> for Dump {
    fn from(error: rocksdb::Error) -> Self {
        Dump::Database(error)
    }
}

impl From<std::io::Error> for Dump {
    fn from(error: std::io::Error) -> Self {
        Dump::File(error)
    }
}

/// A second instance beside the node's; it keeps open every file that it needs.
fn open(from: &Path, scratch: &Path) -> Result<(DB, Vec<String>), Dump> {
    let mut options = Options::default();
    options.set_max_open_files(-1);
    let columns = DB::list_cf(&options, from)?;
    let db = DB::open_cf_as_secondary(&options, from, scratch, &columns)?;
    db.try_catch_up_with_primary()?;
    Ok((db, columns))
}

fn dump_to(db: &DB, columns: &[String], to: &Path) -> Result<(), Dump> {
    let mut file = BufWriter::new(File::create(to)?);
    file.write_all(MAGIC)?;
    for name in columns {
        let Some(column) = db.cf_handle(name) else { continue };
        file.write_all(&[COLUMN])?;
        piece(&mut file, name.as_bytes())?;
        for row in db.iterator_cf(&column, IteratorMode::Start) {
            let (key, value) = row?;
            file.write_all(&[ROW])?;
            piece(&mut file, &key)?;
            piece(&mut file, &value)?;
        }
    }
    file.write_all(&[END])?;
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    Ok(())
}

fn piece(file: &mut impl Write, bytes: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(std::io::Error::other)?;
    file.write_all(&length.to_be_bytes())?;
    file.write_all(bytes)
}

/// Makes the new database `to` with the rows in the file `from`.
pub(super) fn load(from: &Path, to: &Path) -> Outcome<()> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::new(Code::BackupDamaged, error).at(from.display());
    let file = File::open(from).map_err(|error| Failure::file(from, &error))?;
    let mut rows = Rows { file: BufReader::new(file) };
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    let db = DB::open_cf(&options, to, ["default"]).map_err(|error| failed(&error))?;
    rows.magic().map_err(|error| failed(&error))?;
    let mut pending = Pending::default();
    let mut column = "default".to_owned();
    loop {
        match rows.next().map_err(|error| failed(&error))? {
            Piece::Column(name) => {
                pending.write(&db).map_err(|error| failed(&error))?;
                if db.cf_handle(&name).is_none() {
                    db.create_cf(&name, &Options::default()).map_err(|error| failed(&error))?;
                }
                column = name;
            }
            Piece::Row(key, value) => {
                let handle = db.cf_handle(&column).ok_or_else(|| failed(&"a column is missing"))?;
                pending.put(&handle, &key, &value);
                if pending.is_full() {
                    pending.write(&db).map_err(|error| failed(&error))?;
                }
            }
            Piece::End => {
                return pending.write(&db).map_err(|error| failed(&error));
            }
        }
    }
}

/// Rows on their way into a database.
#[derive(Default)]
struct Pending {
    batch: WriteBatch,
    bytes: usize,
}

impl Pending {
    fn put(&mut self, column: &impl rocksdb::AsColumnFamilyRef, key: &[u8], value: &[u8]) {
        self.bytes += key.len() + value.len();
        self.batch.put_cf(column, key, value);
    }

    fn is_full(&self) -> bool {
        self.batch.len() >= BATCH || self.bytes >= BATCH_BYTES
    }

    fn write(&mut self, db: &DB) -> Result<(), rocksdb::Error> {
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        self.bytes = 0;
        db.write_opt(std::mem::take(&mut self.batch), &synced)
    }
}

enum Piece {
    Column(String),
    Row(Vec<u8>, Vec<u8>),
    End,
}

struct Rows {
    file: BufReader<File>,
}

impl Rows {
    fn magic(&mut self) -> std::io::Result<()> {
        let mut magic = [0; 8];
        self.file.read_exact(&mut magic)?;
        match &magic == MAGIC {
            true => Ok(()),
            false => Err(std::io::Error::other("it does not hold the rows of a database")),
        }
    }

    fn next(&mut self) -> std::io::Result<Piece> {
        let mut kind = [0];
        self.file.read_exact(&mut kind)?;
        match kind[0] {
            END => Ok(Piece::End),
            COLUMN => {
                String::from_utf8(self.piece()?).map(Piece::Column).map_err(std::io::Error::other)
            }
            ROW => Ok(Piece::Row(self.piece()?, self.piece()?)),
            other => Err(std::io::Error::other(format!("a piece has kind {other}"))),
        }
    }

    fn piece(&mut self) -> std::io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.file.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length > MAX_PIECE {
            return Err(std::io::Error::other("a piece is too long"));
        }
        let mut bytes = Vec::new();
        let read = (&mut self.file).take(u64::from(length)).read_to_end(&mut bytes)?;
        match read == length as usize {
            true => Ok(bytes),
            false => Err(std::io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_in_use_is_read_at_one_moment_and_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        let db = DB::open_cf(&options, at("live"), ["default", "more"]).unwrap();
        let more = db.cf_handle("more").unwrap();
        for n in 0..3_000_u32 {
            db.put(n.to_be_bytes(), n.to_string()).unwrap();
            db.put_cf(&more, n.to_be_bytes(), vec![n as u8; 40]).unwrap();
            if n == 1_500 {
                db.flush().unwrap();
            }
        }
        db.delete(7_u32.to_be_bytes()).unwrap();
        dump(&at("live"), &at("scratch"), &at("rows")).unwrap();
        assert!(!at("scratch").exists());
        db.put(b"later", b"").unwrap();
        load(&at("rows"), &at("again")).unwrap();
        let again = DB::open_cf(&options, at("again"), ["default", "more"]).unwrap();
        let rows = |db: &DB, column: &str| -> Vec<_> {
            let column = db.cf_handle(column).unwrap();
            db.iterator_cf(&column, IteratorMode::Start).map(Result::unwrap).collect()
        };
        assert_eq!(rows(&again, "more"), rows(&db, "more"));
        assert_eq!(rows(&again, "default").len(), 2_999);
        assert_eq!(again.get(7_u32.to_be_bytes()).unwrap(), None);
        let bytes = std::fs::read(at("rows")).unwrap();
        std::fs::write(at("short"), &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(load(&at("short"), &at("never")).unwrap_err().code(), "CR-SNP-007");
    }
}
