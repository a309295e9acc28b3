//! The search through one store's bytes: terms in the bytes as they are, then in every view of them, and so on.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Read};

use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use memchr::memmem;
use sha2::{Digest, Sha256};

use super::matcher::{Matcher, TermId};
use super::source::{OVERLAP_BYTES, Source, Tail, WINDOW_BYTES};
use super::views::{View, certificate};

/// How many views deep the search goes: base64 in gzip in base64 in JSON is read, one more is not.
const DEPTH: usize = 4;
/// Of a compressed stream no more is read; a longer one is counted as cut.
const STREAM_BYTES_MAX: u64 = 1 << 30;
/// Compressed bytes read at once.
const COMPRESSED_BYTES: usize = 32 << 10;
const GZIP_MAGIC: [u8; 3] = [0x1F, 0x8B, 8];
const ZLIB_METHOD: u8 = 0x78;
/// What follows [`ZLIB_METHOD`] at each level of compression.
const ZLIB_LEVELS: [u8; 4] = [0x01, 0x5E, 0x9C, 0xDA];

/// Shorter bytes are sooner looked through again than remembered.
const REMEMBERED_BYTES_MIN: usize = 1 << 10;

/// More findings than these are forgotten, so that memory has an end.
const REMEMBERED_MAX: usize = 200_000;

/// How far a look goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Reach {
    /// The bytes and their views; streams that begin in them are followed by the caller.
    Window,
    /// Streams too, as far as the bytes go.
    Streams,
}

/// What was found in some bytes, with offsets from their start.
type Findings = BTreeMap<(Trail, TermId), u64>;

/// The views that led to some bytes, outermost first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Trail([Option<View>; DEPTH]);

/// Where a term was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub(super) trail: Trail,
    pub(super) term: TermId,
    /// Where it begins; for a view, where the window begins that was decoded.
    pub(super) offset: u64,
}

/// What a search has gone through besides the bytes themselves.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) decoded_bytes: u64,
    pub(super) certificates: u64,
    pub(super) streams: u64,
    pub(super) cut_streams: u64,
}

/// A search; what it finds is taken out after each store or part of it.
pub(super) struct Search<'m> {
    matcher: &'m Matcher,
    found: Findings,
    /// By hash of the bytes: all nodes of a channel hold the same blocks and rows.
    known: HashMap<([u8; 32], Reach), Findings>,
    /// Certificates that the bytes looked through now have shown already, by hash.
    certificates: HashSet<[u8; 32]>,
    /// Offset of the outermost window.
    base: u64,
    pub(super) counts: Counts,
}

// === impl Trail ===

impl Trail {
    fn with(mut self, view: View) -> Option<Self> {
        let free = self.0.iter().position(Option::is_none)?;
        self.0[free] = Some(view);
        Some(self)
    }

    pub(super) fn is_raw(self) -> bool {
        self.0[0].is_none()
    }

    /// The views in reports: `gzip base64`, or `raw`.
    pub(super) fn text(self) -> String {
        let words: Vec<&str> = self.0.iter().flatten().map(|view| view.word()).collect();
        if words.is_empty() { "raw".to_owned() } else { words.join(" ") }
    }
}

// === impl Search ===

impl<'m> Search<'m> {
    pub(super) fn new(matcher: &'m Matcher) -> Self {
        debug_assert!(matcher.longest() * 16 < OVERLAP_BYTES);
        Self {
            matcher,
            found: Findings::new(),
            known: HashMap::new(),
            certificates: HashSet::new(),
            base: 0,
            counts: Counts::default(),
        }
    }

    /// What was found since the last time, each term once per trail.
    pub(super) fn take_found(&mut self) -> Vec<Found> {
        std::mem::take(&mut self.found)
            .into_iter()
            .map(|((trail, term), offset)| Found { trail, term, offset })
            .collect()
    }

    /// Goes through a source of any length in windows; answers its length.
    pub(super) fn source(&mut self, source: &dyn Source) -> io::Result<u64> {
        let mut window = vec![0; WINDOW_BYTES];
        let mut offset = 0;
        loop {
            let length = source.read_at(&mut window, offset)?;
            let is_last = length < window.len();
            self.base = offset;
            self.once(&window[..length], Reach::Window);
            // A stream that begins in the overlap is followed from the next window.
            let own = if is_last { length } else { length - OVERLAP_BYTES };
            for (at, view) in streams(&window[..length], own) {
                self.certificates.clear();
                let tail = Tail::new(source, offset + at as u64);
                self.stream(tail, view, Trail::default());
            }
            if is_last {
                self.base = 0;
                return Ok(offset + length as u64);
            }
            offset += own as u64;
        }
    }

