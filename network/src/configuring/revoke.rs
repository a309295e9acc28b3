//! Revocation lists in a channel's configuration: whoever stands on one is nobody from that block on.
//!
//! An MSP looks at all the lists that it is given and at no clock, so an entry must stay for good: a list is taken out only
//! when another of the same CA says as much and more.

use std::collections::BTreeSet;

use bytes::Bytes;
use carecord_ca::{Edition, IssuedRecord, Issuing, Organisation, Revocation};
use carecord_proto::common::ConfigGroup;
use carecord_proto::msp::{FabricMspConfig, MspConfig};
use prost::Message;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::certificates::Certificate;
use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// RFC 5280: a reason that is not told.
const UNSPECIFIED: u8 = 0;
/// How long until the list should be followed by another; an MSP does not look at it.
const NEXT_S: i64 = 30 * 86_400;

/// A list that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct List {
    /// Its issuer's name, DER.
    issuer: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// Hexadecimal digits.
    serial: String,
    revocation: Revocation,
}

/// A list, PEM, by the organisation's own CA: of these certificates and of all that its lists `before` have.
pub fn revocation_list(
    authority: &Organisation,
    revoked: &[Certificate],
    before: &[Bytes],
    now_unix_s: i64,
) -> Outcome<String> {
    let failed = |error| Failure::new(Code::Authority, error);
    let ca = authority.ca();
    let issuing = Issuing::new(ca.certificate_pem(), "", ca.key_pem()).map_err(failed)?;
    let own = [Bytes::copy_from_slice(ca.certificate_pem().as_bytes())];
    let mut known = BTreeSet::new();
    let mut records = Vec::new();
    for entry in before.iter().filter_map(|list| vouched(list, &own)).flat_map(|list| list.entries)
    {
        if known.insert(entry.serial.clone()) {
            records.push(record(entry.serial, entry.revocation));
        }
    }
    let revocation = Revocation { at: now_unix_s, reason: UNSPECIFIED };
    for serial in revoked.iter().map(|one| plain(&one.serial)) {
        if known.insert(serial.clone()) {
            records.push(record(serial, revocation));
        }
    }
    let number = u64::try_from(now_unix_s).unwrap_or_default();
    let edition = Edition { number, made_at: now_unix_s, next_at: now_unix_s + NEXT_S };
    issuing.revocation_list(&records, edition).map_err(failed)
}

/// Whether the list has this certificate.
pub fn is_listed(list: &[u8], certificate: &Certificate) -> bool {
    let serial = plain(&certificate.serial);
    read(list).is_some_and(|list| list.entries.iter().any(|entry| entry.serial == serial))
}

/// The lists in force of an organisation, PEM.
pub fn lists(root: &ConfigGroup, organisation: &str) -> Outcome<Vec<Bytes>> {
    let mut found: Vec<Bytes> = Vec::new();
    for section in root.groups.values() {
        let group = section.groups.get(organisation);
        let Some(value) = group.and_then(|group| group.values.get("MSP")) else { continue };
        let (_, fabric) = msp(&value.value, organisation)?;
        for list in fabric.revocation_list {
            if !found.contains(&list) {
                found.push(list);
            }
        }
    }
    Ok(found)
}

/// Puts a revocation list, PEM, into an organisation's MSP wherever the channel names it, in the place of those that it
/// covers. Fails if it is no list of one of the organisation's CAs: an MSP would leave it aside.
pub fn put_list(root: &mut ConfigGroup, organisation: &str, list: &Bytes) -> Outcome<()> {
    let mut found = false;
    for section in root.groups.values_mut() {
        let group = section.groups.get_mut(organisation);
        let Some(value) = group.and_then(|group| group.values.get_mut("MSP")) else { continue };
        let (mut outer, mut fabric) = msp(&value.value, organisation)?;
        let cas = [fabric.root_certs.as_slice(), &fabric.intermediate_certs].concat();
        let new = vouched(list, &cas).ok_or_else(|| strange(list, organisation))?;
        if !fabric.revocation_list.contains(list) {
            fabric.revocation_list.retain(|old| read(old).is_none_or(|old| !new.covers(&old)));
            fabric.revocation_list.push(list.clone());
        }
        outer.config = fabric.encode_to_vec().into();
        value.value = outer.encode_to_vec().into();
        found = true;
    }
    if found {
        return Ok(());
    }
    Err(Failure::new(Code::Unknown, format!("the channel has no organisation {organisation:?}")))
}

