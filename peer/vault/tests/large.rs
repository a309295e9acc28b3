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

/// A content that is computed, not stored: its bytes are those of a counter.
struct Computed {
    at: u64,
    length: u64,
}

impl Computed {
    fn byte(at: u64) -> u8 {
        ((at >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (8 * (at & 7))) as u8
    }
}

impl Read for Computed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = (out.len() as u64).min(self.length - self.at);
        for (place, at) in out[..count as usize].iter_mut().zip(self.at..) {
            *place = Self::byte(at);
        }
        self.at += count;
        Ok(count as usize)
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
    let sent = home.put_large(Computed { at: 0, length }, &key, binding).await.unwrap();
    ward.record_as(&author, &patient, &sent.cid, id.clone());
    vaults[0].service.sweep(now()).await.unwrap();
    let copied = vaults[0].service.replicate().await.unwrap();
    assert_eq!(copied, Round { contents: 1, sent: 2, proven: 0, short: 0 });

    for vault in &vaults[1..] {
        let mut at = 0;
        let same = |piece: &[u8]| {
            assert!(piece.iter().zip(at..).all(|(byte, at)| *byte == Computed::byte(at)));
            at += piece.len() as u64;
            Ok(())
        };
        let from = (sent.cid.as_str(), sent.size);
        vault.sdk(&author).await.get_part(from, 0..length, &key, binding, same).await.unwrap();
        assert_eq!(at, length);
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
