//! Where canaries are put, and how each is dressed up.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use carecord_blocks::RecordLog;
use carecord_blocks::record_log::Options as LogOptions;
use carecord_blocks::storage::{Disk, Storage};
use carecord_ca::{Organisation, Person, Validity};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use rocksdb::{DB, DBCompressionType, FlushOptions, Options as TableOptions};

use super::super::report::Kind;
use super::super::terms::{Class, Terms};
use super::super::{blind, records, tables};
use super::Canary;
use crate::error::{Failure, Outcome};

/// Name of planted files.
const FILE: &str = "canary";
/// A record kind that no log uses.
const RECORD_KIND: u8 = 0xCA;
const KEY_BYTES: usize = 32;
/// Folders deeper than this hold many of the same kind.
const DEPTH_MAX: usize = 6;
const PADDING_REPEATS: usize = 30;
/// When certificates of canaries begin to hold; they are for nobody.
const BORN_UNIX_S: i64 = 1_700_000_000;

/// What to plant: the bytes, how a scan has to undo them, and what they are.
struct Dressed {
    view: &'static str,
    dress: String,
    bytes: Vec<u8>,
    secret: Secret,
}

/// What a scan has to find.
enum Secret {
    /// A text with a gap and a letter that is not ASCII.
    Text(String),
    /// The field of a name.
    Field(String),
    /// A data key.
    Key([u8; KEY_BYTES]),
}

/// Canaries on their way into a copy.
pub(super) struct Planting {
    root: PathBuf,
    terms: Terms,
    canaries: Vec<Canary>,
}

// === impl Planting ===

impl Planting {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), terms: Terms::new(), canaries: Vec::new() }
    }

    pub(super) fn done(self) -> (Vec<Canary>, Terms) {
        (self.canaries, self.terms)
    }

    /// One in every folder, database and log that is there, and one of every dress among the files.
    pub(super) fn everything(&mut self) -> Outcome<()> {
        self.folder(&self.root.clone(), 0)?;
        for dressed in dresses()? {
            let folder = self.root.join(format!("{FILE}-{}", self.canaries.len()));
            self.file(&folder, dressed)?;
        }
        self.named_file()
    }

    fn folder(&mut self, path: &Path, depth: usize) -> Outcome<()> {
        let failed = |error: std::io::Error| Failure::file(path, &error);
        let mut label = None;
        for entry in fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?.path();
            if entry.is_dir() {
                self.folder(&entry, depth + 1)?;
            } else {
                label = label.or_else(|| records::label(&entry));
            }
        }
        if let Some(label) = label {
            self.record_log(path, label)?;
        }
        if tables::is_table(path) {
            self.table(path)?;
        }
        if depth > 0 && depth <= DEPTH_MAX {
            self.file(path, plain()?)?;
        }
        Ok(())
    }

    fn file(&mut self, folder: &Path, dressed: Dressed) -> Outcome<()> {
        let path = folder.join(FILE);
        fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
        fs::write(&path, &dressed.bytes).map_err(|error| Failure::file(&path, &error))?;
        self.note(Kind::Files, &path, dressed);
        Ok(())
    }

    /// The name of a file tells as much as its content.
    fn named_file(&mut self) -> Outcome<()> {
        let text = text()?;
        let path = self.root.join(&text);
        fs::write(&path, "").map_err(|error| Failure::file(&path, &error))?;
        let painted = self.root.join("*".repeat(text.len()));
        let dress = "a file's name".to_owned();
        let dressed = Dressed { view: "raw", dress, bytes: Vec::new(), secret: Secret::Text(text) };
        self.note(Kind::Files, &painted, dressed);
        Ok(())
    }

    fn record_log(&mut self, folder: &Path, label: [u8; 4]) -> Outcome<()> {
        let failed = |error: carecord_blocks::Error| blind(folder, error);
        let disk: Arc<dyn Storage> = Disk::open(folder).map_err(|error| blind(folder, error))?;
        let mut log = RecordLog::open(disk, LogOptions::new(label)).map_err(failed)?;
        for dressed in [plain()?, key()?, gzipped()?, certified()?] {
            log.append(RECORD_KIND, 0, 0, &dressed.bytes).map_err(failed)?;
            self.note(Kind::RecordLog, folder, dressed);
        }
        log.sync().map_err(failed)
    }

    fn table(&mut self, folder: &Path) -> Outcome<()> {
        let failed = |error: rocksdb::Error| blind(folder, error);
        let mut options = TableOptions::default();
        options.set_compression_type(DBCompressionType::Lz4);
        let families = DB::list_cf(&options, folder).map_err(failed)?;
        let with_options = families.iter().map(|name| (name.clone(), options.clone()));
        let db = DB::open_cf_with_opts(&options, folder, with_options).map_err(failed)?;
        for family in &families {
            let handle = db.cf_handle(family).ok_or_else(|| blind(folder, family))?;
            for (number, dressed) in [plain()?, key()?, gzipped()?].into_iter().enumerate() {
                let name = format!("{FILE} {number}");
                db.put_cf(&handle, name, &dressed.bytes).map_err(failed)?;
                self.note(Kind::Table, folder, dressed);
            }
            let named = plain()?;
            db.put_cf(&handle, &named.bytes, "a key of a row").map_err(failed)?;
            self.note(Kind::Table, folder, named);
            db.flush_cf_opt(&handle, &FlushOptions::default()).map_err(failed)?;
        }
        Ok(())
    }

    fn note(&mut self, kind: Kind, path: &Path, dressed: Dressed) {
        let secret = match dressed.secret {
            Secret::Text(text) => {
                self.terms.add_text(Class::Canary, &text);
                text
            }
            Secret::Field(family) => {
                self.terms.add_name(&[], &family);
                format!("\"family\":\"{family}\"")
            }
            Secret::Key(key) => {
                self.terms.add_key(&key);
                hex::encode(key)
            }
        };
        let path = path.strip_prefix(&self.root).unwrap_or(path).display().to_string();
        let (view, dress) = (dressed.view, dressed.dress);
        self.canaries.push(Canary { kind, path, view, dress, found: false, secret });
    }
}

