//! From messages to JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, SerializeOptions,
};
use serde_json::Value;

use super::opaque::{Place, inside};
use super::pool;
use super::walk::{Steps, each};

/// How deep messages may stand in one another; a decoder ends at about the same depth.
const MAX_DEPTH: usize = 64;
const OPENING: Steps = Steps { message: expand, bytes: open };

/// A message as JSON, opened all the way down; on failure where and why.
pub(super) fn json(message: &DynamicMessage, place: Place) -> Result<Value, String> {
    opened(message, place, MAX_DEPTH)
}

fn opened(message: &DynamicMessage, place: Place, depth: usize) -> Result<Value, String> {
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .skip_default_fields(false)
        .stringify_64_bit_integers(true);
    let mut value = message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|error| error.to_string())?;
    expand(&mut value, &message.descriptor(), place, depth)?;
    Ok(value)
}

/// Opens what is closed in `value`, which shows a message of the type `descriptor`.
fn expand(
    value: &mut Value,
    descriptor: &MessageDescriptor,
    place: Place,
    depth: usize,
) -> Result<(), String> {
    let depth = depth.checked_sub(1).ok_or("messages are nested too deep")?;
    if descriptor.full_name().starts_with("google.protobuf.") {
        return Ok(());
    }
    let name = descriptor.full_name().to_owned();
    let mut fields: Vec<FieldDescriptor> = descriptor.fields().collect();
    // A field is opened after those that say what it holds.
    fields.sort_by_key(|field| {
        matches!(field.name(), "data" | "value" | "config" | "principal" | "metadata" | "extension")
    });
    for field in fields {
        add_null(value, &field);
        let holds = inside(&name, field.name(), value);
        let Some(at) = value.get_mut(field.name()) else { continue };
        match holds {
            Some(holds) => each(at, &mut |at| open(at, holds, depth))?,
            None => OPENING.below(at, &field, &name, place, depth)?,
        }
    }
    Ok(())
}

/// Messages that are not there are shown as `null`, as Go shows them.
fn add_null(value: &mut Value, field: &FieldDescriptor) {
    let single = !field.is_list() && !field.is_map() && field.containing_oneof().is_none();
    if let (true, Kind::Message(_), Value::Object(object)) = (single, field.kind(), value) {
        object.entry(field.name()).or_insert(Value::Null);
    }
}

/// Puts the message in the place of its bytes.
fn open(value: &mut Value, holds: &str, depth: usize) -> Result<(), String> {
    let Value::String(text) = value else { return Ok(()) };
    if text.is_empty() {
        *value = Value::Null;
        return Ok(());
    }
    let bytes = STANDARD.decode(text).map_err(|error| format!("{holds}: {error}"))?;
    let Some(descriptor) = pool().get_message_by_name(holds) else { return Ok(()) };
    // Bytes that are no such message are shown as bytes; a block may hold anything that somebody sent.
    let Ok(message) = DynamicMessage::decode(descriptor, bytes.as_slice()) else { return Ok(()) };
    *value =
        opened(&message, Place::of(holds), depth).map_err(|reason| format!("{holds}: {reason}"))?;
    Ok(())
}
