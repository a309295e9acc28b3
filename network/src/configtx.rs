//! Fabric's messages as JSON and back, in the form that `configtxlator` has: fields that hold other messages' bytes are
//! opened, names are those of the interface texts, 64-bit numbers are texts, bytes are base64.
//!
//! Place in the flow: `carecord configtx`, `channel config` and `org` read and write this form, so that scripts made for
//! `configtxlator` and `jq` go on working. What is read back is equal content; values that nobody edited keep their bytes.
//!
//! Encoding gives the same bytes for the same JSON, maps in the order of their keys. It need not give back the bytes that were decoded:
//! their writer may have had the maps in another order, as `configtxlator` itself has in the outer message (it sorts only inside
//! fields that hold bytes). A signature covers bytes, so what was signed is passed on as it is and never encoded again.

mod opaque;
mod read;
mod walk;
mod wire;
mod write;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::Value;
use std::sync::OnceLock;

use crate::codes::Code;
use crate::error::{Failure, Outcome};

pub use opaque::Place;

const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/messages.bin"));

/// Shows `bytes`, a message of the type `name` such as `common.Config`, as JSON.
pub fn decode(name: &str, bytes: &[u8]) -> Outcome<Value> {
    decode_at(name, bytes, Place::of(name))
}

/// The same for a group that stands elsewhere than at the root, such as an organisation's.
pub fn decode_at(name: &str, bytes: &[u8], place: Place) -> Outcome<Value> {
    let message = DynamicMessage::decode(descriptor(name)?, bytes)
        .map_err(|error| Failure::new(Code::ConfigFile, format!("this is no {name}: {error}")))?;
    write::json(&message, place).map_err(|reason| Failure::new(Code::ConfigFile, reason).at(name))
}

/// The bytes of the message of the type `name` that JSON in the form of [`decode`] describes.
pub fn encode(name: &str, json: &Value) -> Outcome<Vec<u8>> {
    encode_at(name, json, Place::of(name))
}

/// The same for a group that stands elsewhere than at the root.
pub fn encode_at(name: &str, json: &Value, place: Place) -> Outcome<Vec<u8>> {
    let message = read::message(&descriptor(name)?, json, place)
        .map_err(|reason| Failure::new(Code::ConfigFile, reason).at(name))?;
    Ok(wire::bytes(&message))
}

/// A message of ours as JSON.
pub fn to_json<M: Message>(name: &str, message: &M) -> Outcome<Value> {
    decode(name, &message.encode_to_vec())
}

/// JSON as a message of ours.
pub fn from_json<M: Message + Default>(name: &str, json: &Value) -> Outcome<M> {
    M::decode(encode(name, json)?.as_slice())
        .map_err(|error| Failure::new(Code::ConfigFile, error).at(name))
}

/// JSON as `configtxlator` lays it out: keys in order, indented by tabs.
pub fn text(json: &Value) -> String {
    let mut out = Vec::new();
    let form = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, form);
    serde::Serialize::serialize(json, &mut serializer).expect("a JSON value has a text");
    String::from_utf8(out).expect("JSON is text") + "\n"
}

fn pool() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| DescriptorPool::decode(DESCRIPTORS).expect("descriptors of our own build"))
}

fn descriptor(name: &str) -> Outcome<MessageDescriptor> {
    pool().get_message_by_name(name).ok_or_else(|| {
        Failure::new(Code::ConfigFile, format!("there is no message type {name:?}")).hint(
            "types are written with their package, for example common.Block, common.Config, common.ConfigUpdate, common.Envelope",
        )
    })
}

#[cfg(test)]
mod tests;