fn msp(value: &Bytes, organisation: &str) -> Outcome<(MspConfig, FabricMspConfig)> {
    let unreadable = |error| Failure::new(Code::ConfigSame, error).at(organisation);
    let outer = MspConfig::decode(value.clone()).map_err(unreadable)?;
    let fabric = FabricMspConfig::decode(outer.config.clone()).map_err(unreadable)?;
    Ok((outer, fabric))
}

fn strange(list: &[u8], organisation: &str) -> Failure {
    let cause = match read(list) {
        None => "this is no revocation list",
        Some(_) => "the revocation list is signed by none of the organisation's CAs",
    };
    Failure::new(Code::Argument, cause)
        .at(organisation)
        .hint("`carecord ca crl --organisation ORGANISATION` gives the list of its CA")
}

// === impl List ===

impl List {
    /// Whether everybody on `other` stands here, too.
    fn covers(&self, other: &Self) -> bool {
        let serials: BTreeSet<_> = self.entries.iter().map(|entry| &entry.serial).collect();
        self.issuer == other.issuer
            && other.entries.iter().all(|entry| serials.contains(&entry.serial))
    }
}

/// The list, if one of these CAs (PEM) has signed it.
fn vouched(list: &[u8], cas: &[Bytes]) -> Option<List> {
    let block = pem::parse(list).ok()?;
    let (_, parsed) = CertificateRevocationList::from_der(block.contents()).ok()?;
    let signed = cas.iter().filter_map(|ca| pem::parse(ca).ok()).any(|ca| {
        X509Certificate::from_der(ca.contents()).is_ok_and(|(_, ca)| {
            ca.subject().as_raw() == parsed.issuer().as_raw()
                && parsed.verify_signature(ca.public_key()).is_ok()
        })
    });
    signed.then(|| of(&parsed))
}

fn read(list: &[u8]) -> Option<List> {
    let block = pem::parse(list).ok()?;
    CertificateRevocationList::from_der(block.contents()).ok().map(|(_, parsed)| of(&parsed))
}

fn of(parsed: &CertificateRevocationList<'_>) -> List {
    let entries = parsed.iter_revoked_certificates().map(|entry| Entry {
        serial: plain(&hex::encode(entry.raw_serial())),
        revocation: Revocation {
            at: entry.revocation_date.timestamp(),
            reason: entry.reason_code().map_or(UNSPECIFIED, |(_, reason)| reason.0),
        },
    });
    List { issuer: parsed.issuer().as_raw().to_vec(), entries: entries.collect() }
}

/// A serial number without the zeros that DER puts before it.
fn plain(serial: &str) -> String {
    serial.trim_start_matches('0').to_owned()
}

fn record(serial: String, revocation: Revocation) -> IssuedRecord {
    IssuedRecord {
        serial,
        aki: String::new(),
        id: String::new(),
        profile: String::new(),
        pem: String::new(),
        not_before: 0,
        not_after: 0,
        revoked: Some(revocation),
    }
}

#[cfg(test)]
mod tests {
    use carecord_ca::{NodeRole, Validity};
    use carecord_proto::common::ConfigValue;

    use super::*;

    const NOW: i64 = 1_760_000_000;

    fn organisation(domain: &str) -> Organisation {
        let validity = Validity { not_before: NOW - 100, not_after: NOW + 100_000_000 };
        Organisation::create(domain, None, validity).unwrap()
    }

    fn somebody(organisation: &Organisation) -> Certificate {
        let validity = Validity { not_before: NOW - 10, not_after: NOW + 10 };
        let issued = organisation.node("n.a.test", NodeRole::Peer, validity).unwrap();
        Certificate::of_pem(issued.certificate_pem.as_bytes()).remove(0)
    }

