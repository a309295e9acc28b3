//! Which method at which address does what.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Call, PATH, Server, VERSION};
use crate::refusal::{Code, Refusal};
use crate::rules::reserved::parse_bool;
use crate::service::{Ca, Caller, CertificateQuery, Enrolled, Tree};
use crate::store::Identity;

const OK: u16 = 200;
const CREATED: u16 = 201;

/// Finds the endpoint and does its work.
pub(super) fn call(server: &Server, call: &Call) -> Answer {
    let Some(segments) = call.segments() else { return not_found() };
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (segments.as_slice(), call.method.as_str()) {
        (["cainfo"], "GET" | "POST" | "HEAD") => Answer::of(OK, info(server, call)),
        (["enroll"], "POST") => Answer::of(CREATED, enroll(server, call)),
        (["reenroll"], "POST") => Answer::of(
            CREATED,
            changing(server, call, true, |ca, caller| reenroll(ca, caller, call)),
        ),
        (["register"], "POST") => register(server, call, |ca, registered| {
            // A pseudonym is the service's choice, so its caller must learn it.
            let _ = ca;
            json!({"secret": registered.secret, "id": registered.identity.id})
        }),
        (["identities"], "POST") => register(server, call, |ca, registered| {
            described(ca, &registered.identity, &registered.secret)
        }),
        (["revoke"], "POST") => Answer::of(
            OK,
            changing(server, call, false, |ca, caller| {
                let revoked = ca.revoke(caller, &call.json()?)?;
                let crl = revoked.crl_pem.map(|crl| STANDARD.encode(crl)).unwrap_or_default();
                Ok(json!({"RevokedCerts": revoked.certificates, "CRL": crl}))
            }),
        ),
        (["gencrl"], "POST") => Answer::of(
            OK,
            reading(server, call, |ca, caller| {
                Ok(json!({"CRL": STANDARD.encode(ca.gencrl(caller, &call.json()?)?)}))
            }),
        ),
        (["identities"], "GET") => Answer::of(
            OK,
            reading(server, call, |ca, caller| {
                let all: Vec<Value> = ca.identities(caller)?.iter().map(summary).collect();
                Ok(json!({"identities": all, "caname": ca.name()}))
            }),
        ),
        (["identities", id], method) => identity(server, call, id, method),
        (["affiliations"], method) => affiliations(server, call, method),
        (["affiliations", name], method) => affiliation(server, call, name, method),
        (["certificates"], "GET") => Answer::of(
            OK,
            reading(server, call, |ca, caller| {
                let found = ca.certificates(caller, &query(call)?)?;
                let certificates: Vec<Value> =
                    found.iter().map(|pem| json!({"PEM": pem})).collect();
                Ok(json!({"certs": certificates, "caname": ca.name()}))
            }),
        ),
        (
            [
                "cainfo" | "enroll" | "reenroll" | "register" | "revoke" | "gencrl" | "identities"
                | "certificates",
            ],
            method,
        ) => not_allowed(method),
        _ => not_found(),
    }
}

fn not_found() -> Answer {
    let why = format!("there is no such endpoint; all lie under {PATH}");
    Answer::of(OK, Err(Refusal::new(404, Code::Unknown, why)))
}

fn not_allowed(method: &str) -> Answer {
    let why = format!("Method {method} is not allowed");
    Answer::of(OK, Err(Refusal::new(405, Code::MethodNotAllowed, why)))
}

/// A call that leaves everything as it is.
fn reading(
    server: &Server,
    call: &Call,
    work: impl FnOnce(&Ca, &Caller) -> Result<Value, Refusal>,
) -> Result<Value, Refusal> {
    call.authorization()?;
    let ca = server.ca(call)?;
    work(ca, &call.caller(ca, false)?)
}

/// A call that changes something, by a token that serves once: also if what it asked for was refused.
fn changing<T>(
    server: &Server,
    call: &Call,
    reenrolling: bool,
    work: impl FnOnce(&Ca, &Caller) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    call.authorization()?;
    let ca = server.ca(call)?;
    let caller = call.caller(ca, reenrolling)?;
    let done = work(ca, &caller);
    if done.is_err() {
        ca.burn(&caller)?;
    }
    done
}

fn info(server: &Server, call: &Call) -> Result<Value, Refusal> {
    Ok(ca_info(server.ca(call)?, server.ca(call)?.chain_pem()))
}

fn ca_info(ca: &Ca, chain_pem: &str) -> Value {
    json!({
        "CAName": ca.name(),
        "CAChain": STANDARD.encode(chain_pem),
        "IssuerPublicKey": "",
        "IssuerRevocationPublicKey": "",
        "Version": VERSION,
    })
}

fn enroll(server: &Server, call: &Call) -> Result<Value, Refusal> {
    let login = call.login()?;
    let ca = server.ca(call)?;
    let enrolled = ca.enroll(&login, &call.json()?)?;
    Ok(certificate(ca, &enrolled))
}

