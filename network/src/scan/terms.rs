//! What is looked for: a term, its class, and every spelling it may have on a disk.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::state::read_text;

/// Shorter spellings would be found in random bytes.
const SPELLING_BYTES_MIN: usize = 7;
/// A name without a gap needs more letters, because the view without whitespace holds all of a text's.
const CLOSED_NAME_BYTES_MIN: usize = 12;
/// What is written between the parts of a name: in texts, file names, mail addresses, forms.
const NAME_GAPS: [&str; 5] = [" ", "_", ".", "-", "+"];
const KEY_BYTES_MIN: usize = 16;

/// What kind of secret a term is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Given and family name together.
    FullName,
    /// A name in its field, as FHIR writes it.
    NameField,
    /// A line of a street address.
    Street,
    /// The id of a patient.
    PatientId,
    /// A telephone number, social security number or the like.
    Identifier,
    /// A key that a record is encrypted under.
    DataKey,
    /// Something planted.
    Canary,
}

/// A term with all its spellings, at most one per scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) class: Class,
    pub(super) spellings: Vec<Vec<u8>>,
}

/// Everything that a scan looks for.
#[derive(Clone, Default)]
pub struct Terms {
    terms: BTreeMap<(Class, String), Vec<Vec<u8>>>,
    too_short: usize,
}

// === impl Class ===

impl Class {
    /// The class in reports and in files of terms.
    pub fn word(self) -> &'static str {
        match self {
            Self::FullName => "full-name",
            Self::NameField => "name-field",
            Self::Street => "street",
            Self::PatientId => "patient-id",
            Self::Identifier => "identifier",
            Self::DataKey => "data-key",
            Self::Canary => "canary",
        }
    }

    /// The class that `word` names.
    pub fn of_word(word: &str) -> Option<Self> {
        [
            Self::FullName,
            Self::NameField,
            Self::Street,
            Self::PatientId,
            Self::Identifier,
            Self::DataKey,
            Self::Canary,
        ]
        .into_iter()
        .find(|class| class.word() == word)
    }
}

// === impl Terms ===

impl Terms {
    /// Nothing to look for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the people of every FHIR R4 bundle (`*.json`) in `folder`; answers how many bundles there were.
    pub fn add_bundles(&mut self, folder: &Path) -> Outcome<usize> {
        super::fhir::add_folder(self, folder)
    }

    /// Adds the people of one FHIR R4 bundle or resource.
    pub fn add_bundle(&mut self, bundle: &serde_json::Value) {
        super::fhir::add_bundle(self, bundle);
    }

    /// Adds a key's bytes.
    pub fn add_key(&mut self, key: &[u8]) {
        if key.len() < KEY_BYTES_MIN {
            self.too_short += 1;
            return;
        }
        self.insert(Class::DataKey, hex::encode(key), vec![key.to_vec()]);
    }

    /// Adds a text that is looked for as it stands.
    pub fn add_text(&mut self, class: Class, text: &str) {
        self.insert(class, text.to_owned(), spellings(text));
    }

    /// Adds a person's name.
    pub fn add_name(&mut self, given: &[&str], family: &str) {
        if family.is_empty() {
            return;
        }
        self.add_name_fields(given, family);
        let Some(first) = given.first() else { return };
        let all: Vec<&str> = given.iter().copied().chain([family]).collect();
        self.add_full_name(&all);
        self.add_full_name(&[first, family]);
    }

    /// Adds an id in the form of a UUID: as text, and as its sixteen bytes.
    pub fn add_uuid(&mut self, uuid: &str) {
        let mut spellings = spellings(uuid);
        let bytes = hex::decode(uuid.replace('-', "")).unwrap_or_default();
        if bytes.len() == KEY_BYTES_MIN {
            spellings.push(bytes);
        }
        self.insert(Class::PatientId, uuid.to_lowercase(), spellings);
    }

    /// Adds a file of keys, one in hexadecimal per line.
    pub fn add_key_file(&mut self, path: &Path) -> Outcome<usize> {
        self.add_lines(path, |terms, line| {
            let key = hex::decode(line).map_err(|_| "not a key in hexadecimal".to_owned())?;
            terms.add_key(&key);
            Ok(())
        })
    }

    /// Adds a file of terms, one `class: text` per line; a data key is written in hexadecimal.
    pub fn add_term_file(&mut self, path: &Path) -> Outcome<usize> {
        self.add_lines(path, |terms, line| {
            let (word, text) = line.split_once(':').ok_or("not of the form class: text")?;
            let class = Class::of_word(word.trim())
                .ok_or_else(|| format!("there is no class {:?}", word.trim()))?;
            match (class, text.trim()) {
                (_, "") => return Err("the text is empty".to_owned()),
                (Class::DataKey, text) => {
                    let key = hex::decode(text).map_err(|_| "not a key in hexadecimal")?;
                    terms.add_key(&key);
                }
                (Class::PatientId, text) => terms.add_uuid(text),
                (class, text) => terms.add_text(class, text),
            }
            Ok(())
        })
    }

    /// How many terms there are of each class.
    pub fn counts(&self) -> BTreeMap<Class, usize> {
        let mut counts = BTreeMap::new();
        for (class, _) in self.terms.keys() {
            *counts.entry(*class).or_default() += 1;
        }
        counts
    }

    /// How many terms were left out because they would be found in random bytes.
    pub fn too_short(&self) -> usize {
        self.too_short
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Term, &str)> {
        self.terms.iter().map(|((class, shown), spellings)| {
            (Term { class: *class, spellings: spellings.clone() }, shown.as_str())
        })
    }

