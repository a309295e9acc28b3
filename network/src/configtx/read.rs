//! From JSON to messages: the way back of [`super::write`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::Value;

use super::opaque::{Place, inside};
use super::walk::{Steps, each};
use super::{pool, wire};

const MAX_DEPTH: usize = 64;
const CLOSING: Steps = Steps { message: collapse, bytes: close };

/// The message that `json` shows; on failure where and why.
pub(super) fn message(
    descriptor: &MessageDescriptor,
    json: &Value,
    place: Place,
) -> Result<DynamicMessage, String> {
    let mut json = json.clone();
    closed(&mut json, descriptor, place, MAX_DEPTH)
}

fn closed(
    json: &mut Value,
    descriptor: &MessageDescriptor,
    place: Place,
    depth: usize,
) -> Result<DynamicMessage, String> {
    collapse(json, descriptor, place, depth)?;
    DynamicMessage::deserialize(descriptor.clone(), &*json).map_err(|error| error.to_string())
}

/// Puts bytes in the place of what was opened.
fn collapse(
    json: &mut Value,
    descriptor: &MessageDescriptor,
    place: Place,
    depth: usize,
) -> Result<(), String> {
    let depth = depth.checked_sub(1).ok_or("messages are nested too deep")?;
    if descriptor.full_name().starts_with("google.protobuf.") {
        return Ok(());
    }
    let name = descriptor.full_name();
    // What a field holds is said by others, which must still be open when it is asked.
    let before = json.clone();
    for field in descriptor.fields() {
        let Some(at) = json.get_mut(field.name()) else { continue };
        let fail = |reason: String| format!("{}: {reason}", field.name());
        match inside(name, field.name(), &before) {
            Some(holds) => each(at, &mut |at| close(at, holds, depth)).map_err(fail)?,
            None => CLOSING.below(at, &field, name, place, depth).map_err(fail)?,
        }
    }
    Ok(())
}

fn close(value: &mut Value, holds: &str, depth: usize) -> Result<(), String> {
    // Bytes that were not opened stay as they are.
    if !value.is_object() {
        return Ok(());
    }
    let Some(descriptor) = pool().get_message_by_name(holds) else { return Ok(()) };
    let message = closed(value, &descriptor, Place::of(holds), depth)?;
    *value = Value::String(STANDARD.encode(wire::bytes(&message)));
    Ok(())
}
