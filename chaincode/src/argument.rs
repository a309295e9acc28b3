//! Arguments and results: text as Fabric's contract APIs pass it, JSON for everything with a structure.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::error::{ContractError, codes};

/// Arguments longer than this are refused before they are parsed.
pub const ARGUMENT_BYTES_MAX: usize = 64 * 1024;

/// A type that can describe itself in the contract metadata.
pub trait Schema {
    /// Its JSON schema.
    fn schema() -> Value;
}

/// A type that a function can take as an argument.
pub trait Argument: Schema + Sized {
    /// Reads it from the bytes that the client signed; `name` goes into the refusal.
    fn parse(raw: &[u8], name: &str) -> Result<Self, ContractError>;
}

/// A type that a function can answer with.
pub trait Reply {
    /// The bytes of the answer's payload.
    fn payload(self) -> Result<Bytes, ContractError>;
    /// Its JSON schema; `null` for no answer.
    fn schema() -> Value;
}

/// Bytes taken and answered as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw(pub Bytes);

/// Reads a JSON argument; a refusal points at the place inside it.
pub fn parse_json<T: DeserializeOwned>(raw: &[u8], name: &str) -> Result<T, ContractError> {
    bounded(raw, name)?;
    let mut json = serde_json::Deserializer::from_slice(raw);
    let parsed = serde_path_to_error::deserialize(&mut json).map_err(|e| {
        let reason = e.inner().to_string();
        codes::TYPE.because(reason).at(pointer(name, e.path()))
    })?;
    json.end().map_err(|e| codes::TYPE.because(e.to_string()).at(format!("/{name}")))?;
    Ok(parsed)
}

fn pointer(name: &str, path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = format!("/{name}");
    for segment in path.iter() {
        pointer.push('/');
        match segment {
            Segment::Seq { index } => pointer.push_str(&index.to_string()),
            Segment::Map { key } => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => pointer.push_str(variant),
            Segment::Unknown => pointer.push('?'),
        }
    }
    pointer
}

fn bounded(raw: &[u8], name: &str) -> Result<(), ContractError> {
    if raw.len() <= ARGUMENT_BYTES_MAX {
        return Ok(());
    }
    let reason = format!("argument has {} bytes, at most {ARGUMENT_BYTES_MAX} fit", raw.len());
    Err(codes::TYPE.because(reason).at(format!("/{name}")))
}

fn text<'a>(raw: &'a [u8], name: &str) -> Result<&'a str, ContractError> {
    bounded(raw, name)?;
    std::str::from_utf8(raw)
        .map_err(|_| codes::TYPE.because("argument is not UTF-8 text").at(format!("/{name}")))
}

impl Schema for String {
    fn schema() -> Value {
        json!({"type": "string"})
    }
}

impl Argument for String {
    fn parse(raw: &[u8], name: &str) -> Result<Self, ContractError> {
        text(raw, name).map(str::to_owned)
    }
}

impl Schema for bool {
    fn schema() -> Value {
        json!({"type": "boolean"})
    }
}

macro_rules! whole_number {
    ($($t:ty),*) => {$(
        impl Schema for $t {
            fn schema() -> Value {
                json!({"type": "integer", "format": stringify!($t)})
            }
        }

        impl Argument for $t {
            fn parse(raw: &[u8], name: &str) -> Result<Self, ContractError> {
                text(raw, name)?.parse().map_err(|_| {
                    let reason = concat!("argument is no whole number of type ", stringify!($t));
                    codes::TYPE.because(reason).at(format!("/{name}"))
                })
            }
        }
    )*};
}
whole_number!(u32, u64, i64);

impl<T: Schema> Schema for Vec<T> {
    fn schema() -> Value {
        json!({"type": "array", "items": T::schema()})
    }
}

impl<T: Schema> Schema for Option<T> {
    fn schema() -> Value {
        T::schema()
    }
}

impl Schema for Raw {
    fn schema() -> Value {
        json!({"type": "string", "format": "byte"})
    }
}

impl Argument for Raw {
    fn parse(raw: &[u8], _: &str) -> Result<Self, ContractError> {
        Ok(Self(Bytes::copy_from_slice(raw)))
    }
}

impl Reply for Raw {
    fn payload(self) -> Result<Bytes, ContractError> {
        Ok(self.0)
    }
    fn schema() -> Value {
        <Self as Schema>::schema()
    }
}

impl Reply for () {
    fn payload(self) -> Result<Bytes, ContractError> {
        Ok(Bytes::new())
    }
    fn schema() -> Value {
        Value::Null
    }
}

impl<T: Serialize + Schema> Reply for T {
    fn payload(self) -> Result<Bytes, ContractError> {
        let json = serde_json::to_vec(&self).map_err(|e| codes::FAILED.because(e.to_string()))?;
        Ok(json.into())
    }
    fn schema() -> Value {
        <T as Schema>::schema()
    }
}

/// Declares a JSON object that contracts take, store or answer: a struct, its serde form and its schema in one place.
///
/// Unknown fields are refused; a field of type `Option` may be left out.
#[macro_export]
macro_rules! json_object {
    ($(#[$outer:meta])* pub struct $name:ident {
        $($(#[$inner:meta])* pub $field:ident: $type:ty),* $(,)?
    }) => {
        $(#[$outer])*
        #[derive(Clone, Debug, PartialEq, Eq, $crate::serde::Serialize, $crate::serde::Deserialize)]
        #[serde(crate = "carecord_chaincode::serde", rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name { $($(#[$inner])* pub $field: $type),* }

        impl $crate::Schema for $name {
            fn schema() -> $crate::serde_json::Value {
                let mut properties = $crate::serde_json::Map::new();
                $(properties.insert(
                    $crate::camel_case(stringify!($field)),
                    <$type as $crate::Schema>::schema(),
                );)*
                $crate::serde_json::json!({
                    "type": "object",
                    "title": stringify!($name),
                    "additionalProperties": false,
                    "properties": properties,
                })
            }
        }

        impl $crate::Argument for $name {
            fn parse(raw: &[u8], name: &str) -> Result<Self, $crate::ContractError> {
                $crate::parse_json(raw, name)
            }
        }
    };
}

/// The JSON name of a Rust field, as serde's `camelCase` writes it.
#[doc(hidden)]
pub fn camel_case(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut upper = false;
    for c in field.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                out.extend(c.to_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}
