//! Escapes and whitespace inside text. Only runs of text are decoded, so that binary data costs nothing.

use super::GAP;

/// Shorter than any term.
const TEXT_BYTES_MIN: usize = 7;

/// Undoes `\"`, `\\`, `\/`, `\n` and the like, and `\u00ed` with surrogate pairs, in texts that have any.
pub(super) fn json(bytes: &[u8], out: &mut Vec<u8>) {
    decode(bytes, out, |text| text.contains(&b'\\'), unescape_json)
}

/// Undoes `%C3%AD`, in texts that have any.
pub(super) fn percent(bytes: &[u8], out: &mut Vec<u8>) {
    decode(bytes, out, |text| text.contains(&b'%'), unescape_percent)
}

/// Leaves out the whitespace of texts that have any.
pub(super) fn squeezed(bytes: &[u8], out: &mut Vec<u8>) {
    let has_space = |text: &[u8]| text.iter().any(u8::is_ascii_whitespace);
    decode(bytes, out, has_space, |text, out| {
        out.extend(text.iter().filter(|byte| !byte.is_ascii_whitespace()));
    })
}

fn decode(
    bytes: &[u8],
    out: &mut Vec<u8>,
    concerns: impl Fn(&[u8]) -> bool,
    undo: impl Fn(&[u8], &mut Vec<u8>),
) {
    for text in texts(bytes) {
        if concerns(text) {
            undo(text, out);
            out.extend(GAP);
        }
    }
}

/// The runs of printable UTF-8.
fn texts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let printable = |byte: u8| byte >= 0x20 && byte != 0x7F || byte.is_ascii_whitespace();
    bytes.utf8_chunks().flat_map(move |chunk| {
        let valid = chunk.valid().as_bytes();
        super::runs(valid, TEXT_BYTES_MIN, printable)
    })
}

fn unescape_json(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend(&rest[..at]);
        rest = &rest[at..];
        let (letter, length) = match rest.get(1) {
            Some(b'u') => escaped_letter(rest).unwrap_or(('\\', 1)),
            Some(b'n') => ('\n', 2),
            Some(b'r') => ('\r', 2),
            Some(b't') => ('\t', 2),
            Some(b'b') => ('\u{8}', 2),
            Some(b'f') => ('\u{c}', 2),
            Some(byte @ (b'"' | b'\\' | b'/')) => (char::from(*byte), 2),
            _ => ('\\', 1),
        };
        out.extend(letter.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &rest[length..];
    }
    out.extend(rest);
}

/// The letter that `\uXXXX`, or a surrogate pair of two, at the start stands for, and how long that is.
fn escaped_letter(text: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let escape = text.get(at..at + 6)?;
        let digits = escape.strip_prefix(b"\\u")?;
        let digits = std::str::from_utf8(digits).ok()?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit(0)?;
    if let Some(Ok(letter)) = char::decode_utf16([first]).next() {
        return Some((letter, 6));
    }
    let pair = char::decode_utf16([first, unit(6)?]).next()?.ok()?;
    Some((pair, 12))
}

fn unescape_percent(text: &[u8], out: &mut Vec<u8>) {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'%', rest) {
        out.extend(&rest[..at]);
        rest = &rest[at..];
        let (byte, length) = match (digit(rest.get(1)), digit(rest.get(2))) {
            (Some(high), Some(low)) => ((high * 16 + low) as u8, 3),
            _ => (b'%', 1),
        };
        out.push(byte);
        rest = &rest[length..];
    }
    out.extend(rest);
}

#[cfg(test)]
mod tests {
    use super::super::{View, contains, decoded};

    fn check(view: View, text: &str, expected: &str) {
        let found = decoded(view, text.as_bytes());
        assert!(contains(&found, expected.as_bytes()), "{text}: {}", found.escape_ascii());
    }

    #[test]
    fn json_in_a_json_string_is_read() {
        check(View::Json, r#"{"m":"{\"family\":\"Razo\"}"}"#, r#""family":"Razo""#);
        check(
            View::Json,
            r"Mar\u00eda \ud83d\ude00 a\/b\\c \ud83d end",
            "María 😀 a/b\\c \\ud83d end",
        );
        check(View::Json, "line one\\nline two \\x \\u12", "line one\nline two \\x \\u12");
    }

    #[test]
    fn percent_escapes_are_read() {
        check(View::Percent, "q=Mar%C3%ADa%20Razo%zz%4", "q=María Razo%zz%4");
    }

    #[test]
    fn indented_json_and_wrapped_lines_are_closed_up() {
        check(View::Squeezed, "\"given\": [\n    \"Xavier\"\n  ]", "\"given\":[\"Xavier\"]");
        check(View::Squeezed, "QWxiZXJ0\r\n byBBdGVu", "QWxiZXJ0byBBdGVu");
    }

    #[test]
    fn texts_end_at_bytes_that_are_none() {
        let found = decoded(View::Squeezed, b"first part here\0second part\xFF\xFEthird part");
        let expected = b"firstparthere\xFF\xFFsecondpart\xFF\xFFthirdpart\xFF\xFF";
        assert_eq!(found, expected);
    }

    #[test]
    fn what_has_nothing_to_undo_is_not_looked_at_twice() {
        for view in [View::Json, View::Percent] {
            assert!(decoded(view, b"nothing to see here").is_empty());
        }
        assert!(decoded(View::Squeezed, b"nothingtoseehere").is_empty());
    }
}
