//! Distinguished names: which strings are let through, and the text that Go makes of a subject.

use super::Error;
use super::der::{Reader, tag};

const T61_STRING: u8 = 0x14;
const PRINTABLE_STRING: u8 = 0x13;
const UTF8_STRING: u8 = 0x0c;
const BMP_STRING: u8 = 0x1e;
const IA5_STRING: u8 = 0x16;
const NUMERIC_STRING: u8 = 0x12;

const X500: [u8; 2] = [0x55, 0x04];
const COMMON_NAME: u8 = 3;
const SERIAL_NUMBER: u8 = 5;
const ORGANIZATIONAL_UNIT: u8 = 11;

/// The attributes that Go prints, from the last to the first, with their short names.
const PRINTED: [(u8, &str); 9] = [
    (SERIAL_NUMBER, "SERIALNUMBER"),
    (COMMON_NAME, "CN"),
    (17, "POSTALCODE"),
    (9, "STREET"),
    (8, "ST"),
    (7, "L"),
    (ORGANIZATIONAL_UNIT, "OU"),
    (10, "O"),
    (6, "C"),
];

/// A parsed distinguished name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Name {
    /// All attributes in order: encoded object identifier and text.
    attributes: Vec<(Vec<u8>, String)>,
}

impl Name {
    /// Reads a name; `whole` is its SEQUENCE with tag and length.
    pub(crate) fn read(whole: &[u8]) -> Result<Name, Error> {
        let malformed = |what: &str| Error::Malformed(format!("invalid RDNSequence{what}"));
        let mut names = Reader::new(whole).sequence().ok_or_else(|| malformed(""))?;
        let mut attributes = Vec::new();
        while !names.is_empty() {
            let set = names.content(tag::SET).ok_or_else(|| malformed(""))?;
            let mut set = Reader::new(set);
            while !set.is_empty() {
                let mut pair = set.sequence().ok_or_else(|| malformed(": invalid attribute"))?;
                let kind = pair.oid().ok_or_else(|| malformed(": invalid attribute type"))?;
                let value = pair.any().ok_or_else(|| malformed(": invalid attribute value"))?;
                let text = text(value.tag, value.content)
                    .map_err(|why| malformed(&format!(": invalid attribute value: {why}")))?;
                attributes.push((kind.to_vec(), text));
            }
        }
        Ok(Name { attributes })
    }

    fn values(&self, number: u8) -> impl DoubleEndedIterator<Item = &str> {
        self.attributes
            .iter()
            .filter(move |(kind, _)| kind[..] == [X500[0], X500[1], number])
            .map(|(_, value)| value.as_str())
    }

    /// The last common name, or nothing.
    pub(crate) fn common_name(&self) -> &str {
        self.values(COMMON_NAME).next_back().unwrap_or_default()
    }

    /// All organisational units in order, repeated ones too.
    pub(crate) fn organizational_units(&self) -> impl Iterator<Item = &str> {
        self.values(ORGANIZATIONAL_UNIT)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        for (number, short) in PRINTED {
            let values: Vec<&str> = match number {
                COMMON_NAME | SERIAL_NUMBER => {
                    self.values(number).next_back().into_iter().collect()
                }
                _ => self.values(number).collect(),
            };
            let values: Vec<String> = values
                .iter()
                .filter(|v| !v.is_empty() || !matches!(number, COMMON_NAME | SERIAL_NUMBER))
                .map(|v| format!("{short}={}", escaped(v)))
                .collect();
            if !values.is_empty() {
                parts.push(values.join("+"));
            }
        }
        f.write_str(&parts.join(","))
    }
}

/// Escapes what RFC 2253 escapes.
fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut out = String::with_capacity(value.len());
    for (i, c) in value.chars().enumerate() {
        let special = matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';')
            || (c == ' ' && (i == 0 || i == last))
            || (c == '#' && i == 0);
        if special {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Decodes one of the string types that Go knows.
fn text(tag: u8, bytes: &[u8]) -> Result<String, String> {
    let all = |kind: &str, allowed: fn(u8) -> bool| {
        if bytes.iter().all(|b| allowed(*b)) {
            Ok(bytes.iter().map(|b| char::from(*b)).collect())
        } else {
            Err(format!("invalid {kind}"))
        }
    };
    match tag {
        T61_STRING => Ok(bytes.iter().map(|b| char::from(*b)).collect()),
        PRINTABLE_STRING => all("PrintableString", is_printable),
        UTF8_STRING => {
            String::from_utf8(bytes.to_vec()).map_err(|_| "invalid UTF-8 string".to_string())
        }
        BMP_STRING => basic_plane(bytes).ok_or_else(|| "invalid BMPString".to_string()),
        IA5_STRING => all("IA5String", |b| b.is_ascii()),
        NUMERIC_STRING => all("NumericString", |b| b.is_ascii_digit() || b == b' '),
        other => Err(format!("unsupported string type: {other}")),
    }
}

/// PrintableString with the two characters that are seen in the wild.
fn is_printable(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b" '()+,-./:=?*&".contains(&b)
}

fn basic_plane(bytes: &[u8]) -> Option<String> {
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    let bytes = bytes.strip_suffix(&[0, 0]).unwrap_or(bytes);
    bytes
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .map(|unit| {
            let reserved = unit >= 0xfffe || (0xfdd0..=0xfdef).contains(&unit);
            char::from_u32(u32::from(unit)).filter(|_| !reserved)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_reads_as_go_prints_it() {
        let attributes = [(6, "US"), (10, "a+b"), (11, "x"), (11, "y"), (3, " n#"), (3, "#n ")]
            .map(|(number, text)| (vec![0x55, 0x04, number], text.to_string()))
            .to_vec();
        assert_eq!(Name { attributes }.to_string(), r"CN=\#n\ ,OU=x+OU=y,O=a\+b,C=US");
    }

    #[test]
    fn strings_are_checked_by_their_type() {
        for (tag, bytes, expected) in [
            (PRINTABLE_STRING, &b"a*b"[..], Ok("a*b".to_string())),
            (PRINTABLE_STRING, b"a@b", Err("invalid PrintableString".to_string())),
            (UTF8_STRING, b"\xff", Err("invalid UTF-8 string".to_string())),
            (T61_STRING, b"\xe9", Ok("\u{e9}".to_string())),
            (BMP_STRING, b"\0a\0b\0\0", Ok("ab".to_string())),
            (BMP_STRING, b"\xd8\x00", Err("invalid BMPString".to_string())),
            (0x1c, b"abcd", Err("unsupported string type: 28".to_string())),
        ] {
            assert_eq!(text(tag, bytes), expected, "{tag} {bytes:x?}");
        }
    }
}
