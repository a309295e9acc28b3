//! Messages as bytes, always the same for the same content: maps in the order of their keys, entries with key and value
//! both written, as Go writes them.

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{DynamicMessage, FieldDescriptor, MapKey, ReflectMessage, Value};

/// The bytes of a message.
pub(super) fn bytes(message: &DynamicMessage) -> Vec<u8> {
    let mut out = Vec::new();
    let mut fields: Vec<(FieldDescriptor, &Value)> = message.fields().collect();
    fields.sort_by_key(|(field, _)| field.number());
    for (field, value) in fields {
        match value {
            Value::Message(inner) => part(&mut out, field.number(), &bytes(inner)),
            Value::Map(map) => {
                let mut entries: Vec<(&MapKey, &Value)> = map.iter().collect();
                entries.sort_by_key(|(key, _)| order(key));
                for (key, value) in entries {
                    part(&mut out, field.number(), &entry(&field, key, value));
                }
            }
            Value::List(list) if list.iter().all(|value| value.as_message().is_some()) => {
                for inner in list.iter().filter_map(Value::as_message) {
                    part(&mut out, field.number(), &bytes(inner));
                }
            }
            // Scalars have one form only.
            other => {
                let mut alone = DynamicMessage::new(message.descriptor());
                alone.set_field(&field, other.clone());
                out.extend(alone.encode_to_vec());
            }
        }
    }
    out
}

fn entry(field: &FieldDescriptor, key: &MapKey, value: &Value) -> Vec<u8> {
    let prost_reflect::Kind::Message(descriptor) = field.kind() else { return Vec::new() };
    let mut out = Vec::new();
    let mut alone = DynamicMessage::new(descriptor.clone());
    alone.set_field(&descriptor.map_entry_key_field(), Value::from(key.clone()));
    out.extend(alone.encode_to_vec());
    let value_field = descriptor.map_entry_value_field();
    match value {
        Value::Message(inner) => part(&mut out, value_field.number(), &bytes(inner)),
        other => {
            let mut alone = DynamicMessage::new(descriptor);
            alone.set_field(&value_field, other.clone());
            out.extend(alone.encode_to_vec());
        }
    }
    out
}

/// Only texts are keys in Fabric's messages.
fn order(key: &MapKey) -> String {
    key.as_str().map_or_else(|| format!("{key:?}"), str::to_owned)
}

fn part(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
