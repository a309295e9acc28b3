//! The events of telemetry: ids and words only.

use carecord_chaincode::json_object;

use crate::{
    ids::Id,
    telemetry::words::{LinkStatus, Severity},
};

/// A link was proposed, accepted or ended: [`LinkChange`].
pub const DEVICE_LINKED: &str = "DeviceLinked";
/// A batch was anchored: [`BatchAnchored`].
pub const BATCH_ANCHORED: &str = "BatchAnchored";
/// A rule was set or ended: [`RuleChange`].
pub const RULE_CHANGED: &str = "RuleChanged";
/// An alert was raised, acknowledged or escalated: [`AlertChange`].
pub const ALERT_CHANGED: &str = "AlertChanged";

json_object! {
    /// A link changed.
    pub struct LinkChange {
        /// The link.
        pub link: Id,
        /// Its state.
        pub status: LinkStatus,
    }
}

json_object! {
    /// A batch was anchored.
    pub struct BatchAnchored {
        /// The link.
        pub link: Id,
        /// Its number.
        pub seq: u64,
        /// Whether time is missing before it.
        pub gap: bool,
        /// Whether it came late.
        pub late: bool,
    }
}

json_object! {
    /// A rule changed.
    pub struct RuleChange {
        /// The rule.
        pub rule: Id,
        /// Whether it watches.
        pub active: bool,
    }
}

json_object! {
    /// An alert changed.
    pub struct AlertChange {
        /// The alert.
        pub alert: Id,
        /// How bad it is.
        pub severity: Severity,
        /// How often it was escalated.
        pub level: u32,
        /// Whether somebody acknowledged it.
        pub acknowledged: bool,
    }
}
