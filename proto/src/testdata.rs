//! Where tests find third-party data, and how they say what was left out without it.

use std::io::Write;
use std::path::{Path, PathBuf};

/// The file or folder `relative` of the test data, if it is there.
///
/// The folder is named by `CARECORD_TESTDATA`, by default `../shared/data` beside the workspace.
pub fn path(relative: &str) -> Option<PathBuf> {
    let root = std::env::var_os("CARECORD_TESTDATA").map_or_else(default_root, PathBuf::from);
    let path = root.join(relative);
    path.exists().then_some(path)
}

/// Says that a check did not run: on standard error, and in the list that `make test` counts at the end.
pub fn skipped(check: &str) {
    eprintln!("left out: {check}");
    let Some(list) = std::env::var_os("CARECORD_LEFT_OUT") else { return };
    let file = std::fs::OpenOptions::new().append(true).create(true).open(list);
    if let Ok(mut file) = file {
        // A test that cannot note its absence still said it above.
        let _ = writeln!(file, "left out: {check}");
    }
}

/// Single-bit flips that a seed repeats.
pub struct Flips(u64);

impl Flips {
    /// The flips of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `n`, which is not zero.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    /// Flips one bit somewhere in `bytes`, which are not empty; says at which byte.
    pub fn flip(&mut self, bytes: &mut [u8]) -> usize {
        let at = self.below(bytes.len());
        bytes[at] ^= 1 << self.below(8);
        at
    }
}

fn default_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data")
}