    /// A channel's configuration with the organisation `A`.
    fn channel(organisation: &Organisation) -> ConfigGroup {
        let ca = Bytes::copy_from_slice(organisation.ca().certificate_pem().as_bytes());
        let fabric = FabricMspConfig { root_certs: vec![ca], ..Default::default() };
        let msp = MspConfig { config: fabric.encode_to_vec().into(), ..Default::default() };
        let value = ConfigValue { value: msp.encode_to_vec().into(), ..Default::default() };
        let mut group = ConfigGroup::default();
        group.values.insert("MSP".to_owned(), value);
        let mut root = ConfigGroup::default();
        for section in ["Application", "Orderer"] {
            let section = root.groups.entry(section.to_owned()).or_default();
            section.groups.insert("A".to_owned(), group.clone());
        }
        root
    }

    fn made(by: &Organisation, revoked: &[Certificate], before: &[Bytes]) -> Bytes {
        revocation_list(by, revoked, before, NOW).unwrap().into()
    }

    #[test]
    fn a_list_takes_the_place_of_those_that_it_covers_and_of_no_other() {
        let own = organisation("a.test");
        let [ann, bob, eve] = [(); 3].map(|()| somebody(&own));
        let mut root = channel(&own);
        let first = made(&own, std::slice::from_ref(&ann), &[]);
        put_list(&mut root, "A", &first).unwrap();
        assert_eq!(lists(&root, "A").unwrap(), [first.clone()]);
        // One that leaves somebody out stands beside it: nobody comes back.
        let other = made(&own, std::slice::from_ref(&bob), &[]);
        put_list(&mut root, "A", &other).unwrap();
        assert_eq!(lists(&root, "A").unwrap(), [first, other]);
        // One that has all of them is enough.
        let all = made(&own, std::slice::from_ref(&eve), &lists(&root, "A").unwrap());
        assert!([&ann, &bob, &eve].iter().all(|who| is_listed(&all, who)));
        put_list(&mut root, "A", &all).unwrap();
        put_list(&mut root, "A", &all).unwrap();
        assert_eq!(lists(&root, "A").unwrap(), [all]);
    }

    #[test]
    fn what_no_ca_of_the_organisation_has_signed_is_refused() {
        let (own, other) = (organisation("a.test"), organisation("b.test"));
        // Another organisation that gives itself the same name.
        let twin = organisation("a.test");
        let ann = somebody(&own);
        let mut root = channel(&own);
        let before = root.clone();
        let good = made(&own, std::slice::from_ref(&ann), &[]);
        let mut damaged = pem::parse(&good).unwrap().into_contents();
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        let damaged = pem::encode(&pem::Pem::new("X509 CRL", damaged));
        for (what, list) in [
            ("no list", Bytes::from_static(b"hospital")),
            ("another's", made(&other, &[somebody(&other)], &[])),
            ("a twin's", made(&twin, std::slice::from_ref(&ann), &[])),
            ("damaged", damaged.into()),
        ] {
            put_list(&mut root, "A", &list).expect_err(what);
            assert_eq!(root, before, "{what}");
            assert!(!is_listed(&made(&own, &[], &[list]), &ann), "{what} is not taken over");
        }
        put_list(&mut root, "nobody", &good).expect_err("no such organisation");
        put_list(&mut root, "A", &good).unwrap();
    }

    #[test]
    fn an_entry_keeps_its_time_and_reason_in_the_next_list() {
        let own = organisation("a.test");
        let ann = somebody(&own);
        let ca = own.ca();
        let issuing = Issuing::new(ca.certificate_pem(), "", ca.key_pem()).unwrap();
        let revocation = Revocation { at: NOW - 7, reason: 1 };
        let edition = Edition { number: 1, made_at: NOW, next_at: NOW + 1 };
        let record = record(ann.serial.clone(), revocation);
        let first = issuing.revocation_list(&[record], edition).unwrap();
        let next = made(&own, &[somebody(&own)], &[first.into()]);
        let entries = read(&next).unwrap().entries;
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0], Entry { serial: plain(&ann.serial), revocation });
    }
}