fn reenroll(ca: &Ca, caller: &Caller, call: &Call) -> Result<Value, Refusal> {
    let enrolled = ca.reenroll(caller, &call.json()?)?;
    Ok(certificate(ca, &enrolled))
}

fn certificate(ca: &Ca, enrolled: &Enrolled) -> Value {
    json!({
        "Cert": STANDARD.encode(&enrolled.certificate_pem),
        "ServerInfo": ca_info(ca, &enrolled.chain_pem),
    })
}

fn register(
    server: &Server,
    call: &Call,
    say: impl FnOnce(&Ca, &crate::service::Registered) -> Value,
) -> Answer {
    let mut location = None;
    let result = changing(server, call, false, |ca, caller| {
        let registered = ca.register(caller, call.json()?)?;
        location = Some(format!("{PATH}identities/{}", registered.identity.id));
        Ok(say(ca, &registered))
    });
    Answer { location, ..Answer::of(CREATED, result) }
}

fn identity(server: &Server, call: &Call, id: &str, method: &str) -> Answer {
    let result = match method {
        "GET" => {
            reading(server, call, |ca, caller| Ok(described(ca, &ca.identity(caller, id)?, "")))
        }
        "PUT" => changing(server, call, false, |ca, caller| {
            Ok(described(ca, &ca.modify(caller, id, call.json()?)?, ""))
        }),
        "DELETE" => changing(server, call, false, |ca, caller| {
            Ok(described(ca, &ca.remove(caller, id, force(call)?)?, ""))
        }),
        other => return not_allowed(other),
    };
    Answer::of(OK, result)
}

#[derive(Deserialize)]
struct AffiliationName {
    #[serde(default)]
    name: String,
}

fn affiliations(server: &Server, call: &Call, method: &str) -> Answer {
    match method {
        "GET" => Answer::of(
            OK,
            reading(server, call, |ca, caller| Ok(grown(ca, &ca.affiliations(caller)?))),
        ),
        "POST" => Answer::of(
            CREATED,
            changing(server, call, false, |ca, caller| {
                let name = call.json::<AffiliationName>()?.name;
                Ok(grown(ca, &ca.add_affiliation(caller, &name, force(call)?)?))
            }),
        ),
        other => not_allowed(other),
    }
}

fn affiliation(server: &Server, call: &Call, name: &str, method: &str) -> Answer {
    let result = match method {
        "GET" => reading(server, call, |ca, caller| Ok(grown(ca, &ca.affiliation(caller, name)?))),
        "PUT" => changing(server, call, false, |ca, caller| {
            let new = call.json::<AffiliationName>()?.name;
            Ok(grown(ca, &ca.rename_affiliation(caller, name, &new, force(call)?)?))
        }),
        "DELETE" => changing(server, call, false, |ca, caller| {
            Ok(grown(ca, &ca.remove_affiliation(caller, name, force(call)?)?))
        }),
        other => return not_allowed(other),
    };
    Answer::of(OK, result)
}

fn force(call: &Call) -> Result<bool, Refusal> {
    flag(call, "force")
}

fn flag(call: &Call, name: &str) -> Result<bool, Refusal> {
    let query = call.query();
    let Some(text) = query.get(name).filter(|text| !text.is_empty()) else { return Ok(false) };
    parse_bool(text).ok_or_else(|| {
        let why = format!("Failed to correctly parse value of '{name}' query parameter");
        Refusal::new(400, Code::RemoveAffiliation, why)
    })
}

fn query(call: &Call) -> Result<CertificateQuery, Refusal> {
    let mut given = call.query();
    let mut take = |name: &str| given.remove(name).filter(|text| !text.is_empty());
    Ok(CertificateQuery {
        id: take("id"),
        serial: take("serial"),
        aki: take("aki"),
        revoked_start: take("revoked_start"),
        revoked_end: take("revoked_end"),
        expired_start: take("expired_start"),
        expired_end: take("expired_end"),
        notrevoked: flag(call, "notrevoked")?,
        notexpired: flag(call, "notexpired")?,
    })
}

/// What lists say of an identity.
fn summary(identity: &Identity) -> Value {
    json!({
        "id": identity.id, "type": identity.kind, "affiliation": identity.affiliation,
        "attrs": identity.attributes, "max_enrollments": identity.max_enrollments,
    })
}

/// What an answer about one identity says; the secret only where it was just made.
fn described(ca: &Ca, identity: &Identity, secret: &str) -> Value {
    let mut value = summary(identity);
    value["caname"] = ca.name().into();
    if !secret.is_empty() {
        value["secret"] = secret.into();
    }
    value
}

fn grown(ca: &Ca, tree: &Tree) -> Value {
    let mut value = json!(tree);
    value["caname"] = ca.name().into();
    if !tree.identities.is_empty() {
        value["identities"] = tree.identities.iter().map(summary).collect();
    }
    value
}
