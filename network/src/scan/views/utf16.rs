//! UTF-16 of western European text: every other byte is zero. Terms with other letters are spelt out in `terms`.

use super::GAP;

/// Fewer characters than the shortest term.
const RUN_CHARS_MIN: usize = 7;

/// Both byte orders are written where both can be read: a letter before the text shifts the one into the other.
pub(super) fn decode(bytes: &[u8], out: &mut Vec<u8>) {
    let mut end = 0;
    for zero in memchr::memchr_iter(0, bytes) {
        if zero < end {
            continue;
        }
        // Low byte first: the letter stands before its zero. High byte first: after it.
        for (from, letter) in [(zero.saturating_sub(1), 0), (zero, 1)] {
            let count = letters(&bytes[from..], letter);
            if count < RUN_CHARS_MIN {
                continue;
            }
            let units = bytes[from..from + 2 * count].chunks_exact(2);
            let text: String = units.map(|unit| char::from(unit[letter])).collect();
            out.extend(text.as_bytes());
            out.extend(GAP);
            end = end.max(from + 2 * count);
        }
    }
}

/// How many units follow each other in which the byte at `letter` is a letter of Latin-1 and the other one is zero.
fn letters(bytes: &[u8], letter: usize) -> usize {
    let is_text = |unit: &&[u8]| {
        let (byte, other) = (unit[letter], unit[1 - letter]);
        other == 0 && (matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7E) || byte >= 0xA0)
    };
    bytes.chunks_exact(2).take_while(is_text).count()
}

#[cfg(test)]
mod tests {
    use super::super::{View, contains, decoded};

    #[test]
    fn either_byte_order_is_read_at_any_offset() {
        let text = "María Luisa Razo";
        for before in [&b""[..], b"\x01", b"xy", b"\0\0\0", b"\xFF\xFE"] {
            let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            for utf16 in [little, big] {
                let bytes = [before, &utf16, b"\x01\x02\x03"].concat();
                let found = decoded(View::Utf16, &bytes);
                assert!(contains(&found, text.as_bytes()), "{before:?} {utf16:?}");
            }
        }
    }

    #[test]
    fn zeros_and_numbers_are_no_text() {
        assert!(decoded(View::Utf16, &[0; 100]).is_empty());
        assert!(decoded(View::Utf16, &[7, 0, 0, 0, 9, 0, 0, 0, 1, 0]).is_empty());
    }
}