    /// Goes through bytes that are in memory.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        if bytes.len() <= WINDOW_BYTES {
            self.once(bytes, Reach::Streams);
        } else {
            self.source(&bytes).expect("memory is read without errors");
        }
    }

    /// Looks through bytes that were not looked through before; for others, what was found in them stands again.
    ///
    /// A look may depend on nothing but the bytes, so what the search keeps between two looks is put aside.
    fn once(&mut self, bytes: &[u8], reach: Reach) {
        let key = (Sha256::digest(bytes).into(), reach);
        if let Some(findings) = self.known.remove(&key) {
            self.add(&findings);
            self.known.insert(key, findings);
            return;
        }
        let found = std::mem::take(&mut self.found);
        let base = std::mem::take(&mut self.base);
        self.certificates.clear();
        match reach {
            Reach::Window => self.window(bytes, Trail::default()),
            Reach::Streams => self.decoded(bytes, Trail::default()),
        }
        self.base = base;
        let findings = std::mem::replace(&mut self.found, found);
        self.add(&findings);
        if bytes.len() >= REMEMBERED_BYTES_MIN {
            if self.known.len() >= REMEMBERED_MAX {
                self.known.clear();
            }
            self.known.insert(key, findings);
        }
    }

    fn add(&mut self, findings: &Findings) {
        for (key, offset) in findings {
            self.found.entry(*key).or_insert(self.base + offset);
        }
    }

    fn decoded(&mut self, bytes: &[u8], trail: Trail) {
        self.window(bytes, trail);
        for (at, view) in streams(bytes, bytes.len()) {
            self.stream(&bytes[at..], view, trail);
        }
    }

    /// The bytes as they are, and every view of them that is not a stream.
    fn window(&mut self, bytes: &[u8], trail: Trail) {
        for (term, at) in self.matcher.find(bytes) {
            let offset = if trail.is_raw() { self.base + at as u64 } else { self.base };
            self.found.entry((trail, term)).or_insert(offset);
        }
        for view in View::OF_WINDOWS {
            let Some(trail) = trail.with(view) else { return };
            let mut out = Vec::new();
            if view == View::Certificate {
                let fresh = certificate::decode(bytes, &mut out, &mut self.certificates);
                self.counts.certificates += fresh as u64;
            } else {
                view.decode(bytes, &mut out);
            }
            if !out.is_empty() {
                self.counts.decoded_bytes += out.len() as u64;
                self.decoded(&out, trail);
            }
        }
    }

    /// Follows a compressed stream as far as it goes; what comes before an error in it counts.
    fn stream(&mut self, compressed: impl Read, view: View, trail: Trail) {
        let Some(trail) = trail.with(view) else { return };
        let compressed = io::BufReader::with_capacity(COMPRESSED_BYTES, compressed);
        match view {
            View::Gzip => self.inflated(MultiGzDecoder::new(compressed), trail),
            _ => self.inflated(ZlibDecoder::new(compressed), trail),
        }
    }

    fn inflated(&mut self, mut reader: impl Read, trail: Trail) {
        let mut window = Vec::new();
        let mut total = 0;
        loop {
            let kept = window.len();
            let room = (WINDOW_BYTES - kept) as u64;
            let ended = reader.by_ref().take(room).read_to_end(&mut window);
            let fresh = (window.len() - kept) as u64;
            if fresh > 0 {
                self.counts.decoded_bytes += fresh;
                self.decoded(&window, trail);
            }
            self.counts.streams += u64::from(total == 0 && fresh > 0);
            total += fresh;
            if ended.is_err() || fresh < room {
                return;
            }
            if total >= STREAM_BYTES_MAX {
                self.counts.cut_streams += 1;
                return;
            }
            window.drain(..window.len() - OVERLAP_BYTES);
        }
    }
}

