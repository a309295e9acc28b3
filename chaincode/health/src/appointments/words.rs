//! The closed vocabularies of appointments.

use crate::{ids::word, vocabulary::vocabulary};

vocabulary! {
    /// What a practitioner is vouched for, and what a request needs; public, under pseudonyms.
    Specialty {
        /// General practice.
        General = "general",
        /// Internal medicine, which covers its branches.
        Internal = "internal",
        /// A branch of internal medicine.
        Cardiology = "cardiology",
        /// A branch of internal medicine.
        Endocrinology = "endocrinology",
        /// A branch of internal medicine.
        Gastroenterology = "gastro",
        /// A branch of internal medicine.
        Nephrology = "nephrology",
        /// A branch of internal medicine.
        Pulmonology = "pulmonology",
        /// A branch of internal medicine.
        Rheumatology = "rheumatology",
        /// A branch of internal medicine.
        Oncology = "oncology",
        /// Surgery, which covers its branches.
        Surgery = "surgery",
        /// A branch of surgery.
        Orthopaedics = "orthopaedics",
        /// A branch of surgery.
        Urology = "urology",
        /// A branch of surgery.
        Vascular = "vascular",
        /// Neurology.
        Neurology = "neurology",
        /// Psychiatry.
        Psychiatry = "psychiatry",
        /// Paediatrics.
        Paediatrics = "paediatrics",
        /// Gynaecology and obstetrics.
        Gynaecology = "gynaecology",
        /// Dermatology.
        Dermatology = "dermatology",
        /// Ophthalmology.
        Ophthalmology = "eyes",
        /// Ear, nose and throat.
        EarNoseThroat = "ear-nose",
    }
}

impl Specialty {
    /// The specialty that covers this one, and in whose pool it is matched; itself if it is no branch.
    pub fn family(self) -> Self {
        match self {
            Self::Cardiology
            | Self::Endocrinology
            | Self::Gastroenterology
            | Self::Nephrology
            | Self::Pulmonology
            | Self::Rheumatology
            | Self::Oncology => Self::Internal,
            Self::Orthopaedics | Self::Urology | Self::Vascular => Self::Surgery,
            other => other,
        }
    }

    /// Whether a practitioner of this specialty may also serve requests for `other`: its branches.
    pub fn covers(self, other: Self) -> bool {
        self != other && other.family() == self
    }
}

vocabulary! {
    /// How patient and practitioner meet.
    Mode {
        /// At the practitioner's place.
        InPerson = "in-person",
        /// By video.
        Video = "video",
        /// By telephone.
        Phone = "phone",
    }
}

vocabulary! {
    /// The life of a slot.
    SlotStatus {
        /// Can be matched or claimed with.
        Open = "open",
        /// Promised to a request.
        Taken = "taken",
        /// The visit took place, or its time has passed unused.
        Used = "used",
        /// Taken back by its practitioner.
        Withdrawn = "withdrawn",
    }
}

vocabulary! {
    /// The life of a request.
    RequestStatus {
        /// Waits.
        Open = "open",
        /// Has a match that is neither over nor undone.
        Matched = "matched",
        /// Ended with a visit.
        Served = "served",
        /// The patient took it back, turned too many matches down, or did not come.
        Closed = "closed",
    }
}

vocabulary! {
    /// The life of a match of a request and a slot.
    MatchStatus {
        /// Made by a batch: the practitioner has to answer.
        Offered = "offered",
        /// The practitioner is willing: the patient has to confirm.
        Accepted = "accepted",
        /// Both are bound.
        Confirmed = "confirmed",
        /// The patient is there.
        CheckedIn = "checked-in",
        /// The visit runs.
        Running = "running",
        /// The visit is over.
        Done = "done",
        /// One of the two said no before it was confirmed.
        Declined = "declined",
        /// The practitioner gave it back after accepting.
        Released = "released",
        /// The patient took the request back.
        Cancelled = "cancelled",
        /// The patient did not come.
        PatientAbsent = "patient-absent",
        /// The practitioner did not come.
        DoctorAbsent = "doctor-absent",
    }
}

vocabulary! {
    /// Why a practitioner picks a request that others come before.
    PickReason {
        /// They know the patient.
        Continuity = "continuity",
        /// They have the skill or the equipment.
        Expertise = "expertise",
        /// The patient asked for them outside the system.
        AskedFor = "asked-for",
        /// Place or time fit as no other slot does.
        Logistics = "logistics",
    }
}

word! {
    /// A language, ISO 639-1.
    Language, "^[a-z]{2}$", "a language as two lower-case letters",
    |t| t.len() == 2 && t.bytes().all(|b| b.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_roots_and_cover_their_branches_only() {
        for &one in Specialty::ALL {
            assert_eq!(one.family().family(), one.family());
            assert!(!one.covers(one));
            for &other in Specialty::ALL {
                let branch = one != other && other.family() == one;
                assert_eq!(one.covers(other), branch, "{one:?} {other:?}");
            }
        }
        assert!(Specialty::Internal.covers(Specialty::Cardiology));
        assert!(!Specialty::Cardiology.covers(Specialty::Internal));
        assert!(!Specialty::General.covers(Specialty::Cardiology));
    }
}
