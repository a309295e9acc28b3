//! The closed vocabularies: whatever is not in these lists cannot be written on the ledger.

/// Declares a closed list of words; contracts with words of their own use it too.
macro_rules! vocabulary {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
                 serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$inner])* #[serde(rename = $text)] $variant),* }

        impl $name {
            /// Every word of the list.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word as it is written.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// The word with this spelling.
            pub fn parse_word(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }

        impl carecord_chaincode::Schema for $name {
            fn schema() -> carecord_chaincode::serde_json::Value {
                carecord_chaincode::serde_json::json!({"type": "string", "enum": [$($text),*]})
            }
        }

        impl carecord_chaincode::Argument for $name {
            fn parse(raw: &[u8], name: &str) -> Result<Self, carecord_chaincode::ContractError> {
                let text = <String as carecord_chaincode::Argument>::parse(raw, name)?;
                let quoted = serde_json::to_vec(&text).expect("text is always JSON");
                carecord_chaincode::parse_json(&quoted, name)
            }
        }
    };
}

pub(crate) use vocabulary;

vocabulary! {
    /// Why somebody wants to act, in the codes of HL7's PurposeOfUse.
    Purpose {
        /// Treatment.
        Treatment = "TREAT",
        /// Emergency treatment.
        EmergencyTreatment = "ETREAT",
        /// Payment.
        Payment = "HPAYMT",
        /// Healthcare operations.
        Operations = "HOPERAT",
        /// Research.
        Research = "HRESCH",
        /// The patient's own request.
        PatientRequest = "PATRQT",
    }
}

vocabulary! {
    /// What a grant lets its grantee do.
    Verb {
        /// Open a record.
        Read = "read",
        /// Add records for the patient.
        Submit = "submit",
        /// Pass the right on.
        Forward = "forward",
        /// Be told of changes.
        Notify = "notify",
    }
}

vocabulary! {
    /// What a person is to the channel; equal to the certificate attribute `carecord.role`.
    Role {
        /// Whose records they are.
        Patient = "patient",
        /// Treats patients.
        Practitioner = "practitioner",
        /// Registers the people of an organisation of any kind.
        Admin = "hospital-admin",
        /// Works for an insurer.
        Insurer = "insurer",
        /// Works for a research institute.
        Researcher = "researcher",
        /// Reads the audit trail of their organisation.
        Auditor = "auditor",
        /// A thing that measures a patient to whom it is linked.
        Device = "device",
        /// Keeps ciphertexts for others.
        StorageProvider = "storage-provider",
        /// Sits on an ethics board, or watches over the channel for an authority.
        Regulator = "regulator",
    }
}

vocabulary! {
    /// What an organisation is.
    OrgKind {
        /// Registers patients and practitioners.
        Hospital = "hospital",
        /// Registers insurers.
        Insurer = "insurer",
        /// Registers researchers.
        Research = "research",
    }
}

vocabulary! {
    /// The answer to an attempt to act.
    Decision {
        /// Allowed.
        Permit = "permit",
        /// Not allowed, or nothing there: the same answer.
        Deny = "deny",
    }
}

vocabulary! {
    /// Which way a grant decides.
    Effect {
        /// Allows what it covers.
        Permit = "permit",
        /// Forbids what it covers, whatever else allows it.
        Deny = "deny",
    }
}

vocabulary! {
    /// How a plan covers a service that its schedule does not name.
    Unscheduled {
        /// The charge is the allowed amount.
        Charge = "charge",
        /// Not at all.
        None = "none",
    }
}

vocabulary! {
    /// Why a line of a claim was decided as it was; see [`crate::claims::adjudication`].
    Reason {
        /// Handed in too late.
        Late = "late",
        /// Service or diagnosis is excluded.
        Excluded = "excluded",
        /// The schedule does not name the service.
        NotCovered = "notCovered",
        /// The provider is outside the network.
        Outside = "outside",
        /// Not authorised beforehand.
        Unauthorised = "unauthorised",
        /// Covered.
        Covered = "covered",
        /// The charge exceeds the allowed amount.
        AboveAllowed = "aboveAllowed",
        /// The patient pays a copay.
        Copay = "copay",
        /// The patient pays towards the deductible.
        Deductible = "deductible",
        /// The patient pays a share.
        Coinsurance = "coinsurance",
        /// The patient pays less, since the out-of-pocket maximum is reached.
        Maximum = "maximum",
    }
}

vocabulary! {
    /// Where a claim stands.
    ClaimStatus {
        /// Handed in.
        Submitted = "submitted",
        /// Decided.
        Adjudicated = "adjudicated",
        /// Appealed against, to be decided anew.
        Appealed = "appealed",
    }
}

vocabulary! {
    /// What about a claim looks like fraud; see [`crate::claims`].
    Flag {
        /// No encounter, or one that the patient has not confirmed.
        Unsigned = "unsigned",
        /// More minutes than the encounter had.
        Meter = "meter",
        /// The practitioner was in another encounter at the same time.
        Overlap = "overlap",
    }
}

vocabulary! {
    /// How far a payment plan has come.
    PlanStatus {
        /// The patient has not answered.
        Proposed = "proposed",
        /// The patient does not want it.
        Declined = "declined",
        /// Instalments are due.
        Active = "active",
        /// The whole rest is due.
        Defaulted = "defaulted",
        /// All is paid.
        Paid = "paid",
    }
}
