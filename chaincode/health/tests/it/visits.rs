//! A channel between the bank's patient and doctor, and the states that they sign.

use base64::{Engine, engine::general_purpose::STANDARD};
use carecord_chaincode::{
    serde_json::{self, Value, json},
    test_util::TestIdentity,
};
use carecord_health::{
    channels::{Channel, ChannelId, State, final_statement, state::is_low_s, update_statement},
    ids::Id,
    token::{Amount, network_name},
};

use crate::{
    money::{Bank, assert_conserved, held},
    town::{Person, YEAR},
};

/// A signature with low S: of the two forms of each, about every second is one.
pub(crate) fn sign(who: &TestIdentity, message: &[u8]) -> String {
    let low = std::iter::repeat_with(|| who.sign(message)).find(|signature| is_low_s(signature));
    STANDARD.encode(low.unwrap())
}

/// The argument of `channels:Open`: 60 a minute.
pub(crate) fn new_channel(bank: &Bank, mode: &str, payer: u128, payee: u128) -> Value {
    json!({"payee": bank.doctor.id, "mode": mode, "currency": "CARE", "rate": "60",
           "depositPayer": payer.to_string(), "depositPayee": payee.to_string(),
           "expires": bank.town.ledger.now + YEAR / 2})
}

/// An open channel of these deposits.
pub(crate) fn open(bank: &mut Bank, mode: &str, payer: u128, payee: u128) -> Channel {
    let new = new_channel(bank, mode, payer, payee).to_string();
    let channel: Channel = bank.town.ok(&bank.patient.identity, &["channels:Open", &new]);
    if mode == "uni" {
        return channel;
    }
    bank.town.ok(&bank.doctor.identity, &["channels:Accept", channel.id.as_str()])
}

/// How the deposits are divided, at a minute per number.
pub(crate) fn state(channel: &Channel, seq: u64, payee: u128) -> State {
    let all = channel.deposits().unwrap();
    State {
        funding: channel.funding,
        seq,
        bal_payer: all.minus(Amount(payee)).unwrap(),
        bal_payee: Amount(payee),
        meter_seconds: seq * 60,
        invoice: None,
    }
}

impl Bank {
    /// The network's name as states name it.
    pub(crate) fn network_name(&self) -> String {
        network_name("care", &Id::new(self.network.as_str()).unwrap())
    }

    /// A state that both signed.
    pub(crate) fn signed(&self, id: &ChannelId, state: &State) -> Value {
        let message = update_statement(&self.network_name(), id, state);
        self.by_both(&message, state)
    }

    /// A state that both signed as the final one.
    pub(crate) fn signed_final(&self, id: &ChannelId, state: &State) -> Value {
        let message = final_statement(&self.network_name(), id, state);
        self.by_both(&message, state)
    }

    fn by_both(&self, message: &[u8], state: &State) -> Value {
        json!({"state": state, "payerSignature": sign(&self.patient.identity, message),
               "payeeSignature": sign(&self.doctor.identity, message)})
    }

    /// Lets the window of a waiting close pass: time and blocks.
    pub(crate) fn let_window_pass(&mut self, witness: &Person, channel: &Channel) {
        for _ in 0..channel.window_blocks {
            let args = ["channels:Witness", channel.id.as_str()];
            let _: Value = self.town.ok(&witness.identity, &args);
        }
        self.town.ledger.now += channel.window_seconds;
    }
}

/// The argument of `channels:CloseUnilateral`.
pub(crate) fn close(signed: Option<&Value>) -> String {
    serde_json::to_string(&json!({"state": signed})).unwrap()
}

/// What patient and doctor have.
pub(crate) fn purses(bank: &mut Bank) -> (u128, u128) {
    let (patient, doctor) = (bank.patient.id.clone(), bank.doctor.id.clone());
    assert_conserved(&bank.town.ledger);
    (bank.balance(&patient), bank.balance(&doctor))
}

/// Nothing lies in any escrow.
pub(crate) fn assert_no_residue(bank: &Bank) {
    let accounts = held(&bank.town.ledger, "CARE");
    let escrows: Vec<_> =
        accounts.iter().filter(|(account, _)| account.starts_with("e:")).collect();
    assert!(escrows.is_empty(), "{escrows:?}");
}
