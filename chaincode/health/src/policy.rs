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

/// The policy `AND(home.peer, OR(other.peer, …))`, serialised; none if there is no other organisation.
pub fn home_and_one_other(home: &MspId, orgs: &[MspId]) -> Option<Bytes> {
    let others: Vec<&MspId> = orgs.iter().filter(|org| *org != home).collect();
    if others.is_empty() {
        return None;
    }
    let signed_by = |index: usize| SignaturePolicy {
        r#type: Some(signature_policy::Type::SignedBy(
            i32::try_from(index).expect("a channel has few organisations"),
        )),
    };
    let n_out_of = |n: i32, rules| SignaturePolicy {
        r#type: Some(signature_policy::Type::NOutOf(signature_policy::NOutOf { n, rules })),
    };
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
    fn a_lonely_organisation_gets_no_policy_of_its_own() {
        assert_eq!(home_and_one_other(&msp("A"), &[msp("A")]), None);
        assert_eq!(home_and_one_other(&msp("A"), &[]), None);
    }
}