    fn add_full_name(&mut self, parts: &[&str]) {
        let shown = parts.join(" ");
        let (family, given) = parts.split_last().expect("a name has a family name");
        let reversed: Vec<&str> = [family].into_iter().chain(given).copied().collect();
        let mut all = vec![format!("{family}, {}", given.join(" "))];
        for gap in NAME_GAPS {
            all.push(parts.join(gap));
            all.push(reversed.join(gap));
        }
        let closed = parts.concat();
        if closed.len() >= CLOSED_NAME_BYTES_MIN {
            all.push(closed);
        }
        let spellings = all.iter().flat_map(|text| spellings(text)).collect();
        self.insert(Class::FullName, shown, spellings);
    }

    /// As JSON without whitespace between tokens, which the search makes of all JSON, and as FHIR's XML.
    fn add_name_fields(&mut self, given: &[&str], family: &str) {
        let json = |name: &str| serde_json::Value::from(name).to_string();
        let mut fields = vec![format!("\"family\":{}", json(family))];
        fields.push(format!("<family value={}", json(family)));
        if let Some(first) = given.first() {
            fields.push(format!("\"given\":[{}", json(first)));
            fields.push(format!("<given value={}", json(first)));
        }
        for field in fields {
            let closed: String = field.split_whitespace().collect();
            let spellings =
                [field.as_str(), &closed].iter().flat_map(|text| spellings(text)).collect();
            self.insert(Class::NameField, field, spellings);
        }
    }

    fn insert(&mut self, class: Class, shown: String, mut spellings: Vec<Vec<u8>>) {
        spellings.retain(|spelling| spelling.len() >= SPELLING_BYTES_MIN);
        spellings.sort_unstable();
        spellings.dedup();
        if spellings.is_empty() {
            self.too_short += 1;
        } else {
            self.terms.entry((class, shown)).or_default().extend(spellings);
        }
    }

    fn add_lines(
        &mut self,
        path: &Path,
        mut add: impl FnMut(&mut Self, &str) -> Result<(), String>,
    ) -> Outcome<usize> {
        let text = read_text(path)?;
        let mut lines = 0;
        for (number, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            // The line itself stays out of the message: it is a secret.
            add(self, line.trim()).map_err(|reason| {
                let place = format!("{}:{}", path.display(), number + 1);
                Failure::new(Code::Argument, reason).at(place)
            })?;
            lines += 1;
        }
        Ok(lines)
    }
}

/// Terms are secrets; a debug print shows their number only.
impl std::fmt::Debug for Terms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Terms({:?})", self.counts())
    }
}

/// A text as UTF-8, without accents, in Latin-1, and in UTF-16 where the view of UTF-16 would not read it.
fn spellings(text: &str) -> Vec<Vec<u8>> {
    let mut all = vec![text.as_bytes().to_vec()];
    if text.is_ascii() {
        return all;
    }
    all.push(text.chars().map(plain_letter).collect::<String>().into_bytes());
    if let Some(latin) = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect() {
        all.push(latin);
    } else {
        all.push(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
        all.push(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
    }
    all
}

/// The letter without its accent, for the letters of western European names.
fn plain_letter(letter: char) -> char {
    const ACCENTED: &str = "ÀÁÂÃÄÅÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝàáâãäåçèéêëìíîïñòóôõöøùúûüýÿ";
    const PLAIN: &str = "AAAAAACEEEEIIIINOOOOOOUUUUYaaaaaaceeeeiiiinoooooouuuuyy";
    let at = ACCENTED.chars().position(|accented| accented == letter);
    at.and_then(|at| PLAIN.chars().nth(at)).unwrap_or(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelt(terms: &Terms, class: Class) -> Vec<String> {
        terms
            .iter()
            .filter(|(term, _)| term.class == class)
            .flat_map(|(term, _)| term.spellings)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .collect()
    }

    #[test]
    fn a_name_is_looked_for_in_both_orders_and_without_accents() {
        let mut terms = Terms::new();
        terms.add_name(&["María", "Luisa"], "Razo");
        let full = spelt(&terms, Class::FullName);
        for text in ["María Luisa Razo", "María Razo", "Maria_Luisa_Razo", "Razo, María Luisa"] {
            assert!(full.iter().any(|spelling| spelling == text), "{text}: {full:?}");
        }
        let fields = spelt(&terms, Class::NameField);
        assert!(fields.iter().any(|field| field == "\"given\":[\"María\""), "{fields:?}");
        assert!(fields.iter().any(|field| field == "\"family\":\"Razo\""), "{fields:?}");
    }

    #[test]
    fn what_random_bytes_would_hold_is_left_out_and_counted() {
        let mut terms = Terms::new();
        terms.add_text(Class::Street, "Elm 1");
        terms.add_key(&[1; 8]);
        assert_eq!((terms.counts().len(), terms.too_short()), (0, 2));
    }

    #[test]
    fn a_wrong_line_is_named_without_being_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        std::fs::write(&path, "# keys\n00112233445566778899aabbccddeeff\nsecret\n").unwrap();
        let text = Terms::new().add_key_file(&path).unwrap_err().to_string();
        assert!(text.contains(":3: not a key") && !text.contains("secret"), "{text}");
    }

    #[test]
    fn a_debug_print_shows_no_term() {
        let mut terms = Terms::new();
        terms.add_text(Class::Street, "883 Nader Harbor");
        assert_eq!(format!("{terms:?}"), "Terms({Street: 1})");
    }
}
