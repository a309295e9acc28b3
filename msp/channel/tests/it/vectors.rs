//! Reading golden vectors: JSON objects line by line, bytes in base64.

use base64::Engine as _;
use carecord_proto::testdata;
use flate2::read::GzDecoder;
use prost::Message;
use serde_json::Value;
use std::io::Read;

/// The objects in a file of the golden vectors; says so and gives none if it is not there.
pub(crate) fn lines(file: &str) -> Option<Vec<Value>> {
    let Some(path) = testdata::path(&format!("fabric-vectors/{file}")) else {
        testdata::skipped(&format!("golden vectors {file}"));
        return None;
    };
    let raw = std::fs::read(path).expect("readable");
    let mut text = String::new();
    if file.ends_with(".gz") {
        GzDecoder::new(&raw[..]).read_to_string(&mut text).expect("gzipped text");
    } else {
        text = String::from_utf8(raw).expect("text");
    }
    Some(text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect())
}

/// A bytes field.
pub(crate) fn bytes(value: &Value) -> bytes::Bytes {
    let text = value.as_str().expect("base64 text");
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64").into()
}

/// A message field.
pub(crate) fn message<M: Message + Default>(value: &Value) -> M {
    M::decode(bytes(value)).expect("the message")
}

/// A text field.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}
