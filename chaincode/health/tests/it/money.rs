//! The town with a token: rules set, people with money, and what is true of all money at any time.

use std::collections::BTreeMap;

use carecord_chaincode::{
    key::split,
    serde_json::{self, Value, json},
    test_util::{MemoryLedger, TestIdentity},
};

use crate::town::{Person, Town, nobody, random_id};

/// The town, its people taken out so that they can call while its ledger changes.
pub(crate) struct Bank {
    pub(crate) town: Town,
    pub(crate) admin_a: TestIdentity,
    pub(crate) admin_b: TestIdentity,
    pub(crate) patient: Person,
    pub(crate) doctor: Person,
    pub(crate) other: Person,
    pub(crate) insurer: Person,
    pub(crate) auditor: Person,
    /// The random bits of the network.
    pub(crate) network: String,
}

/// Most CARE and CREDIT of the bank.
pub(crate) const CAP: u128 = 1 << 100;

impl Bank {
    /// Rules set; nobody has anything.
    pub(crate) fn new() -> Self {
        let mut town = Town::new();
        let no_admin = || TestIdentity::new("NobodyMSP", "nobody");
        let admin_a = std::mem::replace(&mut town.admin_a, no_admin());
        let admin_b = std::mem::replace(&mut town.admin_b, no_admin());
        let patient = std::mem::replace(&mut town.patient, nobody());
        let doctor = std::mem::replace(&mut town.doctor, nobody());
        let other = std::mem::replace(&mut town.other_doctor, nobody());
        let insurer = std::mem::replace(&mut town.insurer, nobody());
        let auditor = std::mem::replace(&mut town.auditor, nobody());
        let network = random_id();
        let mut bank =
            Self { town, admin_a, admin_b, patient, doctor, other, insurer, auditor, network };
        let settings = json!({"id": random_id(), "network": bank.network,
                              "careCap": CAP.to_string(), "creditCap": CAP.to_string()});
        let settings = settings.to_string();
        let _: Value = bank.town.ok(&bank.admin_a, &["token:Init", &settings]);
        let _: Value = bank.town.ok(&bank.admin_b, &["token:Init", &settings]);
        bank
    }

    /// Rules set; patient, doctor, the other doctor and the insurer have this much CARE each.
    pub(crate) fn with(amount: u128) -> Self {
        let mut bank = Self::new();
        let ids = [&bank.patient, &bank.doctor, &bank.other, &bank.insurer].map(|p| p.id.clone());
        for id in ids {
            bank.mint(&id, "CARE", amount);
        }
        bank
    }

    /// Issues money, as two organisations agree.
    pub(crate) fn mint(&mut self, to: &str, currency: &str, amount: u128) {
        let mint = json!({"id": random_id(), "to": to, "currency": currency,
                          "amount": amount.to_string()});
        let mint = mint.to_string();
        let _: Value = self.town.ok(&self.admin_a, &["token:Mint", &mint]);
        let done: Value = self.town.ok(&self.admin_b, &["token:Mint", &mint]);
        assert_eq!(done["done"], true);
    }

    /// What a person has.
    pub(crate) fn balance(&mut self, id: &str) -> u128 {
        held(&self.town.ledger, "CARE").get(&format!("p:{id}")).copied().unwrap_or(0)
    }
}

/// What each account holds of a currency, waiting credits included, read from the whole state.
pub(crate) fn held(ledger: &MemoryLedger, currency: &str) -> BTreeMap<String, u128> {
    let mut accounts = BTreeMap::new();
    for ((_, key), value) in ledger.state() {
        let Ok((kind @ ("acct" | "acctin"), attributes)) = split(key) else { continue };
        assert!(attributes.len() == 2 + usize::from(kind == "acctin"), "{attributes:?}");
        if attributes[1] == currency {
            let row: Value = serde_json::from_slice(&value.value).unwrap();
            let amount: u128 = row["amount"].as_str().unwrap().parse().unwrap();
            *accounts.entry(attributes[0].to_owned()).or_default() += amount;
        }
    }
    accounts
}

/// What was ever issued of a currency.
pub(crate) fn issued(ledger: &MemoryLedger, currency: &str) -> u128 {
    let supply = ledger.state().iter().find(|((_, key), _)| {
        matches!(split(key), Ok(("supply", attributes)) if attributes == [currency])
    });
    supply.map_or(0, |(_, value)| {
        serde_json::from_slice::<String>(&value.value).unwrap().parse().unwrap()
    })
}

/// What all accounts hold is what was issued.
pub(crate) fn assert_conserved(ledger: &MemoryLedger) {
    for currency in ["CARE", "CREDIT"] {
        let sum: u128 = held(ledger, currency).values().sum();
        assert_eq!(sum, issued(ledger, currency), "{currency}");
    }
}
