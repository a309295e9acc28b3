//! Name constraints of a CA: which names the certificates below it may carry.

use super::Error;
use super::der::{Reader, tag};
use super::extensions::AlternativeName;

/// Go's limit on comparisons of names with the constraints of one CA.
const MAX_COMPARISONS: usize = 250_000;
const EMAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;

/// Permitted and excluded names, each with its context tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NameConstraints {
    permitted: Vec<AlternativeName>,
    excluded: Vec<AlternativeName>,
}

impl NameConstraints {
    /// Reads the extension's value; `false` if it constrains a kind of name that is not understood.
    pub(crate) fn read(value: &[u8]) -> Result<(NameConstraints, bool), Error> {
        let malformed = || Error::Malformed("invalid NameConstraints extension".into());
        let mut outer = Reader::new(value);
        let mut lists = outer.sequence().filter(|_| outer.is_empty()).ok_or_else(malformed)?;
        let permitted = lists.optional(tag::explicit(0)).ok_or_else(malformed)?;
        let excluded = lists.optional(tag::explicit(1)).ok_or_else(malformed)?;
        if !lists.is_empty() || (permitted.is_none() && excluded.is_none()) {
            return Err(malformed());
        }
        let mut understood = true;
        let mut names = |list: Option<super::der::Element<'_>>| {
            let mut subtrees = Reader::new(list.map_or(&[], |l| l.content));
            let mut names = Vec::new();
            while !subtrees.is_empty() {
                let name = subtrees.sequence().and_then(|mut s| s.any()).ok_or_else(malformed)?;
                let fits = match name.tag {
                    EMAIL | DNS | URI => name.content.is_ascii(),
                    IP => matches!(name.content.len(), 8 | 32),
                    _ => {
                        understood = false;
                        continue;
                    }
                };
                if !fits {
                    return Err(malformed());
                }
                names.push((name.tag, name.content.to_vec()));
            }
            Ok(names)
        };
        let constraints =
            NameConstraints { permitted: names(permitted)?, excluded: names(excluded)? };
        Ok((constraints, understood))
    }

    /// Whether these constraints allow every name of a certificate below.
    ///
    /// `comparisons` counts what was compared so far under one CA: as in Go, there is an end to it, so that a chain of many
    /// names under many constraints costs nobody much.
    pub(crate) fn allow(
        &self,
        names: &[AlternativeName],
        comparisons: &mut usize,
    ) -> Result<(), Error> {
        for (kind, name) in names {
            let same = |(constrained, _): &&AlternativeName| constrained == kind;
            let excluded = self.excluded.iter().filter(same).count();
            *comparisons += excluded + self.permitted.iter().filter(same).count();
            if *comparisons > MAX_COMPARISONS {
                return Err(Error::TooManyConstraints);
            }
            let shown = String::from_utf8_lossy(name);
            let of_kind = |(constrained, _): &&AlternativeName| constrained == kind;
            let covers = |(_, constraint): &AlternativeName| covers(*kind, constraint, name);
            if self.excluded.iter().filter(of_kind).any(covers) {
                return Err(Error::NameConstraint(format!("{shown:?} is excluded")));
            }
            let mut permitted = self.permitted.iter().filter(of_kind).peekable();
            if permitted.peek().is_some() && !permitted.any(covers) {
                return Err(Error::NameConstraint(format!("{shown:?} is not permitted")));
            }
        }
        Ok(())
    }
}

fn covers(kind: u8, constraint: &[u8], name: &[u8]) -> bool {
    let (Ok(constraint_text), Ok(text)) =
        (std::str::from_utf8(constraint), std::str::from_utf8(name))
    else {
        return kind == IP && covers_address(constraint, name);
    };
    match kind {
        DNS => covers_domain(constraint_text, text, false),
        URI => uri_host(text).is_some_and(|host| covers_domain(constraint_text, host, true)),
        EMAIL => covers_mailbox(constraint_text, text),
        _ => covers_address(constraint, name),
    }
}

fn covers_address(constraint: &[u8], address: &[u8]) -> bool {
    let (network, mask) = constraint.split_at(constraint.len() / 2);
    network.len() == address.len()
        && address.iter().zip(mask).zip(network).all(|((a, m), n)| a & m == n & m)
}

/// A constraint covers itself and what is below it; with a leading dot, or for URIs without one, it is narrower.
fn covers_domain(constraint: &str, domain: &str, exact_without_dot: bool) -> bool {
    let (constraint, domain) = (constraint.to_ascii_lowercase(), domain.to_ascii_lowercase());
    if constraint.is_empty() {
        return true;
    }
    match constraint.strip_prefix('.') {
        Some(parent) => {
            domain.strip_suffix(parent).is_some_and(|d| d.len() > 1 && d.ends_with('.'))
        }
        None if exact_without_dot => domain == constraint,
        None => domain
            .strip_suffix(constraint.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
    }
}

fn covers_mailbox(constraint: &str, mailbox: &str) -> bool {
    let Some((local, domain)) = mailbox.rsplit_once('@') else { return false };
    match constraint.rsplit_once('@') {
        Some((wanted, host)) => wanted == local && host.eq_ignore_ascii_case(domain),
        None => covers_domain(constraint, domain, true),
    }
}

fn uri_host(uri: &str) -> Option<&str> {
    let after = uri.split_once("://")?.1;
    let authority = after.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = host.split(':').next()?;
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_cover_what_lies_below_them() {
        for (kind, constraint, name, expected) in [
            (DNS, &b"example.com"[..], &b"a.example.com"[..], true),
            (DNS, b"example.com", b"EXAMPLE.com", true),
            (DNS, b"example.com", b"badexample.com", false),
            (DNS, b".example.com", b"example.com", false),
            (URI, b"example.com", b"https://example.com:1/x", true),
            (URI, b"example.com", b"https://a.example.com/", false),
            (URI, b".example.com", b"https://a.example.com/", true),
            (EMAIL, b"example.com", b"a@example.com", true),
            (EMAIL, b"b@example.com", b"a@example.com", false),
            (IP, &[10, 0, 0, 0, 255, 0, 0, 0], &[10, 1, 2, 3], true),
            (IP, &[10, 0, 0, 0, 255, 0, 0, 0], &[11, 1, 2, 3], false),
        ] {
            assert_eq!(covers(kind, constraint, name), expected, "{kind} {constraint:?} {name:?}");
        }
    }
}
