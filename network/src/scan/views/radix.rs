//! Base64 and hexadecimal: every run long enough, from each place its digits may begin at.

use super::{GAP, runs};

/// Shorter runs are words.
const RUN_BYTES_MIN: usize = 16;
/// Digits of base64 that make whole bytes together; a run may begin inside such a group.
const BASE64_GROUP: usize = 4;
const NO_DIGIT: u8 = 0xFF;

static BASE64: [u8; 256] = base64_digits();
static HEX: [u8; 256] = hex_digits();

/// Both alphabets at once; padding ends a run, and nothing is lost without it.
pub(super) fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    for run in runs(bytes, RUN_BYTES_MIN, |byte| BASE64[usize::from(byte)] != NO_DIGIT) {
        for skipped in 0..BASE64_GROUP {
            decode(&run[skipped..], &BASE64, 6, out);
            out.extend(GAP);
        }
    }
}

/// One text in base64 from its first digit to the last that is one.
pub(super) fn base64_at_start(text: &[u8]) -> Vec<u8> {
    let is_digit = |byte: &&u8| BASE64[usize::from(**byte)] != NO_DIGIT;
    let mut out = Vec::new();
    decode(&text[..text.iter().take_while(is_digit).count()], &BASE64, 6, &mut out);
    out
}

pub(super) fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    for run in runs(bytes, RUN_BYTES_MIN, |byte| HEX[usize::from(byte)] != NO_DIGIT) {
        for skipped in 0..2 {
            decode(&run[skipped..], &HEX, 4, out);
            out.extend(GAP);
        }
    }
}

/// Puts digits of `bits` bits together; bits that make no whole byte at the end are dropped.
fn decode(digits: &[u8], values: &[u8; 256], bits: u32, out: &mut Vec<u8>) {
    let (mut held, mut count) = (0u32, 0);
    for digit in digits {
        held = held << bits | u32::from(values[usize::from(*digit)]);
        count += bits;
        if count >= 8 {
            count -= 8;
            out.push((held >> count) as u8);
            held &= (1 << count) - 1;
        }
    }
}

const fn base64_digits() -> [u8; 256] {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut values = [NO_DIGIT; 256];
    let mut at = 0;
    while at < alphabet.len() {
        values[alphabet[at] as usize] = at as u8;
        at += 1;
    }
    values[b'+' as usize] = 62;
    values[b'-' as usize] = 62;
    values[b'/' as usize] = 63;
    values[b'_' as usize] = 63;
    values
}

const fn hex_digits() -> [u8; 256] {
    let alphabet = b"0123456789abcdef";
    let mut values = [NO_DIGIT; 256];
    let mut at = 0;
    while at < alphabet.len() {
        values[alphabet[at] as usize] = at as u8;
        values[alphabet[at].to_ascii_uppercase() as usize] = at as u8;
        at += 1;
    }
    values
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

    use super::super::{View, contains, decoded};

    /// Bytes whose base64 needs the digits that the alphabets differ in.
    const SECRET: &[u8] = b"Alberto\xFB\xEF\xBE Atencio\xFF\xFE?>";

    #[test]
    fn base64_of_either_alphabet_is_read_with_and_without_padding() {
        for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
            let text = format!("key={}; next", engine.encode(SECRET));
            assert!(contains(&decoded(View::Base64, text.as_bytes()), SECRET), "{text}");
        }
    }

    #[test]
    fn base64_is_read_wherever_its_run_begins() {
        for before in ["", "w", "w/", "wcr", "path/to/"] {
            let text = format!("{before}{}", STANDARD.encode(SECRET));
            assert!(contains(&decoded(View::Base64, text.as_bytes()), SECRET), "{before}");
        }
    }

    #[test]
    fn hexadecimal_is_read_in_any_case_and_at_both_alignments() {
        for before in ["", "a", "cid", "0xab", "x"] {
            let text = format!("{before}{}", hex::encode(SECRET));
            assert!(contains(&decoded(View::Hex, text.as_bytes()), SECRET), "{before}");
            assert!(contains(&decoded(View::Hex, text.to_uppercase().as_bytes()), SECRET));
        }
    }

    #[test]
    fn short_runs_are_left_alone() {
        assert!(decoded(View::Base64, b"short words, all of them").is_empty());
        assert!(decoded(View::Hex, b"cafe babe 0123").is_empty());
    }
}