// === dresses ===

fn plain() -> Outcome<Dressed> {
    let text = text()?;
    Ok(Dressed::text("raw", "text", &text, text.clone()))
}

fn key() -> Outcome<Dressed> {
    let key = random()?;
    let bytes = [&b"\x0a\x20"[..], &key, b"\x12"].concat();
    Ok(Dressed { view: "raw", dress: "key".to_owned(), bytes, secret: Secret::Key(key) })
}

fn gzipped() -> Outcome<Dressed> {
    let text = text()?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(padded(&text).as_bytes()).map_err(in_memory)?;
    let packed = encoder.finish().map_err(in_memory)?;
    let bytes = [&b"before"[..], &packed, b"after"].concat();
    Ok(Dressed { view: "gzip", dress: "gzip".to_owned(), bytes, secret: Secret::Text(text) })
}

fn certified() -> Outcome<Dressed> {
    let text = text()?;
    let validity = Validity::days_from(BORN_UNIX_S, 1);
    let person =
        Person { name: FILE.to_owned(), role: None, admin: false, key: Default::default() };
    let issued = Organisation::create("canary.example", None, validity)
        .and_then(|organisation| organisation.person(&person, &text, validity))
        .map_err(crate::bringup::ca_failure)?;
    let bytes = issued.certificate_pem.into_bytes();
    let dress = "the name in a certificate".to_owned();
    Ok(Dressed { view: "certificate", dress, bytes, secret: Secret::Text(text) })
}

