//! The policy language of Fabric's tools: `AND('Org1MSP.peer', OR('Org2MSP.peer', 'Org3MSP.admin'))`.
//!
//! Place in the flow: whoever defines a channel or a chaincode writes policies so; what travels is the
//! [`SignaturePolicyEnvelope`] made here, with rules and principals in the order in which Fabric's own tools put them:
//! the principals of inner gates come before those of the gate around them.

use carecord_proto::common::msp_principal::Classification;
use carecord_proto::common::msp_role::MspRoleType;
use carecord_proto::common::signature_policy::{NOutOf, Type};
use carecord_proto::common::{MspPrincipal, MspRole, SignaturePolicy, SignaturePolicyEnvelope};
use prost::Message;

use super::MAX_POLICY_DEPTH;

/// Why a text is not a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The text ends or goes on where it should not.
    #[error("expected {expected} at character {at} of the policy")]
    Expected {
        /// What would have been right.
        expected: &'static str,
        /// Where, counted from 0.
        at: usize,
    },
    /// Not AND, OR or OutOf.
    #[error("unrecognized token '{0}' in policy string")]
    Gate(String),
    /// A principal is not `organisation.role`.
    #[error("error parsing principal {0}")]
    Principal(String),
    /// More, or less, asked for than there can be.
    #[error("invalid t-out-of-n predicate, t {t}, n {n}")]
    Threshold {
        /// How many are asked for.
        t: i64,
        /// How many there are.
        n: usize,
    },
    /// Nested beyond [`MAX_POLICY_DEPTH`].
    #[error("gates are nested deeper than {MAX_POLICY_DEPTH}")]
    TooDeep,
}

/// Reads a policy text.
pub fn parse(text: &str) -> Result<SignaturePolicyEnvelope, ParseError> {
    let mut parser = Parser { text, at: 0, principals: Vec::new() };
    let rule = parser.gate(MAX_POLICY_DEPTH)?;
    parser.skip_spaces();
    if parser.at < text.len() {
        return Err(parser.expected("the end"));
    }
    Ok(SignaturePolicyEnvelope { version: 0, rule: Some(rule), identities: parser.principals })
}

/// The principal "a `role` of the organisation `msp_id`".
pub fn role(msp_id: &str, role: MspRoleType) -> MspPrincipal {
    let role = MspRole { msp_identifier: msp_id.to_owned(), role: role.into() };
    MspPrincipal {
        principal_classification: Classification::Role.into(),
        principal: role.encode_to_vec().into(),
    }
}

/// The policy "`n` of these organisations, by someone in `role`", in the order given.
pub fn n_out_of_organisations<'a>(
    n: i32,
    msp_ids: impl IntoIterator<Item = &'a str>,
    by: MspRoleType,
) -> SignaturePolicyEnvelope {
    let identities: Vec<_> = msp_ids.into_iter().map(|msp_id| role(msp_id, by)).collect();
    let rules = (0..).take(identities.len()).map(signed_by).collect();
    SignaturePolicyEnvelope { version: 0, rule: Some(n_out_of(n, rules)), identities }
}

