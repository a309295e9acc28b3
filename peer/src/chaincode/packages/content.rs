//! What a package holds, and whether this peer can do anything with it.

use serde::Deserialize;

use super::archive;

/// The largest package, packed.
pub(crate) const MAX_PACKAGE_BYTES: usize = 16 << 20;
const METADATA: &str = "metadata.json";
const CODE: &str = "code.tar.gz";
/// In the code of a `ccaas` package.
const CONNECTION: &str = "connection.json";
/// In the code of a `carecord` package.
const CHAINCODE: &str = "chaincode.json";

/// A package that was read.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) label: String,
    pub(super) code: Code,
}

/// What runs when a definition's approval names the package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// The chaincode of this name, which is part of the peer.
    BuiltIn(String),
    /// A chaincode service at this address.
    Service(String),
}

/// Why a package is not taken.
#[derive(Debug)]
pub(super) enum Refused {
    /// It is no package.
    Malformed(String),
    /// It is one, and this peer cannot run what it holds.
    Unsupported(String),
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    label: String,
}

#[derive(Deserialize)]
struct Connection {
    #[serde(default)]
    address: String,
}

#[derive(Deserialize)]
struct BuiltIn {
    #[serde(default)]
    name: String,
}

/// Reads a package; `built_in` are the chaincodes of this peer.
pub(super) fn read(package: &[u8], built_in: &[&str]) -> Result<Content, Refused> {
    let (metadata, code) = outer(package).map_err(Refused::Malformed)?;
    let Metadata { label, r#type } = metadata;
    let unsupported = |reason: String| Refused::Unsupported(reason);
    let code = match r#type.to_lowercase().as_str() {
        "ccaas" => service(&code).map_err(unsupported)?,
        "carecord" => chaincode(&code, built_in).map_err(unsupported)?,
        _ => {
            return Err(unsupported(format!(
                "this peer builds no chaincode of type '{type}'; it takes packages of type \
                 'carecord' for the chaincodes that are part of it ({}) and 'ccaas' for services",
                built_in.join(", ")
            )));
        }
    };
    Ok(Content { label, code })
}

fn outer(package: &[u8]) -> Result<(Metadata, Vec<u8>), String> {
    if package.len() > MAX_PACKAGE_BYTES {
        let size = package.len();
        return Err(format!("a package may have {MAX_PACKAGE_BYTES} bytes, not {size}"));
    }
    let mut files = archive::files(package, &[METADATA, CODE])?;
    let metadata = files.remove(METADATA);
    let metadata = metadata.map(|json| {
        serde_json::from_slice::<Metadata>(&json)
            .map_err(|error| format!("could not unmarshal {METADATA} as json: {error}"))
    });
    let metadata = metadata.transpose()?;
    let code = files.remove(CODE).ok_or("did not find a code package inside the package")?;
    let metadata = metadata
        .ok_or_else(|| format!("did not find any package metadata (missing {METADATA})"))?;
    check_label(&metadata.label)?;
    Ok((metadata, code))
}

/// The rule for labels, which are also part of file names.
fn check_label(label: &str) -> Result<(), String> {
    let begins = label.starts_with(|c: char| c.is_ascii_alphanumeric());
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.+-".contains(c);
    if begins && label.chars().all(allowed) {
        return Ok(());
    }
    Err(format!(
        "invalid label '{label}'. Label must be non-empty, can only consist of alphanumerics, \
         symbols from '.+-_', and can only begin with alphanumerics"
    ))
}

fn inner<T: for<'a> Deserialize<'a>>(code: &[u8], file: &str) -> Result<T, String> {
    let files = archive::files(code, &[file]).map_err(|reason| format!("{CODE}: {reason}"))?;
    let json = files.get(file).ok_or_else(|| format!("{file} not found in {CODE}"))?;
    serde_json::from_slice(json).map_err(|error| format!("{file} is not readable: {error}"))
}

fn service(code: &[u8]) -> Result<Code, String> {
    let connection: Connection = inner(code, CONNECTION)?;
    match connection.address.is_empty() {
        true => Err(format!("chaincode address not provided in {CONNECTION}")),
        false => Ok(Code::Service(connection.address)),
    }
}

fn chaincode(code: &[u8], built_in: &[&str]) -> Result<Code, String> {
    let BuiltIn { name } = inner(code, CHAINCODE)?;
    match built_in.contains(&name.as_str()) {
        true => Ok(Code::BuiltIn(name)),
        false => Err(format!(
            "this peer has no built-in chaincode '{name}'; it has {}",
            built_in.join(", ")
        )),
    }
}
