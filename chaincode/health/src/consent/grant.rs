//! A grant: what a patient lets somebody do, or forbids them.

use carecord_chaincode::{Context, ContractError, Schema, codes, json_object};
use serde_json::{Value, json};

use crate::{
    error,
    ids::{Id, MspId},
    model::Org,
    person, store,
    vocabulary::{Effect, OrgKind, Purpose, Role, Verb},
};

/// Most entries of one list in a grant.
pub const LIST_MAX: usize = 64;
/// Most steps in a row over which a grant can be passed on.
pub const DELEGATE_MAX: u32 = 3;
/// Longest period of a grant: ten years.
pub const PERIOD_SECONDS_MAX: i64 = 10 * 366 * 24 * 3600;

/// Whom a grant speaks about.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Grantee {
    /// One person.
    Subject {
        /// The person.
        subject: Id,
    },
    /// Everyone of an organisation.
    Org {
        /// The organisation.
        org: MspId,
    },
    /// Everyone of a role in an organisation.
    Role {
        /// The role.
        role: Role,
        /// The organisation.
        org: MspId,
    },
    /// Everyone whom the patient linked to one of their groups; see [`crate::consent`].
    Group {
        /// The group, a random id of the patient's.
        group: Id,
    },
}

impl Grantee {
    /// Its form in a state key.
    pub(crate) fn tag(&self) -> String {
        match self {
            Self::Subject { subject } => format!("s:{subject}"),
            Self::Org { org } => format!("o:{org}"),
            Self::Role { role, org } => format!("r:{}@{org}", role.as_str()),
            Self::Group { group } => format!("g:{group}"),
        }
    }
}

impl Schema for Grantee {
    fn schema() -> Value {
        let object = |properties: Value| json!({"type": "object", "properties": properties, "additionalProperties": false});
        json!({"oneOf": [
            object(json!({"subject": Id::schema()})),
            object(json!({"org": MspId::schema()})),
            object(json!({"role": Role::schema(), "org": MspId::schema()})),
            object(json!({"group": Id::schema()})),
        ]})
    }
}

json_object! {
    /// What a patient writes to grant or to forbid.
    pub struct NewGrant {
        /// Chosen by the client.
        pub id: Id,
        /// Permit if left out.
        pub effect: Option<Effect>,
        /// Whom it speaks about.
        pub grantee: Grantee,
        /// What they may, or may not, do.
        pub verbs: Vec<Verb>,
        /// For which purposes.
        pub purposes: Vec<Purpose>,
        /// About which records; about all if left out.
        pub scope: Option<NewScope>,
        /// From when, seconds since 1970; from now if left out.
        pub from: Option<i64>,
        /// Until when, not including, seconds since 1970.
        pub until: i64,
        /// How many times in a row it may be passed on, with the verb `forward`; not at all if left out.
        pub delegate: Option<u32>,
    }
}

json_object! {
    /// Which records a new grant is about; what is left out does not restrict.
    pub struct NewScope {
        /// Only these records.
        pub records: Option<Vec<Id>>,
        /// Not these records.
        pub except_records: Option<Vec<Id>>,
        /// Only records with one of these tags.
        pub tags: Option<Vec<Id>>,
        /// Not records with one of these tags.
        pub except_tags: Option<Vec<Id>>,
        /// Only records created at or after this second.
        pub created_from: Option<i64>,
        /// Only records created before this second.
        pub created_until: Option<i64>,
    }
}

json_object! {
    /// Which records a grant is about; an empty list does not restrict.
    pub struct Scope {
        /// Only these records.
        pub records: Vec<Id>,
        /// Not these records.
        pub except_records: Vec<Id>,
        /// Only records with one of these tags.
        pub tags: Vec<Id>,
        /// Not records with one of these tags.
        pub except_tags: Vec<Id>,
        /// Only records created at or after this second.
        pub created_from: Option<i64>,
        /// Only records created before this second.
        pub created_until: Option<i64>,
    }
}

json_object! {
    /// A grant on the ledger.
    pub struct Grant {
        /// Its id.
        pub id: Id,
        /// Who gave it.
        pub patient: Id,
        /// Whether it permits or denies.
        pub effect: Effect,
        /// Whom it speaks about.
        pub grantee: Grantee,
        /// What they may, or may not, do.
        pub verbs: Vec<Verb>,
        /// For which purposes.
        pub purposes: Vec<Purpose>,
        /// About which records.
        pub scope: Scope,
        /// From when, seconds since 1970.
        pub from: i64,
        /// Until when, not including.
        pub until: i64,
        /// When it was given.
        pub created: i64,
        /// When it was revoked; absent while it holds.
        pub revoked: Option<i64>,
        /// How many times in a row it may still be passed on; absent for not at all.
        pub delegate: Option<u32>,
        /// The grant that was passed on to make this one; absent if the patient gave it.
        pub parent: Option<Id>,
    }
}