fn signed_by(which: i32) -> SignaturePolicy {
    SignaturePolicy { r#type: Some(Type::SignedBy(which)) }
}

fn n_out_of(n: i32, rules: Vec<SignaturePolicy>) -> SignaturePolicy {
    SignaturePolicy { r#type: Some(Type::NOutOf(NOutOf { n, rules })) }
}

enum Argument {
    Text(String),
    Number(i64),
    Rule(SignaturePolicy),
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    principals: Vec<MspPrincipal>,
}

// === impl Parser ===

impl Parser<'_> {
    fn gate(&mut self, depth: usize) -> Result<SignaturePolicy, ParseError> {
        let depth = depth.checked_sub(1).ok_or(ParseError::TooDeep)?;
        self.skip_spaces();
        let name = self.word();
        if name.is_empty() {
            return Err(self.expected("AND, OR or OutOf"));
        }
        if !matches!(name, "AND" | "And" | "and" | "OR" | "Or" | "or" | "OutOf" | "outof" | "OUTOF")
        {
            return Err(ParseError::Gate(name.to_owned()));
        }
        let name = name.to_ascii_lowercase();
        let mut arguments = self.arguments(depth)?;
        let t = match name.as_str() {
            "and" => arguments.len() as i64,
            "or" => 1,
            _ => threshold(&arguments.remove(0)).ok_or_else(|| self.expected("a number first"))?,
        };
        let n = arguments.len();
        if n == 0 {
            return Err(self.expected("at least one principal or gate"));
        }
        match i32::try_from(t) {
            Ok(threshold) if t >= 0 && t <= n as i64 + 1 => {
                let rules = arguments.into_iter().map(|argument| self.rule(argument));
                Ok(n_out_of(threshold, rules.collect::<Result<_, _>>()?))
            }
            _ => Err(ParseError::Threshold { t, n }),
        }
    }

    /// The arguments between brackets, at least one. Inner gates register their principals here already.
    fn arguments(&mut self, depth: usize) -> Result<Vec<Argument>, ParseError> {
        self.take('(', "'('")?;
        let mut arguments = vec![self.argument(depth)?];
        while self.peek() == Some(',') {
            self.at += 1;
            arguments.push(self.argument(depth)?);
        }
        self.take(')', "',' or ')'")?;
        Ok(arguments)
    }

    fn argument(&mut self, depth: usize) -> Result<Argument, ParseError> {
        match self.peek() {
            Some(quote @ ('\'' | '"')) => {
                self.at += 1;
                let rest = &self.text[self.at..];
                let end = rest.find(quote).ok_or_else(|| self.expected("a closing quote"))?;
                self.at += end + 1;
                Ok(Argument::Text(rest[..end].to_owned()))
            }
            Some(c) if c.is_ascii_digit() => {
                let digits = self.word();
                let number = digits.parse().map_err(|_| self.expected("a number"))?;
                Ok(Argument::Number(number))
            }
            _ => self.gate(depth).map(Argument::Rule),
        }
    }

    fn rule(&mut self, argument: Argument) -> Result<SignaturePolicy, ParseError> {
        match argument {
            Argument::Rule(rule) => Ok(rule),
            Argument::Number(number) => Err(ParseError::Principal(number.to_string())),
            Argument::Text(text) => {
                let principal = principal(&text).ok_or(ParseError::Principal(text))?;
                let which =
                    i32::try_from(self.principals.len()).map_err(|_| ParseError::TooDeep)?;
                self.principals.push(principal);
                Ok(signed_by(which))
            }
        }
    }

    fn word(&mut self) -> &str {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn take(&mut self, what: char, expected: &'static str) -> Result<(), ParseError> {
        if self.peek() != Some(what) {
            return Err(self.expected(expected));
        }
        self.at += what.len_utf8();
        Ok(())
    }

    fn peek(&mut self) -> Option<char> {
        self.skip_spaces();
        self.text[self.at..].chars().next()
    }

    fn skip_spaces(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn expected(&self, expected: &'static str) -> ParseError {
        ParseError::Expected { expected, at: self.text[..self.at].chars().count() }
    }
}

fn threshold(argument: &Argument) -> Option<i64> {
    match argument {
        Argument::Number(number) => Some(*number),
        Argument::Text(text) => text.parse().ok(),
        Argument::Rule(_) => None,
    }
}

fn principal(text: &str) -> Option<MspPrincipal> {
    let (msp_id, name) = text.rsplit_once('.')?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    if msp_id.is_empty() || !msp_id.chars().all(legal) {
        return None;
    }
    let by = match name {
        "member" => MspRoleType::Member,
        "admin" => MspRoleType::Admin,
        "client" => MspRoleType::Client,
        "peer" => MspRoleType::Peer,
        "orderer" => MspRoleType::Orderer,
        _ => return None,
    };
    Some(role(msp_id, by))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows rules with numbered leaves, and the principals by number.
    fn show(envelope: &SignaturePolicyEnvelope) -> String {
        fn rule(policy: &SignaturePolicy) -> String {
            match policy.r#type.as_ref().expect("a type") {
                Type::SignedBy(which) => which.to_string(),
                Type::NOutOf(gate) => {
                    let rules: Vec<_> = gate.rules.iter().map(rule).collect();
                    format!("{}({})", gate.n, rules.join(","))
                }
            }
        }
        let principals = envelope.identities.iter().map(|principal| {
            let role = MspRole::decode(principal.principal.clone()).expect("a role");
            format!("{}.{:?}", role.msp_identifier, role.role())
        });
        let principals: Vec<_> = principals.collect();
        format!("{} {}", rule(envelope.rule.as_ref().expect("a rule")), principals.join(" "))
    }

    fn check(text: &str, expected: &str) {
        let shown = match parse(text) {
            Ok(envelope) => show(&envelope),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn gates_become_n_out_of() {
        check("AND('A.member', 'B.admin')", "2(0,1) A.Member B.Admin");
        check("OR('A.client','B.orderer')", "1(0,1) A.Client B.Orderer");
        check("outof(2, 'A.peer', \"b.c-d.peer\")", "2(0,1) A.Peer b.c-d.Peer");
        check("OutOf('1', 'A.peer')", "1(0) A.Peer");
        check(" And ( 'A.peer' ) ", "1(0) A.Peer");
    }

    #[test]
    fn principals_of_inner_gates_come_first() {
        check("AND('A.peer', OR('B.peer', 'C.peer'))", "2(2,1(0,1)) B.Peer C.Peer A.Peer");
        check(
            "OR(AND('A.peer', 'B.peer'), 'C.peer', OutOf(1, 'D.peer'))",
            "1(2(0,1),3,1(2)) A.Peer B.Peer D.Peer C.Peer",
        );
    }

    #[test]
    fn one_more_than_there_are_is_allowed_as_never() {
        check("OutOf(2, 'A.peer')", "2(0) A.Peer");
        check("OutOf(0, 'A.peer')", "0(0) A.Peer");
        check("OutOf(3, 'A.peer')", "invalid t-out-of-n predicate, t 3, n 1");
    }

    #[test]
    fn what_is_not_a_policy_is_refused_with_its_place() {
        check("", "expected AND, OR or OutOf at character 0 of the policy");
        check("AND()", "expected AND, OR or OutOf at character 4 of the policy");
        check("NAND('A.peer')", "unrecognized token 'NAND' in policy string");
        check("AND('A.peer'", "expected ',' or ')' at character 12 of the policy");
        check("AND('A.peer') x", "expected the end at character 14 of the policy");
        check("AND('A.boss')", "error parsing principal A.boss");
        check("AND('A_B.peer')", "error parsing principal A_B.peer");
        check("AND('.peer')", "error parsing principal .peer");
        check("AND('A.peer)", "expected a closing quote at character 5 of the policy");
        check("OutOf('A.peer')", "expected a number first at character 15 of the policy");
        check("OutOf(1)", "expected at least one principal or gate at character 8 of the policy");
        check("AND(1, 'A.peer')", "error parsing principal 1");
    }

    #[test]
    fn deep_nesting_is_refused() {
        let text = format!("{}'A.peer'{}", "OR(".repeat(10_000), ")".repeat(10_000));
        assert_eq!(parse(&text), Err(ParseError::TooDeep));
    }
}