/// Where compressed streams begin before `end`, and of which kind they are.
fn streams(bytes: &[u8], end: usize) -> Vec<(usize, View)> {
    let gzip = memmem::find_iter(bytes, &GZIP_MAGIC).map(|at| (at, View::Gzip));
    let zlib = memchr::memchr_iter(ZLIB_METHOD, bytes)
        .filter(|at| bytes.get(at + 1).is_some_and(|level| ZLIB_LEVELS.contains(level)))
        .map(|at| (at, View::Zlib));
    gzip.chain(zlib).filter(|(at, _)| *at < end).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;
    use crate::scan::Terms;
    use crate::scan::terms::Class;

    const SECRET: &str = "Alberto Atencio";

    fn matcher() -> Matcher {
        let mut terms = Terms::new();
        terms.add_text(Class::Canary, SECRET);
        Matcher::new(&terms).unwrap()
    }

    fn trails(bytes: &[u8]) -> Vec<String> {
        let matcher = matcher();
        let mut search = Search::new(&matcher);
        search.source(&bytes).unwrap();
        search.take_found().into_iter().map(|found| found.trail.text()).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Bytes that compress badly and hold nothing.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn streams_are_followed_wherever_they_begin() {
        // Enough of the same makes the compressor use codes, in which no letter lies open.
        let text = format!("{}{SECRET}, or so", "the patient is ".repeat(30));
        for (packed, view) in [(gzip(text.as_bytes()), "gzip"), (zlib(text.as_bytes()), "zlib")] {
            let bytes = [&noise(1000), packed.as_slice(), &noise(1000)].concat();
            assert_eq!(trails(&bytes), [view]);
            let cut = &bytes[..bytes.len() - 1006];
            assert_eq!(trails(cut), [view], "a torn end hides nothing");
        }
    }

    #[test]
    fn views_are_undone_one_after_another() {
        let inner = STANDARD.encode(gzip(SECRET.as_bytes()));
        let line = serde_json::json!({ "message": format!("{{\"body\":\"{inner}\"}}") });
        let found = trails(line.to_string().as_bytes());
        assert!(found.iter().any(|trail| trail == "base64 gzip"), "{found:?}");
        let wrapped: Vec<&str> =
            inner.as_bytes().chunks(20).map(|part| std::str::from_utf8(part).unwrap()).collect();
        let found = trails(wrapped.join("\n").as_bytes());
        assert!(found.iter().any(|trail| trail == "without-whitespace base64 gzip"), "{found:?}");
        let deepest = hex::encode(zlib(STANDARD.encode(gzip(SECRET.as_bytes())).as_bytes()));
        let found = trails(deepest.as_bytes());
        assert!(found.iter().any(|trail| trail == "hex zlib base64 gzip"), "{found:?}");
    }

    #[test]
    fn a_term_across_the_edge_of_two_windows_is_found_in_each_dress() {
        let dresses = [
            (SECRET.as_bytes().to_vec(), "raw"),
            (hex::encode(SECRET).into_bytes(), "hex"),
            (STANDARD.encode(SECRET).into_bytes(), "base64"),
            (gzip(SECRET.as_bytes()), "gzip"),
        ];
        for (dressed, view) in dresses {
            for shift in [0, 1, dressed.len() / 2, dressed.len()] {
                for edge in [WINDOW_BYTES, WINDOW_BYTES - OVERLAP_BYTES] {
                    let mut bytes = vec![1; edge + 100];
                    let at = edge - shift;
                    bytes[at..at + dressed.len()].copy_from_slice(&dressed);
                    let found = trails(&bytes);
                    assert!(found.iter().any(|trail| trail == view), "{view} {shift}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn a_long_stream_is_followed_to_its_end() {
        let mut plain = noise(WINDOW_BYTES + 10_000);
        plain.extend(SECRET.as_bytes());
        assert!(trails(&gzip(&plain)).contains(&"gzip".to_owned()));
    }

    #[test]
    fn the_same_bytes_give_the_same_findings_at_every_place() {
        let matcher = matcher();
        let mut search = Search::new(&matcher);
        let bytes = [&noise(3000), SECRET.as_bytes(), &gzip(SECRET.as_bytes())].concat();
        search.bytes(&bytes);
        let first = search.take_found();
        assert!(!first.is_empty());
        search.bytes(&noise(5000));
        assert!(search.take_found().is_empty());
        search.bytes(&bytes);
        assert_eq!(search.take_found(), first);
    }

    #[test]
    fn a_certificate_is_found_again_in_bytes_that_repeat_it() {
        let validity = carecord_ca::Validity::days_from(1_700_000_000, 1);
        let organisation = carecord_ca::Organisation::create(SECRET, None, validity).unwrap();
        let pem = organisation.ca().certificate_pem();
        let matcher = matcher();
        let mut search = Search::new(&matcher);
        for number in 0..3 {
            search.bytes(format!("block {number} {pem} {pem}").as_bytes());
            let found = search.take_found();
            assert!(found.iter().any(|found| found.trail.text() == "certificate"), "{number}");
        }
        assert_eq!(search.counts.certificates, 3, "each once in each block");
    }

    #[test]
    fn noise_holds_nothing() {
        assert!(trails(&noise(3 << 20)).is_empty());
    }
}
