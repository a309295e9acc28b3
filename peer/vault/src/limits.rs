//! Every limit of the vault, in one place.

/// Bytes of one ciphertext.
pub const CONTENT_BYTES_MAX: u64 = 1 << 30;
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
/// Bytes of one wrap's parts together: an X25519 suite needs 80.
pub const WRAP_BYTES_MAX: usize = 4 << 10;
/// How far a request's time may lie from the vault's clock, in seconds.
pub const REQUEST_WINDOW_SECONDS: i64 = 15 * 60;
/// How long a used access transaction is remembered; more than evidence can live, in seconds.
pub const USED_KEPT_SECONDS: i64 = 4 * REQUEST_WINDOW_SECONDS;

const _: () = assert!(USED_KEPT_SECONDS > carecord_health::access::ACCESS_SECONDS_MAX * 2);
