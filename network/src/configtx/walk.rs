//! The way through a message shown as JSON to where other messages' bytes stand: the same from messages to JSON
//! ([`super::write`]) and back ([`super::read`]).

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};

use super::opaque::Place;

const GROUP: &str = "common.ConfigGroup";

/// What is done on the way.
pub(super) struct Steps {
    /// To an object that shows a message of this type at this place; the number is how deep it may go on.
    pub(super) message: fn(&mut Value, &MessageDescriptor, Place, usize) -> Result<(), String>,
    /// To what stands for the bytes of the named message.
    pub(super) bytes: fn(&mut Value, &str, usize) -> Result<(), String>,
}

/// Calls `work` on the value, or on each in a list.
pub(super) fn each(
    value: &mut Value,
    work: &mut dyn FnMut(&mut Value) -> Result<(), String>,
) -> Result<(), String> {
    match value {
        Value::Array(list) => list.iter_mut().try_for_each(work),
        other => work(other),
    }
}

// === impl Steps ===

impl Steps {
    /// Goes on inside a field of `message` that holds messages as such.
    pub(super) fn below(
        &self,
        value: &mut Value,
        field: &FieldDescriptor,
        message: &str,
        place: Place,
        depth: usize,
    ) -> Result<(), String> {
        let Kind::Message(descriptor) = field.kind() else { return Ok(()) };
        if field.is_map() {
            let Kind::Message(entry) = descriptor.map_entry_value_field().kind() else {
                return Ok(());
            };
            let Value::Object(map) = value else { return Ok(()) };
            return self.entries(map, (message, field.name()), &entry, place, depth);
        }
        let place = match message {
            "common.Config" | "common.ConfigUpdate" => Place::Channel,
            GROUP => place,
            _ => Place::of(descriptor.full_name()),
        };
        each(value, &mut |value| match value {
            Value::Object(_) => (self.message)(value, &descriptor, place, depth),
            _ => Ok(()),
        })
    }

    fn entries(
        &self,
        map: &mut Map<String, Value>,
        within: (&str, &str),
        entry: &MessageDescriptor,
        place: Place,
        depth: usize,
    ) -> Result<(), String> {
        for (key, value) in map {
            let done = match within {
                (GROUP, "groups") => (self.message)(value, entry, place.below(key), depth),
                (GROUP, "values") => match (place.value(key), value.get_mut("value")) {
                    (Some(holds), Some(at)) => (self.bytes)(at, holds, depth),
                    _ => Ok(()),
                },
                _ => (self.message)(value, entry, Place::Nowhere, depth),
            };
            done.map_err(|reason| format!("{key}: {reason}"))?;
        }
        Ok(())
    }
}
