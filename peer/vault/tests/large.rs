//! A large content: sealed, stored with copies at three organisations, read back, in little memory.
//!
//! A program of its own: the figure is the process's memory, with client and three vaults in it. `CARECORD_LARGE_MIB` says how
//! large.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::io::{self, Read, Seek, SeekFrom};

#[path = "it/world.rs"]
#[allow(dead_code)]
mod world;

use carecord_sdk::seal::{Binding, DataKey};
use carecord_vault::Round;
use world::{Ward, acquaint, now, random_id};

const MEMBERS: [&str; 3] = ["WardMSP", "ClinicMSP", "LabMSP"];
const MIB: u64 = 1 << 20;
/// Of client and vaults together, while the content goes through them.
const MEMORY_MAX_MIB: u64 = 64;

/// A content that is computed, not stored: a pattern again and again, of a length that fits no chunk or segment.
struct Computed {
    pattern: std::sync::Arc<Vec<u8>>,
    at: u64,
    length: u64,
}

impl Computed {
    fn new(length: u64) -> Self {
        let mut pattern = vec![0; (1 << 20) - 3];
        getrandom::fill(&mut pattern).unwrap();
        Self { pattern: pattern.into(), at: 0, length }
    }

    /// The next bytes, at most so many.
    fn next(&mut self, most: usize) -> &[u8] {
        let from = (self.at % self.pattern.len() as u64) as usize;
        let left = usize::try_from(self.length - self.at).unwrap_or(usize::MAX);
        let count = most.min(self.pattern.len() - from).min(left);
        self.at += count as u64;
        &self.pattern[from..from + count]
    }

    /// Whether these bytes come next.
    fn goes_on_with(&mut self, mut piece: &[u8]) -> bool {
        while !piece.is_empty() {
            let expected = self.next(piece.len());
            let (now, later) = piece.split_at(expected.len());
            if now.is_empty() || now != expected {
                return false;
            }
            piece = later;
        }
        true
    }
}

impl Read for Computed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let bytes = self.next(out.len());
        out[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

impl Seek for Computed {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Start(at) = to else { return Err(io::ErrorKind::Unsupported.into()) };
        self.at = at;
        Ok(at)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_content_goes_out_and_comes_back_in_little_memory() {
    let mib: u64 = std::env::var("CARECORD_LARGE_MIB").map_or(96, |text| text.parse().unwrap());
    let length = mib * MIB + 12_345;
    let ward = Ward::among(&MEMBERS[1..]);
    let (patient, author) = (ward.person("patient"), ward.person("practitioner"));
    let dirs = MEMBERS.map(|_| tempfile::tempdir().unwrap());
    let mut vaults = Vec::new();
    for (member, dir) in MEMBERS.iter().zip(&dirs) {
        vaults.push(ward.vault_of(member, dir.path()).await);
    }
    acquaint(&vaults.iter().collect::<Vec<_>>()).await;
    let before = memory_kib("VmRSS");
    std::fs::write("/proc/self/clear_refs", "5").unwrap(); // the peak begins anew

    let (key, id) = (DataKey::random().unwrap(), random_id());
    let binding = Binding { record_id: &id, version: 1 };
    let home = vaults[0].sdk(&author).await;
    let content = Computed::new(length);
    let pattern = content.pattern.clone();
    let sent = home.put_large(content, &key, binding).await.unwrap();
    ward.record_as(&author, &patient, &sent.cid, id.clone());
    vaults[0].service.sweep(now()).await.unwrap();
    let copied = vaults[0].service.replicate().await.unwrap();
    assert_eq!(copied, Round { contents: 1, sent: 2, proven: 0, short: 0 });

    for vault in &vaults[1..] {
        let mut expected = Computed { pattern: pattern.clone(), at: 0, length };
        let same = |piece: &[u8]| {
            assert!(expected.goes_on_with(piece), "at {}", expected.at);
            Ok(())
        };
        let from = (sent.cid.as_str(), sent.size);
        vault.sdk(&author).await.get_part(from, 0..length, &key, binding, same).await.unwrap();
        assert_eq!(expected.at, length);
    }
    let peak = memory_kib("VmHWM") / 1024;
    println!(
        "{mib} MiB sealed, stored three times, read twice: {peak} MiB of memory, {} before",
        before / 1024
    );
    assert!(peak < MEMORY_MAX_MIB, "{peak} MiB of memory");
}

fn memory_kib(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
