//! Principals: the kinds of "who" that a policy can ask for.

use carecord_proto::common::msp_identity_anonymity::MspIdentityAnonymityType;
use carecord_proto::common::msp_principal::Classification;
use carecord_proto::common::msp_role::MspRoleType;
use carecord_proto::common::{
    CombinedPrincipal, MspIdentityAnonymity, MspPrincipal, MspRole, OrganizationUnit,
};
use prost::Message;

use crate::member::Member;
use crate::msp::{Core, MspVersion};
use crate::{Error, nodeou};

/// Whether a member satisfies a principal; of a combined one, all its parts.
pub(crate) fn satisfies(
    core: &Core,
    member: &Member,
    principal: &MspPrincipal,
) -> Result<(), Error> {
    for principal in flattened(core, principal)? {
        core.satisfies_one(member, &principal)?;
    }
    Ok(())
}

/// All parts of a combined principal in order. Depth costs no stack.
fn flattened(core: &Core, principal: &MspPrincipal) -> Result<Vec<MspPrincipal>, Error> {
    let mut todo = vec![principal.clone()];
    let mut parts = Vec::new();
    while let Some(principal) = todo.pop() {
        if principal.principal_classification != Classification::Combined as i32 {
            parts.push(principal);
            continue;
        }
        if core.version <= MspVersion::V1_1 {
            return Err(invalid_kind(&principal));
        }
        let combined = CombinedPrincipal::decode(principal.principal)
            .map_err(|why| unreadable("CombinedPrincipal", &why))?;
        if combined.principals.is_empty() {
            return Err(Error::Principal("No principals in CombinedPrincipal".into()));
        }
        todo.extend(combined.principals.into_iter().rev());
    }
    Ok(parts)
}

fn invalid_kind(principal: &MspPrincipal) -> Error {
    Error::Principal(format!("invalid principal type {}", principal.principal_classification))
}

fn unreadable(what: &str, why: &prost::DecodeError) -> Error {
    Error::Principal(format!("could not unmarshal {what} from principal: {why}"))
}

impl Core {
    fn satisfies_one(&self, member: &Member, principal: &MspPrincipal) -> Result<(), Error> {
        let bytes = &principal.principal[..];
        match Classification::try_from(principal.principal_classification) {
            Ok(Classification::Role) => self.satisfies_role(member, bytes),
            Ok(Classification::OrganizationUnit) => self.satisfies_ou(member, bytes),
            Ok(Classification::Identity) => self.satisfies_identity(member, bytes),
            Ok(Classification::Anonymity) if self.version >= MspVersion::V1_3 => {
                satisfies_anonymity(bytes)
            }
            _ => Err(invalid_kind(principal)),
        }
    }

    fn check_own(&self, msp_id: &str) -> Result<(), Error> {
        if msp_id == self.name {
            return Ok(());
        }
        Err(Error::Principal(format!(
            "the identity is a member of a different MSP (expected {msp_id}, got {})",
            self.name
        )))
    }

    fn satisfies_role(&self, member: &Member, bytes: &[u8]) -> Result<(), Error> {
        let wanted = MspRole::decode(bytes).map_err(|why| unreadable("MSPRole", &why))?;
        self.check_own(&wanted.msp_identifier)?;
        let with_node_ous = self.version >= MspVersion::V1_4_3 && self.node_ous.enforced;
        match MspRoleType::try_from(wanted.role) {
            Ok(MspRoleType::Member) => member.validate(self),
            // admins of the configuration were validated when the MSP was set up
            Ok(MspRoleType::Admin) if self.is_named_admin(member) => Ok(()),
            Ok(MspRoleType::Admin) if with_node_ous => {
                self.check_role(member, MspRoleType::Admin, "an admin")
            }
            Ok(MspRoleType::Admin) => Err(Error::Principal("This identity is not an admin".into())),
            Ok(role @ (MspRoleType::Client | MspRoleType::Peer)) => {
                self.has_validated_role(member, role)
            }
            Ok(role @ MspRoleType::Orderer) if with_node_ous => {
                self.has_validated_role(member, role)
            }
            _ => Err(Error::Principal(format!("invalid MSP role type {}", wanted.role))),
        }
    }

    /// Whether a member is valid and carries the OU of the role.
    pub(crate) fn has_validated_role(
        &self,
        member: &Member,
        role: MspRoleType,
    ) -> Result<(), Error> {
        self.check_role(member, role, &format!("a [{}]", role.as_str_name()))
    }

    fn check_role(&self, member: &Member, role: MspRoleType, shown: &str) -> Result<(), Error> {
        let msp = &self.name;
        member.validate(self).map_err(|why| {
            why.within(format!("The identity is not valid under this MSP [{msp}]"))
        })?;
        nodeou::has_role(self, member.ous(self), role).map_err(|why| {
            why.within(format!("The identity is not {shown} under this MSP [{msp}]"))
        })
    }

    fn is_named_admin(&self, member: &Member) -> bool {
        self.admins.iter().any(|admin| admin.certificate == member.certificate)
    }

    fn satisfies_ou(&self, member: &Member, bytes: &[u8]) -> Result<(), Error> {
        let wanted =
            OrganizationUnit::decode(bytes).map_err(|why| unreadable("OrganizationUnit", &why))?;
        self.check_own(&wanted.msp_identifier)?;
        member.validate(self)?;
        let found = member.ous(self).iter().any(|ou| {
            ou.name == wanted.organizational_unit_identifier
                && ou.certifiers_identifier == wanted.certifiers_identifier
        });
        if found { Ok(()) } else { Err(no_match()) }
    }

    fn satisfies_identity(&self, member: &Member, bytes: &[u8]) -> Result<(), Error> {
        let wanted = self
            .member(bytes)
            .map_err(|why| why.within("invalid identity principal, not a certificate"))?;
        if wanted.certificate == member.certificate {
            member.validate(self)
        } else {
            Err(no_match())
        }
    }
}

fn no_match() -> Error {
    Error::Principal("The identities do not match".into())
}

fn satisfies_anonymity(bytes: &[u8]) -> Result<(), Error> {
    let wanted = MspIdentityAnonymity::decode(bytes)
        .map_err(|why| unreadable("MSPIdentityAnonymity", &why))?;
    match MspIdentityAnonymityType::try_from(wanted.anonymity_type) {
        Ok(MspIdentityAnonymityType::Nominal) => Ok(()),
        Ok(MspIdentityAnonymityType::Anonymous) => Err(Error::Principal(
            "Principal is anonymous, but X.509 MSP does not support anonymous identities".into(),
        )),
        Err(_) => Err(Error::Principal(format!(
            "Unknown principal anonymity type: {}",
            wanted.anonymity_type
        ))),
    }
}
