//! Rules for single values: names, ids, hosts, ports, numbers, words.

use std::collections::BTreeMap;
use std::ops::Range;

use carecord_ca::KeyKind;
use toml::Spanned;

use super::Checker;
use crate::codes::Code;
use crate::topology::model::OrganisationRole;
use crate::topology::place::Place;

/// Longest name that a configuration group may have.
const NAME_LENGTH_MAX: usize = 249;

/// Names met so far, each with its place.
#[derive(Default)]
pub(super) struct Seen(BTreeMap<String, Place>);

impl Checker<'_> {
    pub(super) fn missing(&mut self, span: &Range<usize>, message: String) {
        self.problem(Code::TopologyMissing, span, message);
    }

    pub(super) fn no_organisation(&mut self, what: &str, name: &str, named: &Spanned<String>) {
        let message = format!(
            "{what} {name:?} names the organisation {:?}, which no [[organisations]] section describes",
            named.get_ref()
        );
        self.problem(Code::TopologyReference, &named.span(), message);
    }

    pub(super) fn unique(&mut self, seen: &mut Seen, what: &str, name: &str, span: &Range<usize>) {
        let place = Place::of(self.text, span);
        if let Some(first) = seen.0.insert(format!("{what} {name}"), place) {
            let message = format!("the {what} {name:?} stands already on line {}", first.line);
            self.problem(Code::TopologyDuplicate, span, message);
        }
    }

    pub(super) fn name(&mut self, name: &Spanned<String>, what: &str) {
        let text = name.get_ref();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let first_ok = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        if !first_ok || !text.chars().all(allowed) || text.len() > NAME_LENGTH_MAX {
            let message = format!(
                "{text:?} cannot be the name of a {what}: it takes 1 to {NAME_LENGTH_MAX} letters, digits, '.' and '-'"
            );
            self.problem(Code::TopologyName, &name.span(), message);
        }
    }

    pub(super) fn channel_id(&mut self, name: &Spanned<String>) {
        let text = name.get_ref();
        let allowed =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
        let first_ok = text.chars().next().is_some_and(|c| c.is_ascii_lowercase());
        if !first_ok || !text.chars().all(allowed) || text.len() > NAME_LENGTH_MAX {
            let message = format!(
                "{text:?} cannot be a channel: it starts with a lower-case letter and takes 1 to {NAME_LENGTH_MAX} lower-case letters, digits, '.' and '-'"
            );
            self.problem(Code::TopologyName, &name.span(), message);
        }
    }

    pub(super) fn msp_id(&mut self, msp_id: &Spanned<String>) {
        let text = msp_id.get_ref();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if text.is_empty() || !text.chars().all(allowed) {
            let message =
                format!("{text:?} cannot be an MSP id: it takes letters, digits, '.', '-' and '_'");
            self.problem(Code::TopologyName, &msp_id.span(), message);
        }
    }

    pub(super) fn country(&mut self, country: &Spanned<String>) -> String {
        let text = country.get_ref();
        if text.len() != 2 || !text.chars().all(|c| c.is_ascii_uppercase()) {
            let message = format!("{text:?} is not a country: it takes two capital letters");
            self.problem(Code::TopologyWord, &country.span(), message);
        }
        text.clone()
    }

    pub(super) fn host(&mut self, host: &Spanned<String>) -> String {
        let text = host.get_ref();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
        if text.is_empty() || !text.chars().all(allowed) {
            let message = format!("{text:?} is not a host name or an address");
            self.problem(Code::TopologyName, &host.span(), message);
        }
        text.clone()
    }

    pub(super) fn role(&mut self, role: &Spanned<String>) -> OrganisationRole {
        match role.get_ref().as_str() {
            "orderer" => OrganisationRole::Orderer,
            "peer" => OrganisationRole::Peer,
            _ => {
                self.word(role, "role", &["orderer", "peer"]);
                OrganisationRole::Peer
            }
        }
    }

    pub(super) fn key(&mut self, key: &Spanned<String>) -> KeyKind {
        let kinds = [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519];
        match kinds.into_iter().find(|kind| kind.name() == key.get_ref()) {
            Some(kind) => kind,
            None => {
                self.word(key, "key", &kinds.map(KeyKind::name));
                KeyKind::default()
            }
        }
    }

    pub(super) fn word(&mut self, word: &Spanned<String>, what: &str, words: &[&str]) {
        let message =
            format!("{:?} is not a {what}; it is one of {}", word.get_ref(), words.join(", "));
        self.problem(Code::TopologyWord, &word.span(), message);
    }

    pub(super) fn port(
        &mut self,
        port: Option<&Spanned<i64>>,
        host: &str,
        seen: &mut Seen,
    ) -> Option<u16> {
        let port = port?;
        match u16::try_from(*port.get_ref()) {
            Ok(0) => None,
            Ok(number) => {
                self.unique(seen, "address", &format!("{host}:{number}"), &port.span());
                Some(number)
            }
            Err(_) => {
                let message =
                    format!("{} is not a port: it takes 0 (any free one) to 65535", port.get_ref());
                self.problem(Code::TopologyRange, &port.span(), message);
                None
            }
        }
    }

    pub(super) fn number(
        &mut self,
        what: &str,
        value: Option<&Spanned<i64>>,
        default: i64,
        range: std::ops::RangeInclusive<i64>,
    ) -> u32 {
        let number = value.map_or(default, |value| *value.get_ref());
        match u32::try_from(number) {
            Ok(inside) if range.contains(&number) => inside,
            _ => {
                let span = value.map_or(0..0, Spanned::span);
                let (start, end) = (range.start(), range.end());
                self.problem(
                    Code::TopologyRange,
                    &span,
                    format!("{what} is {number}; it takes {start} to {end}"),
                );
                1
            }
        }
    }
}
