//! Organisational units: which ones an MSP recognises, and the four that say client, peer, admin or orderer.

use carecord_proto::common::msp_role::MspRoleType;

use crate::msp::{Core, MspVersion};
use crate::{Error, OrganizationalUnit};

/// Bytes of a certifiers identifier that messages show.
const SHOWN_BYTES: usize = 8;

/// The OU of one role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeOu {
    pub(crate) name: String,
    /// Hash of the CA chain it must come from; empty if any will do.
    pub(crate) certifiers_identifier: Vec<u8>,
}

/// The OUs of the roles; a role without one cannot be told apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NodeOus {
    pub(crate) enforced: bool,
    pub(crate) client: Option<NodeOu>,
    pub(crate) peer: Option<NodeOu>,
    pub(crate) admin: Option<NodeOu>,
    pub(crate) orderer: Option<NodeOu>,
}

impl NodeOus {
    fn of_role(&self, role: MspRoleType) -> Option<&NodeOu> {
        match role {
            MspRoleType::Client => self.client.as_ref(),
            MspRoleType::Peer => self.peer.as_ref(),
            MspRoleType::Admin => self.admin.as_ref(),
            MspRoleType::Orderer => self.orderer.as_ref(),
            MspRoleType::Member => None,
        }
    }

    /// The role OU of this name. If two roles share it, the later rule sets take the last one and the early ones,
    /// which know two roles only, the first.
    fn named(&self, name: &str, version: MspVersion) -> Option<&NodeOu> {
        let by_precedence: &[&Option<NodeOu>] = if version < MspVersion::V1_4_3 {
            &[&self.client, &self.peer]
        } else {
            &[&self.orderer, &self.admin, &self.peer, &self.client]
        };
        by_precedence.iter().filter_map(|ou| ou.as_ref()).find(|ou| ou.name == name)
    }
}

/// Whether the OUs carry a role; the certifier is left to [`check`].
pub(crate) fn has_role(
    core: &Core,
    ous: &[OrganizationalUnit],
    role: MspRoleType,
) -> Result<(), Error> {
    let (shown, msp) = (role.as_str_name(), &core.name);
    if !core.node_ous.enforced {
        let why = "NodeOUs not activated. Cannot tell apart identities.";
        return Err(Error::Identity(why.into()));
    }
    let Some(wanted) = core.node_ous.of_role(role) else {
        return Err(Error::Identity(format!(
            "cannot test for classification, node ou for type [{shown}], not defined, msp: [{msp}]"
        )));
    };
    if ous.iter().any(|ou| ou.name == wanted.name) {
        return Ok(());
    }
    Err(Error::Identity(format!("The identity does not contain OU [{shown}], MSP: [{msp}]")))
}

/// Whether the OUs are recognised, and exactly one of them names a role.
pub(crate) fn check(core: &Core, ous: &[OrganizationalUnit]) -> Result<(), Error> {
    check_recognised(core, ous)?;
    if core.version == MspVersion::V1_0 || !core.node_ous.enforced {
        return Ok(());
    }
    let mut roles = 0;
    for ou in ous {
        let Some(role) = core.node_ous.named(&ou.name, core.version) else { continue };
        let certifiers = &role.certifiers_identifier;
        if !certifiers.is_empty() && *certifiers != ou.certifiers_identifier {
            return Err(Error::Identity(format!(
                "certifiersIdentifier does not match: {}, MSP: [{}]",
                shown(ous),
                core.name
            )));
        }
        roles += 1;
        if roles > 1 {
            break;
        }
    }
    let early = core.version < MspVersion::V1_4_3;
    let what = match (roles, early) {
        (1, _) => return Ok(()),
        (0, true) => "the identity does not have an OU that resolves to client or peer",
        (0, false) => {
            "the identity does not have an OU that resolves to client, peer, orderer, or admin role"
        }
        (_, true) => {
            "the identity must be a client or a peer identity to be valid, not a combination of them"
        }
        (_, false) => {
            "the identity must have a client, a peer, an orderer, or an admin OU role to be valid, not \
             a combination of them"
        }
    };
    Err(Error::Identity(format!("{what}. OUs: {}, MSP: [{}]", shown(ous), core.name)))
}

/// If the MSP lists OUs, one of the identity's must be among them, with the same certifiers.
fn check_recognised(core: &Core, ous: &[OrganizationalUnit]) -> Result<(), Error> {
    let listed = |ou: &OrganizationalUnit| {
        core.ou_identifiers
            .get(&ou.name)
            .is_some_and(|certifiers| certifiers.contains(&ou.certifiers_identifier))
    };
    if core.ou_identifiers.is_empty() || ous.iter().any(listed) {
        return Ok(());
    }
    if ous.is_empty() {
        let why = "the identity certificate does not contain an Organizational Unit (OU)";
        return Err(Error::Identity(why.into()));
    }
    Err(Error::Identity(format!(
        "none of the identity's organizational units {} are in MSP {}",
        shown(ous),
        core.name
    )))
}

fn shown(ous: &[OrganizationalUnit]) -> String {
    let each: Vec<String> = ous
        .iter()
        .map(|ou| {
            let id = &ou.certifiers_identifier;
            format!("{}({})", ou.name, hex::encode_upper(&id[..id.len().min(SHOWN_BYTES)]))
        })
        .collect();
    format!("[{}]", each.join(" "))
}
