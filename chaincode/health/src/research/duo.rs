//! Data-use terms: whether what a patient consents to covers what a study does.
//!
//! The codes are those of the Data Use Ontology of GA4GH. A study states its purpose and which conditions it meets; a
//! patient states the widest purpose, and conditions. The consent covers the study if its row has the study's column,
//! and each condition is met:
//!
//! | consent \ purpose | general | health | disease | ancestry |
//! |---|---|---|---|---|
//! | no restriction, general | yes | yes | yes | yes |
//! | health | no | yes | yes | no |
//! | disease | no | no | if it is one of those named | no |
//! | ancestry | no | no | no | yes |
//!
//! Diseases are tags, as in claims: an HMAC under a key that patients' clients and the study share.

use carecord_chaincode::{ContractError, codes, json_object};

use crate::{ids::Id, vocabulary::vocabulary};

/// Most diseases that a consent names.
pub const DISEASES_MAX: usize = 32;

vocabulary! {
    /// What data may be used for.
    Permission {
        /// No restriction.
        Unrestricted = "DUO:0000004",
        /// General research use.
        General = "DUO:0000042",
        /// Health, medical or biomedical research.
        Health = "DUO:0000006",
        /// Research on a disease.
        Disease = "DUO:0000007",
        /// Research on population origins or ancestry.
        Ancestry = "DUO:0000011",
    }
}

vocabulary! {
    /// What a user of data has to keep to.
    Condition {
        /// No general methods research.
        NoMethods = "DUO:0000015",
        /// By organisations that make no profit, for no commercial use.
        NonProfitNonCommercial = "DUO:0000018",
        /// Results are published.
        Publication = "DUO:0000019",
        /// Together with the study's investigators.
        Collaboration = "DUO:0000020",
        /// With an ethics approval.
        Ethics = "DUO:0000021",
        /// Results come back.
        Return = "DUO:0000029",
        /// No research on population origins or ancestry.
        NoAncestry = "DUO:0000044",
        /// By organisations that make no profit.
        NonProfit = "DUO:0000045",
        /// For no commercial use.
        NonCommercial = "DUO:0000046",
    }
}

json_object! {
    /// What a patient lets data be used for.
    pub struct Consented {
        /// The widest purpose.
        pub permission: Permission,
        /// For `disease`: which; otherwise empty.
        pub diseases: Vec<Id>,
        /// What has to be kept to.
        pub conditions: Vec<Condition>,
    }
}

json_object! {
    /// What a study uses data for.
    pub struct Intended {
        /// The purpose.
        pub purpose: Permission,
        /// For `disease`: which; otherwise absent.
        pub disease: Option<Id>,
        /// What it keeps to, each once.
        pub keeps: Vec<Condition>,
    }
}

impl Intended {
    /// Refuses what makes no sense.
    pub(super) fn check(&self) -> Result<(), ContractError> {
        let refuse = |reason: &str| Err(codes::VALUE.because(reason).at("/study/use"));
        if self.purpose == Permission::Unrestricted {
            return refuse("a study states a purpose");
        }
        if self.disease.is_some() != (self.purpose == Permission::Disease) {
            return refuse("a study of a disease, and no other, names it");
        }
        if self.keeps.len() > Condition::ALL.len() {
            return refuse("a condition stands twice");
        }
        if self.keeps.contains(&Condition::NoAncestry) && self.purpose == Permission::Ancestry {
            return refuse("a study of ancestry cannot keep to doing none");
        }
        Ok(())
    }
}

impl Consented {
    /// Refuses what makes no sense.
    pub(super) fn check(&self) -> Result<(), ContractError> {
        let refuse = |reason: &str| Err(codes::VALUE.because(reason).at("/acceptance/use"));
        if self.diseases.is_empty() == (self.permission == Permission::Disease) {
            return refuse("a consent to research on diseases, and no other, names them");
        }
        let long = self.diseases.len() > DISEASES_MAX;
        if long || self.conditions.len() > Condition::ALL.len() {
            return refuse("at most 32 diseases, each condition once");
        }
        Ok(())
    }
}

/// Whether a consent covers a study.
pub fn covers(consent: &Consented, study: &Intended) -> bool {
    use Permission::{Ancestry, Disease, General, Health, Unrestricted};
    let purpose = match (consent.permission, study.purpose) {
        (_, Unrestricted) => false,
        (Unrestricted | General, _) => true,
        (Health, purpose) => matches!(purpose, Health | Disease),
        (Disease, Disease) => study.disease.as_ref().is_some_and(|d| consent.diseases.contains(d)),
        (Ancestry, Ancestry) => true,
        (Disease | Ancestry, _) => false,
    };
    purpose && consent.conditions.iter().all(|condition| keeps(study, *condition))
}

fn keeps(study: &Intended, condition: Condition) -> bool {
    let stricter = match condition {
        // Who keeps to both keeps to either.
        Condition::NonProfit | Condition::NonCommercial => {
            study.keeps.contains(&Condition::NonProfitNonCommercial)
        }
        Condition::NonProfitNonCommercial => {
            study.keeps.contains(&Condition::NonProfit)
                && study.keeps.contains(&Condition::NonCommercial)
        }
        Condition::NoAncestry => study.purpose != Permission::Ancestry,
        // Nobody accepts a study that is not approved.
        Condition::Ethics => true,
        _ => false,
    };
    stricter || study.keeps.contains(&condition)
}