json_object! {
    /// Where a grant lies.
    pub struct GrantRef {
        /// Who gave it.
        pub patient: Id,
        /// The grantee's form in the key.
        pub grantee: String,
    }
}

impl NewGrant {
    /// Checks what the types cannot and fills in what was left out.
    ///
    /// `argument` is where the grant stands in the input, for the pointers of refusals.
    pub(crate) fn accept(
        self,
        patient: Id,
        now: i64,
        argument: &str,
    ) -> Result<Grant, ContractError> {
        let refuse = |reason: &str, at: &str| {
            Err(codes::VALUE.because(reason.to_owned()).at(format!("{argument}/{at}")))
        };
        let effect = self.effect.unwrap_or(Effect::Permit);
        let from = self.from.unwrap_or(now);
        if effect == Effect::Permit && self.verbs.is_empty() {
            return refuse("a permitting grant names its verbs", "verbs");
        }
        if effect == Effect::Permit && self.purposes.is_empty() {
            return refuse("a permitting grant names its purposes", "purposes");
        }
        if from < 0 || self.until <= from || self.until <= now {
            return refuse("the period has to end after now and after its start", "until");
        }
        if self.until.saturating_sub(from) > PERIOD_SECONDS_MAX {
            return refuse("the period is longer than ten years", "until");
        }
        self.check_delegation(effect, argument)?;
        let scope = self.scope.map_or_else(Scope::everything, NewScope::accept);
        let lists = [&scope.records, &scope.except_records, &scope.tags, &scope.except_tags];
        if lists.iter().any(|l| l.len() > LIST_MAX) {
            return refuse("a list of the scope has more than 64 entries", "scope");
        }
        if self.verbs.len() > Verb::ALL.len() || self.purposes.len() > Purpose::ALL.len() {
            return refuse("a verb or purpose stands twice", "verbs");
        }
        let Self { id, grantee, verbs, purposes, until, delegate, .. } = self;
        Ok(Grant {
            id,
            patient,
            effect,
            grantee,
            verbs,
            purposes,
            scope,
            from,
            until,
            created: now,
            revoked: None,
            delegate: delegate.filter(|times| *times > 0),
            parent: None,
        })
    }

    /// Passing on is for permits with the verb `forward`, and for a few steps only.
    fn check_delegation(&self, effect: Effect, argument: &str) -> Result<(), ContractError> {
        let times = self.delegate.unwrap_or(0);
        let forward = effect == Effect::Permit && self.verbs.contains(&Verb::Forward);
        let reason = match times {
            0 => return Ok(()),
            _ if !forward => "only a permit with the verb forward can be passed on",
            times if times > DELEGATE_MAX => "a grant can be passed on three times in a row",
            _ => return Ok(()),
        };
        Err(codes::VALUE.because(reason).at(format!("{argument}/delegate")))
    }
}

impl NewScope {
    pub(crate) fn accept(self) -> Scope {
        Scope {
            records: self.records.unwrap_or_default(),
            except_records: self.except_records.unwrap_or_default(),
            tags: self.tags.unwrap_or_default(),
            except_tags: self.except_tags.unwrap_or_default(),
            created_from: self.created_from,
            created_until: self.created_until,
        }
    }
}

impl Scope {
    /// No restriction.
    pub fn everything() -> Self {
        Self {
            records: vec![],
            except_records: vec![],
            tags: vec![],
            except_tags: vec![],
            created_from: None,
            created_until: None,
        }
    }
}

/// Refuses grants to people or organisations that do not exist, or to roles that an organisation cannot have.
pub(crate) fn check_grantee(
    context: &mut Context<'_>,
    grantee: &Grantee,
    patient: &Id,
    argument: &str,
) -> Result<(), ContractError> {
    let at = format!("{argument}/grantee");
    let absent = || error::ABSENT.because("the grantee is not registered").at(at.clone());
    match grantee {
        Grantee::Subject { subject } if subject == patient => {
            Err(codes::VALUE.because("a patient needs no grant").at(at))
        }
        // A group is whoever is linked to it, now or later: none yet is a group too.
        Grantee::Group { .. } => Ok(()),
        Grantee::Subject { subject } => {
            person::find(context, subject)?.map(drop).ok_or_else(absent)
        }
        Grantee::Org { org } => context.bytes(&store::org(org))?.map(drop).ok_or_else(absent),
        Grantee::Role { role, org } => {
            let org: Org = context.get(&store::org(org))?.ok_or_else(absent)?;
            let fits = match role {
                Role::Practitioner => org.kind == OrgKind::Hospital,
                Role::Insurer => org.kind == OrgKind::Insurer,
                Role::Researcher => org.kind == OrgKind::Research,
                Role::Patient
                | Role::Admin
                | Role::Auditor
                | Role::Device
                | Role::StorageProvider
                | Role::Regulator => false,
            };
            if fits {
                return Ok(());
            }
            let reason =
                "a grant goes to practitioners, insurers or researchers of such an organisation";
            Err(codes::VALUE.because(reason).at(format!("{at}/role")))
        }
    }
}
