//! Every configuration and identity of the vectors made by Fabric's own packages.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use carecord_msp::{Identity, Msp, MspManager, MspVersion, is_well_formed};
use carecord_proto::common::msp_principal::Classification;
use carecord_proto::common::msp_role::MspRoleType;
use carecord_proto::common::{MspPrincipal, MspRole};
use carecord_proto::msp::MspConfig;
use carecord_proto::testdata;
use prost::Message;
use serde_json::Value;

const MSP_ID: &str = "Org1MSP";
const CONFIGS: usize = 104;

/// Texts that hold a Go print-out of a certificate, a message or a library's error: only their beginning is fixed.
const FREE_TAILS: [&str; 7] = [
    "Failed adding OU. Certificate [",
    "Failed computing validation chain for [",
    "failed getting certificate for [",
    "could not parse RevocationList: ",
    "Parent certificate should be a leaf of the certification tree [",
    "could not deserialize a SerializedIdentity: ",
    "parseCertificate failed: x509: malformed",
];

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn version(value: &Value) -> MspVersion {
    match value.as_str().unwrap() {
        "1.0" => MspVersion::V1_0,
        "1.1" => MspVersion::V1_1,
        "1.3" => MspVersion::V1_3,
        "1.4.3" => MspVersion::V1_4_3,
        "3.0" => MspVersion::V3_0,
        other => panic!("unknown MSP version {other}"),
    }
}

/// Whether our text is Fabric's, up to what `FREE_TAILS` leaves open.
fn same_text(ours: Option<&str>, fabrics: Option<&str>) -> bool {
    let (Some(ours), Some(fabrics)) = (ours, fabrics) else { return ours == fabrics };
    let cut = FREE_TAILS
        .iter()
        .filter_map(|tail| fabrics.find(tail).map(|at| at + tail.len()))
        .min()
        .unwrap_or(fabrics.len());
    if cut == fabrics.len() { ours == fabrics } else { ours.starts_with(&fabrics[..cut]) }
}

/// Collects what differs, so that one run shows all of it.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn text(&mut self, what: &str, ours: Option<String>, fabrics: &Value) {
        if !same_text(ours.as_deref(), fabrics.as_str()) {
            self.0.push(format!("{what}:\n  ours   {ours:?}\n  fabric {fabrics}"));
        }
    }

    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, ours: T, fabrics: T) {
        if ours != fabrics {
            self.0.push(format!("{what}:\n  ours   {ours:?}\n  fabric {fabrics:?}"));
        }
    }

    fn assert_none(self) {
        assert!(self.0.is_empty(), "{} differences\n{}", self.0.len(), self.0.join("\n"));
    }
}

fn set_up_all(folder: &Path, differences: &mut Differences) -> BTreeMap<String, MspManager> {
    let mut managers = BTreeMap::new();
    let configs = lines(&folder.join("configs.jsonl"));
    assert_eq!(configs.len(), CONFIGS);
    for line in configs {
        let name = line["config"].as_str().unwrap();
        let config = MspConfig::decode(&bytes(&line["msp_config"])[..]).unwrap();
        match Msp::new(&config, version(&line["msp_version"])) {
            Ok(msp) => {
                differences.text(&format!("{name}: set-up"), None, &line["setup_error"]);
                managers.insert(name.to_string(), MspManager::new(vec![Arc::new(msp)]));
            }
            Err(why) => {
                let ours = Some(why.to_string());
                differences.text(&format!("{name}: set-up"), ours, &line["setup_error"]);
            }
        }
    }
    managers
}

#[test]
fn every_golden_configuration_and_identity_gets_fabrics_verdict() {
    let Some(folder) = testdata::path("fabric-vectors/msp") else {
        return testdata::skipped("golden MSP vectors");
    };
    let mut differences = Differences::default();
    let managers = set_up_all(&folder, &mut differences);
    let vectors = lines(&folder.join("vectors.jsonl"));
    for line in &vectors {
        check_vector(line, &managers, &mut differences);
    }
    let usable = managers.len();
    println!("{CONFIGS} configurations ({usable} usable), {} identities", vectors.len());
    differences.assert_none();
}

fn check_vector(
    line: &Value,
    managers: &BTreeMap<String, MspManager>,
    differences: &mut Differences,
) {
    let config = line["config"].as_str().unwrap();
    let name = format!("{} under {config}", line["name"].as_str().unwrap());
    let Some(manager) = managers.get(config) else { return differences.0.push(name) };
    let serialized = bytes(&line["identity"]);
    if line.as_object().unwrap().contains_key("well_formed_error") {
        let ours = is_well_formed(&serialized).err().map(|why| why.to_string());
        differences.text(&format!("{name}: form"), ours, &line["well_formed_error"]);
    }
    let identity = match manager.identity(&serialized) {
        Ok(identity) => identity,
        Err(why) => {
            let fabrics = line["verdict"].as_str().unwrap();
            differences.equal(&format!("{name}: verdict ({why})"), "deserialize_error", fabrics);
            return differences.text(&name, Some(why.to_string()), &line["error"]);
        }
    };
    let verdict = identity.validate();
    let ours = if verdict.is_ok() { "valid" } else { "invalid" };
    let fabrics = line["verdict"].as_str().unwrap();
    differences.equal(&format!("{name}: verdict {verdict:?}"), ours, fabrics);
    if fabrics == "deserialize_error" {
        return;
    }
    differences.text(&name, verdict.err().map(|why| why.to_string()), &line["error"]);
    check_facts(&name, &identity, line, differences);
}

fn check_facts(name: &str, identity: &Identity, line: &Value, differences: &mut Differences) {
    let fabrics = line["identifier"].as_str().unwrap();
    differences.equal(&format!("{name}: identifier"), identity.identifier(), fabrics);

    let ous: Vec<_> = identity
        .ous()
        .iter()
        .map(|ou| (ou.name.clone(), hex::encode(&ou.certifiers_identifier)))
        .collect();
    let fabrics: Vec<_> = line["ous"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|ou| (ou[0].as_str().unwrap().to_string(), ou[1].as_str().unwrap().to_string()))
        .collect();
    differences.equal(&format!("{name}: ous"), ous, fabrics);

    let format = &time::format_description::well_known::Rfc3339;
    let fabrics = line["expires_at"].as_str().unwrap();
    let fabrics = time::OffsetDateTime::parse(fabrics, format).unwrap().unix_timestamp();
    differences.equal(&format!("{name}: expiry"), identity.expires_at(), fabrics);

    for (role, text) in line["roles"].as_object().unwrap() {
        let ours = identity.satisfies(&role_principal(role)).err().map(|why| why.to_string());
        differences.text(&format!("{name}: role {role}"), ours, text);
    }
}

fn role_principal(role: &str) -> MspPrincipal {
    let role = MspRoleType::from_str_name(role).unwrap();
    let role = MspRole { msp_identifier: MSP_ID.into(), role: role.into() };
    MspPrincipal {
        principal_classification: Classification::Role.into(),
        principal: role.encode_to_vec().into(),
    }
}
