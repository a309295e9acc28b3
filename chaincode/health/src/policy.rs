//! Key-level policies of what a patient owns: their home organisation and one other must endorse each change.
//!
//! One organisation alone can then never rewrite a patient's grants, epoch or record, whatever the channel's policy for
//! the chaincode is. With a single organisation on the channel there is no other, and the chaincode's policy holds.

use bytes::Bytes;
use carecord_chaincode::{Context, ContractError};
use carecord_proto::common::{
    MspPrincipal, MspRole, SignaturePolicy, SignaturePolicyEnvelope, msp_principal,
    msp_role::MspRoleType, signature_policy,
};
use prost::Message;

use crate::{ids::MspId, model::Orgs, store};

/// Puts the keys of a patient of `home` under that organisation and one other of the channel.
pub(crate) fn protect(
    context: &mut Context<'_>,
    home: &MspId,
    keys: &[String],
) -> Result<(), ContractError> {
    let orgs: Option<Orgs> = context.get(&store::orgs())?;
    let Some(policy) = home_and_one_other(home, &orgs.map_or_else(Vec::new, |o| o.msps)) else {
        return Ok(());
    };
    for key in keys {
        context.stub().set_state_validation_parameter(key, policy.clone())?;
    }
    Ok(())
}

/// Puts keys under two organisations that must both endorse each change: the two sides of a claim or a study.
pub(crate) fn protect_both(
    context: &mut Context<'_>,
    one: &MspId,
    other: &MspId,
    keys: &[String],
) -> Result<(), ContractError> {
    let Some(policy) = home_and_one_other(one, std::slice::from_ref(other)) else {
        return Ok(());
    };
    for key in keys {
        context.stub().set_state_validation_parameter(key, policy.clone())?;
    }
    Ok(())
}

/// Puts keys that belong to people of several organisations under a majority of the channel's, at least two.
///
/// Under one side's home that organisation alone could keep the other side's transactions from being endorsed, and so
/// let the deadline of a dispute pass.
pub(crate) fn protect_jointly(
    context: &mut Context<'_>,
    keys: &[String],
) -> Result<(), ContractError> {
    let orgs: Option<Orgs> = context.get(&store::orgs())?;
    let Some(policy) = majority(&orgs.map_or_else(Vec::new, |o| o.msps)) else { return Ok(()) };
    for key in keys {
        context.stub().set_state_validation_parameter(key, policy.clone())?;
    }
    Ok(())
}

/// More than half of the organisations and at least two, serialised; none if there are fewer than two.
pub fn majority(orgs: &[MspId]) -> Option<Bytes> {
    if orgs.len() < 2 {
        return None;
    }
    let rules = (0..orgs.len()).map(signed_by).collect();
    let enough = i32::try_from(orgs.len() / 2 + 1).expect("a channel has few organisations");
    let envelope = SignaturePolicyEnvelope {
        version: 0,
        rule: Some(n_out_of(enough, rules)),
        identities: orgs.iter().map(peer_of).collect(),
    };
    Some(envelope.encode_to_vec().into())
}

fn signed_by(index: usize) -> SignaturePolicy {
    let index = i32::try_from(index).expect("a channel has few organisations");
    SignaturePolicy { r#type: Some(signature_policy::Type::SignedBy(index)) }
}

fn n_out_of(n: i32, rules: Vec<SignaturePolicy>) -> SignaturePolicy {
    let rule = signature_policy::NOutOf { n, rules };
    SignaturePolicy { r#type: Some(signature_policy::Type::NOutOf(rule)) }
}

/// The policy `AND(home.peer, OR(other.peer, …))`, serialised; none if there is no other organisation.
pub fn home_and_one_other(home: &MspId, orgs: &[MspId]) -> Option<Bytes> {
    let others: Vec<&MspId> = orgs.iter().filter(|org| *org != home).collect();
    if others.is_empty() {
        return None;
    }
    let one_other = n_out_of(1, (1..=others.len()).map(signed_by).collect());
    let envelope = SignaturePolicyEnvelope {
        version: 0,
        rule: Some(n_out_of(2, vec![signed_by(0), one_other])),
        identities: std::iter::once(home).chain(others).map(peer_of).collect(),
    };
    Some(envelope.encode_to_vec().into())
}

fn peer_of(org: &MspId) -> MspPrincipal {
    let role = MspRole { msp_identifier: org.as_str().to_owned(), role: MspRoleType::Peer as i32 };
    MspPrincipal {
        principal_classification: msp_principal::Classification::Role as i32,
        principal: role.encode_to_vec().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn msp(id: &str) -> MspId {
        MspId::new(id).unwrap()
    }

    #[test]
    fn home_stands_first_and_each_other_is_an_alternative() {
        let orgs = [msp("A"), msp("B"), msp("C")];
        let bytes = home_and_one_other(&orgs[1], &orgs).unwrap();
        let envelope = SignaturePolicyEnvelope::decode(bytes).unwrap();
        let names: Vec<String> = envelope
            .identities
            .iter()
            .map(|p| MspRole::decode(p.principal.clone()).unwrap().msp_identifier)
            .collect();
        assert_eq!(names, ["B", "A", "C"]);
        let Some(signature_policy::Type::NOutOf(and)) = envelope.rule.unwrap().r#type else {
            panic!("the rule is an AND")
        };
        assert_eq!((and.n, and.rules.len()), (2, 2));
    }

    #[test]
    fn what_is_owned_jointly_needs_more_than_half_and_no_one_in_particular() {
        for (count, enough) in [(2, 2), (3, 2), (4, 3), (5, 3)] {
            let orgs: Vec<MspId> = (0..count).map(|n| msp(&format!("Org{n}"))).collect();
            let envelope = SignaturePolicyEnvelope::decode(majority(&orgs).unwrap()).unwrap();
            let Some(signature_policy::Type::NOutOf(rule)) = envelope.rule.unwrap().r#type else {
                panic!("the rule counts")
            };
            assert_eq!(
                (rule.n, rule.rules.len(), envelope.identities.len()),
                (enough, count, count)
            );
        }
        assert_eq!(majority(&[msp("A")]), None);
    }

    #[test]
    fn a_lonely_organisation_gets_no_policy_of_its_own() {
        assert_eq!(home_and_one_other(&msp("A"), &[msp("A")]), None);
        assert_eq!(home_and_one_other(&msp("A"), &[]), None);
    }
}
