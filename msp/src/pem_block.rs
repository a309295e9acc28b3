//! PEM text as Go's `pem.Decode` takes it: leading text, headers and trailing bytes are let through.
//!
//! The first END line is looked for, then the last BEGIN line before it; whatever does not become a block is skipped.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"\n-----END ";
const DASHES: &[u8] = b"-----";
const COLUMNS: usize = 64;

/// Padding is needed; the bits behind the last byte may be anything.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// One PEM block and where it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PemBlock<'a> {
    /// The words after BEGIN.
    pub kind: String,
    /// The decoded bytes.
    pub bytes: Vec<u8>,
    /// What follows the END line.
    pub rest: &'a [u8],
}

/// Finds the first block of `text`.
pub fn decode(text: &[u8]) -> Option<PemBlock<'_>> {
    let mut rest = text;
    loop {
        let end = find(rest, END)?;
        match block_before(rest, end) {
            Tried::Block(block) => return Some(block),
            Tried::Nothing => return None,
            Tried::Skip => rest = &rest[end + END.len()..],
        }
    }
}

enum Tried<'a> {
    Block(PemBlock<'a>),
    /// This END line closes no block; look behind it.
    Skip,
    /// The text ends inside a header.
    Nothing,
}

/// Tries to read the block that the END line at `end` closes.
fn block_before(text: &[u8], end: usize) -> Tried<'_> {
    let Some(begin) = find_last(&text[..end], BEGIN) else { return Tried::Skip };
    if begin > 0 && text[begin - 1] != b'\n' {
        return Tried::Skip;
    }
    let mut at = begin + BEGIN.len();
    let (type_line, consumed) = line(&text[at..]);
    let Some(kind) = type_line.strip_suffix(DASHES) else { return Tried::Skip };
    at += consumed;

    let mut has_headers = false;
    loop {
        if at >= text.len() {
            return Tried::Nothing;
        }
        let (header, consumed) = line(&text[at..]);
        if !header.contains(&b':') {
            break;
        }
        has_headers = true;
        at += consumed;
    }
    // an empty block has its END line, whose newline was the end of the line before, right here
    if has_headers && at > end {
        return Tried::Skip;
    }

    let Some(trailer) = text.get(end + END.len()..) else { return Tried::Skip };
    let Some(after) = trailer.strip_prefix(kind).and_then(|t| t.strip_prefix(DASHES)) else {
        return Tried::Skip;
    };
    if !line(after).0.is_empty() {
        return Tried::Skip;
    }
    let body: Vec<u8> =
        text.get(at..end).unwrap_or_default().iter().copied().filter(|b| !is_space(*b)).collect();
    let Ok(bytes) = BASE64.decode(body) else { return Tried::Skip };
    let last_line = end + 1;
    let rest = &text[last_line + line(&text[last_line..]).1..];
    Tried::Block(PemBlock { kind: String::from_utf8_lossy(kind).into_owned(), bytes, rest })
}

/// Writes a block in 64 columns with a final newline, as Fabric's tools do.
pub fn encode(kind: &str, bytes: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    let mut out = format!("-----BEGIN {kind}-----\n");
    for start in (0..text.len()).step_by(COLUMNS) {
        out.push_str(&text[start..text.len().min(start + COLUMNS)]);
        out.push('\n');
    }
    out.push_str(&format!("-----END {kind}-----\n"));
    out
}

/// The first line without its end and trailing blanks, and how many bytes it takes.
fn line(text: &[u8]) -> (&[u8], usize) {
    let (mut line, consumed) = match text.iter().position(|b| *b == b'\n') {
        Some(i) => (text[..i].strip_suffix(b"\r").unwrap_or(&text[..i]), i + 1),
        None => (text, text.len()),
    };
    while let [before @ .., b' ' | b'\t'] = line {
        line = before;
    }
    (line, consumed)
}

fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | b'\n')
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|w| w == wanted)
}

fn find_last(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).rposition(|w| w == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, &[u8], &str)>) {
        let block = decode(text.as_bytes());
        let got = block.as_ref().map(|b| (b.kind.as_str(), &b.bytes[..], b.rest));
        assert_eq!(got, expected.map(|(k, b, r)| (k, b, r.as_bytes())), "{text:?}");
    }

    #[test]
    fn blocks_are_found_as_go_finds_them() {
        check("-----BEGIN A-----\nAQI=\n-----END A-----\n", Some(("A", &[1, 2], "")));
        check("x\n-----BEGIN A-----\nAQI=\n-----END A-----\n\n", Some(("A", &[1, 2], "\n")));
        check("x-----BEGIN A-----\nAQI=\n-----END A-----\n", None);
        check("-----BEGIN A-----\nAQI=\n-----END A-----  \ny", Some(("A", &[1, 2], "y")));
        check("-----BEGIN A-----\nAQI=\n-----END A-----y\n", None);
        check("-----BEGIN A-----\nk: v\n\nAQI=\n-----END A-----\n", Some(("A", &[1, 2], "")));
        check("-----BEGIN A-----\n-----END A-----\n", Some(("A", &[], "")));
        check("-----BEGIN A-----\nk: v\n-----END A-----\n", None);
        check("-----BEGIN A-----\nAQI=\n-----END B-----\n", None);
        check("-----BEGIN A-----\nAQI\n-----END A-----\n", None);
        check("-----BEGIN A-----\nAQJ=\n-----END A-----\n", Some(("A", &[1, 2], "")));
        check(
            "-----BEGIN A-----\n!\n-----END A-----\n-----BEGIN B-----\nAQI=\n-----END B-----",
            Some(("B", &[1, 2], "")),
        );
    }

    #[test]
    fn what_is_encoded_has_lines_of_64_columns() {
        let text = encode("CERTIFICATE", &[0xab; 60]);
        assert_eq!(text.lines().nth(1).map(str::len), Some(64));
        assert_eq!(decode(text.as_bytes()).unwrap().bytes, [0xab; 60]);
    }
}