/// Every view, and every spelling of it that is common on disks.
fn dresses() -> Outcome<Vec<Dressed>> {
    let mut all = vec![key()?, gzipped()?, certified()?, zlibbed()?];
    let bases = [
        (&STANDARD, "base64"),
        (&STANDARD_NO_PAD, "base64 without padding"),
        (&URL_SAFE, "base64url"),
        (&URL_SAFE_NO_PAD, "base64url without padding"),
    ];
    for (engine, dress) in bases {
        for before in ["", "a/", "abc"] {
            let text = text()?;
            let line = format!("level=info value={before}{} end\n", engine.encode(&text));
            all.push(Dressed::text("base64", dress, &line, text));
        }
        let key = random()?;
        let bytes = format!("{{\"key\":\"{}\"}}", engine.encode(key)).into_bytes();
        let dress = format!("key in {dress}");
        all.push(Dressed { view: "base64", dress, bytes, secret: Secret::Key(key) });
    }
    for before in ["", "0x", "a"] {
        let text = text()?;
        let line = format!("level=debug value={before}{}\n", hex::encode(&text));
        all.push(Dressed::text("hex", "hexadecimal", &line, text));
    }
    let key = random()?;
    let bytes = hex::encode_upper(key).into_bytes();
    let dress = "key in hexadecimal".to_owned();
    all.push(Dressed { view: "hex", dress, bytes, secret: Secret::Key(key) });
    all.extend(utf16()?);
    all.extend(escaped()?);
    Ok(all)
}

fn zlibbed() -> Outcome<Dressed> {
    let text = text()?;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(padded(&text).as_bytes()).map_err(in_memory)?;
    let bytes = encoder.finish().map_err(in_memory)?;
    Ok(Dressed { view: "zlib", dress: "zlib".to_owned(), bytes, secret: Secret::Text(text) })
}

fn utf16() -> Outcome<Vec<Dressed>> {
    let (little, big) = (text()?, text()?);
    let little_bytes = little.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big_bytes = big.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let dressed = |dress: &str, mut bytes: Vec<u8>, text| {
        // An odd offset, as in the middle of other data.
        bytes.insert(0, 1);
        Dressed { view: "utf-16", dress: dress.to_owned(), bytes, secret: Secret::Text(text) }
    };
    Ok(vec![dressed("UTF-16LE", little_bytes, little), dressed("UTF-16BE", big_bytes, big)])
}

fn escaped() -> Outcome<[Dressed; 3]> {
    let (json, percent, field) = (text()?, text()?, text()?);
    let json_line = json.replace('ë', "\\u00eb").replace(' ', "\\u0020");
    let percent_line = percent.replace('ë', "%C3%AB").replace(' ', "%20");
    let family = field.split_whitespace().collect::<String>();
    let field_lines = format!("{{\n  \"family\" :\n    \"{family}\"\n}}");
    Ok([
        Dressed::text("json-escapes", "escapes in JSON", &json_line, json),
        Dressed::text("percent-escapes", "escapes in a URL", &percent_line, percent),
        Dressed {
            view: "without-whitespace",
            dress: "a field in indented JSON".to_owned(),
            bytes: field_lines.into_bytes(),
            secret: Secret::Field(family),
        },
    ])
}

// === impl Dressed ===

impl Dressed {
    fn text(view: &'static str, dress: &str, bytes: &str, secret: String) -> Self {
        let secret = Secret::Text(secret);
        Self { view, dress: dress.to_owned(), bytes: bytes.as_bytes().to_vec(), secret }
    }
}

fn text() -> Outcome<String> {
    let bytes = random()?;
    Ok(format!("Zoë Wren {}", hex::encode(&bytes[..6])))
}

/// Enough of the same makes a compressor use codes, in which no letter lies open.
fn padded(text: &str) -> String {
    format!("{}{text}", "the name of the patient is ".repeat(PADDING_REPEATS))
}

fn random() -> Outcome<[u8; KEY_BYTES]> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| blind(Path::new(FILE), error))?;
    Ok(bytes)
}

fn in_memory(error: std::io::Error) -> Failure {
    blind(Path::new(FILE), error)
}
