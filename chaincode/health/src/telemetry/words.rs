//! The closed vocabularies of telemetry.

use crate::vocabulary::vocabulary;

vocabulary! {
    /// Why time is missing between two batches.
    GapReason {
        /// The device was off.
        Power = "power",
        /// Nothing could be sent, and nothing was kept.
        Network = "network",
        /// The sensor failed.
        Sensor = "sensor",
        /// The patient took it off.
        TakenOff = "taken-off",
        /// The clock was set.
        Clock = "clock",
    }
}

vocabulary! {
    /// How bad it is that a rule fires.
    Severity {
        /// Worth a look.
        Notice = "notice",
        /// Soon.
        Warning = "warning",
        /// Now.
        Critical = "critical",
    }
}

impl Severity {
    /// Within how many seconds somebody has to acknowledge an alert; each time as much passes again it can be escalated.
    pub fn answer_seconds(self) -> i64 {
        match self {
            Self::Notice => 24 * 3600,
            Self::Warning => 3600,
            Self::Critical => 15 * 60,
        }
    }
}

vocabulary! {
    /// The life of a link between a device and a patient.
    LinkStatus {
        /// The patient wants it, the device has not answered.
        Proposed = "proposed",
        /// The device measures this patient.
        Active = "active",
        /// Over.
        Ended = "ended",
    }
}
