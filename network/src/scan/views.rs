//! The ways bytes may be dressed up on a disk, each undone: a view reads bytes and writes what they decode to.
//!
//! A view decodes every part of its input that it can and puts [`GAP`] between the parts; the search looks through
//! the result as through any other bytes, with all views again. Compressed streams are followed in `search`, since
//! they may be longer than a window.

pub(super) mod certificate;
mod escapes;
mod radix;
mod utf16;

use serde::Serialize;

/// Between decoded parts: no text, no base64 and no hexadecimal goes across it.
pub(super) const GAP: [u8; 2] = [0xFF; 2];

/// How bytes were decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum View {
    /// A gzip stream, found by its magic bytes.
    Gzip,
    /// A zlib stream, found by its two header bytes.
    Zlib,
    /// Base64, standard or URL alphabet, at each of the four alignments.
    Base64,
    /// Hexadecimal, at both alignments.
    Hex,
    /// UTF-16, either byte order.
    Utf16,
    /// Escapes of JSON strings.
    Json,
    /// Percent escapes of URLs and forms.
    Percent,
    /// Text without its whitespace: fields of indented JSON, base64 over several lines.
    Squeezed,
    /// Certificates, PEM or DER: the DER bytes, and the names in it one after another.
    Certificate,
}

// === impl View ===

impl View {
    /// Every view that decodes a window at once.
    pub(super) const OF_WINDOWS: [View; 7] = [
        View::Certificate,
        View::Json,
        View::Percent,
        View::Squeezed,
        View::Utf16,
        View::Base64,
        View::Hex,
    ];

    /// The view in reports.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::Utf16 => "utf-16",
            Self::Json => "json-escapes",
            Self::Percent => "percent-escapes",
            Self::Squeezed => "without-whitespace",
            Self::Certificate => "certificate",
        }
    }

    /// Appends to `out` what the parts of `bytes` decode to.
    pub(super) fn decode(self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            // These keep something between two calls: the search calls them itself.
            Self::Gzip | Self::Zlib | Self::Certificate => {}
            Self::Base64 => radix::base64(bytes, out),
            Self::Hex => radix::hex(bytes, out),
            Self::Utf16 => utf16::decode(bytes, out),
            Self::Json => escapes::json(bytes, out),
            Self::Percent => escapes::percent(bytes, out),
            Self::Squeezed => escapes::squeezed(bytes, out),
        }
    }
}

/// The parts of `bytes` in which every byte is `wanted`, if they have at least `least` bytes.
fn runs<'a>(
    bytes: &'a [u8],
    least: usize,
    wanted: impl Fn(u8) -> bool + 'a,
) -> impl Iterator<Item = &'a [u8]> {
    bytes.split(move |byte| !wanted(*byte)).filter(move |run| run.len() >= least)
}

#[cfg(test)]
pub(super) fn decoded(view: View, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    view.decode(bytes, &mut out);
    out
}

#[cfg(test)]
pub(super) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
