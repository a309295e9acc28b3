//! What may not change from one configuration of a channel to the next, whoever agrees.

use std::collections::BTreeMap;

use crate::Bundle;
use crate::error::ChangeError;
use crate::orderer::OrdererConfig;

// === impl Bundle ===

impl Bundle {
    /// Refuses a configuration in which a section vanishes, appears or an organisation becomes somebody else.
    pub(crate) fn check_change(&self, next: &Self) -> Result<(), ChangeError> {
        if let Some(current) = self.orderer() {
            let next_orderer = next.orderer().ok_or(ChangeError::Vanished("orderer"))?;
            self.check_orderer(current, next_orderer)?;
        }
        if let Some(current) = self.application() {
            let next = next.application().ok_or(ChangeError::Vanished("application"))?;
            check_msp_ids("application", &current.organizations, &next.organizations, |org| {
                &org.msp_id
            })?;
        }
        match (&self.channel.consortiums, &next.channel.consortiums) {
            (Some(_), None) => Err(ChangeError::Vanished("consortiums")),
            (None, Some(_)) => Err(ChangeError::Consortiums),
            (Some(current), Some(next)) => current.iter().try_for_each(|(name, current)| {
                let section = format!("consortium {name}");
                next.get(name)
                    .map_or(Ok(()), |next| check_msp_ids(&section, current, next, |id| id))
            }),
            (None, None) => Ok(()),
        }
    }

    /// A move to V3_0 without endpoints needs no check here: such a configuration does not compile.
    fn check_orderer(
        &self,
        current: &OrdererConfig,
        next: &OrdererConfig,
    ) -> Result<(), ChangeError> {
        let may_migrate = self.capabilities().org_specific_orderer_endpoints();
        if !may_migrate && current.consensus_type != next.consensus_type {
            return Err(ChangeError::ConsensusType {
                from: current.consensus_type.clone(),
                to: next.consensus_type.clone(),
            });
        }
        check_msp_ids("orderer", &current.organizations, &next.organizations, |org| &org.msp_id)
    }
}

fn check_msp_ids<T>(
    section: &str,
    current: &BTreeMap<String, T>,
    next: &BTreeMap<String, T>,
    msp_id: fn(&T) -> &String,
) -> Result<(), ChangeError> {
    for (name, organization) in current {
        let (from, to) = match next.get(name) {
            Some(next) => (msp_id(organization), msp_id(next)),
            None => continue,
        };
        if from != to {
            return Err(ChangeError::MspId {
                section: section.to_owned(),
                name: name.clone(),
                from: from.clone(),
                to: to.clone(),
            });
        }
    }
    Ok(())
}
