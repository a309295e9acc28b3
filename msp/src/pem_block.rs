//! PEM text as Go's `pem.Decode` takes it: leading text, headers and trailing bytes are let through.

/// One PEM block and where it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PemBlock<'a> {
    /// The words after BEGIN.
    pub kind: String,
    /// The decoded bytes.
    pub bytes: Vec<u8>,
    /// What follows the END line.
    pub rest: &'a [u8],
}

/// Finds the first block of `text`.
pub fn decode(_text: &[u8]) -> Option<PemBlock<'_>> {
    None
}

/// Writes a block in 64 columns with a final newline, as Fabric's tools do.
pub fn encode(kind: &str, bytes: &[u8]) -> String {
    pem::encode_config(
        &pem::Pem::new(kind, bytes),
        pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
    )
}
