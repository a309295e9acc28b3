//! Every limit of the vault, in one place.

use carecord_health::keys::SUITE_X25519_AES256GCM;

/// Bytes of one ciphertext.
pub const CONTENT_BYTES_MAX: u64 = 4 << 30;
/// Bytes of one piece of a ciphertext on the wire.
pub const CHUNK_BYTES: usize = 256 << 10;
/// Pieces that may wait between the wire and the disk.
pub const CHUNKS_WAITING: usize = 2;
/// Uploads and downloads at a time.
pub const TRANSFERS_MAX: usize = 512;
/// Uploads and downloads of one person at a time.
pub const TRANSFERS_PER_CALLER: usize = 64;
/// How long a transfer may stand still before it is given up.
pub const TRANSFER_PAUSE_MAX: std::time::Duration = std::time::Duration::from_secs(20);
/// Wraps stored by one request.
pub const WRAPS_PER_REQUEST: usize = 1_000;
/// Lengths of `enc` and `ciphertext` of each suite: X25519 with a 32-byte key under AES-256-GCM.
pub const WRAP_LENGTHS: &[(u32, usize, usize)] = &[(SUITE_X25519_AES256GCM, 32, 32 + 16)];
/// Keys that one batch of a delete or of a sweep holds.
pub const BATCH_KEYS: usize = 1_000;
/// Bytes of a request's nonce.
pub const NONCE_BYTES: usize = 16;
/// Writes of one person that are remembered at a time, each for up to two windows.
pub const REMEMBERED_PER_CALLER: usize = 100_000;
/// Writes that are remembered at a time; their rows take about 150 bytes each, their counts next to nothing.
pub const REMEMBERED_MAX: usize = 1_000_000;
/// How often a caller over their quota may make the vault look whether their records are committed by now.
pub const SETTLE_PAUSE: std::time::Duration = std::time::Duration::from_secs(5);
/// How often contents that no record names are looked for.
pub const SWEEP_PAUSE: std::time::Duration = std::time::Duration::from_secs(600);
/// How long a round of proofs between vaults may take to begin again, unless the operator says otherwise.
pub const REPAIR_PAUSE: std::time::Duration = std::time::Duration::from_secs(600);
/// How long another vault may take to answer a question.
pub const ANSWER_PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
/// New contents that wait for their copies; what is beyond is found by the next round.
pub const FRESH_MAX: usize = 10_000;
/// The pause before a copy of a new content is tried again, which doubles, and how often: its readers' ledgers may be a block
/// behind.
pub const RETRY_PAUSE: std::time::Duration = std::time::Duration::from_millis(500);
/// See [`RETRY_PAUSE`].
pub const RETRIES: u32 = 7;
/// Contents whose copies are looked after at a time.
pub const COPYING_AT_A_TIME: usize = 4;
/// How far a request's time may lie from the vault's clock, in seconds.
pub const REQUEST_WINDOW_SECONDS: i64 = 15 * 60;
/// How long a used access transaction is remembered; more than evidence can live, in seconds.
pub const USED_KEPT_SECONDS: i64 = 4 * REQUEST_WINDOW_SECONDS;

/// The limits that an operator can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wraps of one version of a record: as many as an organisation's people that a grant may name.
    pub wraps_per_version: usize,
    /// Wraps of all versions of a record.
    pub wraps_per_record: usize,
    /// Bytes that one person may have stored without a committed record that names them.
    pub unnamed_bytes_per_person: u64,
    /// Contents that one person may have stored without a committed record that names them.
    pub unnamed_contents_per_person: u64,
    /// Bytes that the people of one organisation may have stored so, together.
    pub unnamed_bytes_per_organisation: u64,
    /// After how many seconds a content that no record names is removed; 0 is never.
    pub unnamed_seconds: i64,
    /// Bytes of the disk that the vault leaves free.
    pub free_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wraps_per_version: 10_000,
            wraps_per_record: 50_000,
            unnamed_bytes_per_person: CONTENT_BYTES_MAX,
            unnamed_contents_per_person: 4_096,
            unnamed_bytes_per_organisation: 2 * CONTENT_BYTES_MAX,
            unnamed_seconds: 24 * 3600,
            free_bytes: 1 << 30,
        }
    }
}

const _: () = assert!(USED_KEPT_SECONDS > carecord_health::access::ACCESS_SECONDS_MAX * 2);
