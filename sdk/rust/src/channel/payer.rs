//! The payer's side: pays by the meter, and never more than the meter shows without being asked.

use std::sync::Arc;

use carecord_health::channels::machine::billed;
use carecord_health::channels::{
    Channel, Close, Mode, SignedState, State, final_statement, update_statement,
};
use carecord_health::ids::Commitment;
use carecord_health::token::Amount;
use carecord_msp::Signer;
use data_encoding::BASE64;

use super::{Answer, Error, Memory, Offer, deposits};

/// Who pays.
pub struct Payer {
    memory: Memory,
    signer: Arc<dyn Signer>,
}

// === impl Payer ===

impl Payer {
    /// Goes on where the memory ends.
    pub fn new(memory: Memory, signer: Arc<dyn Signer>) -> Self {
        Self { memory, signer }
    }

    /// What this side knows.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Takes in what the ledger says.
    pub fn follow(&mut self, channel: Channel) -> Result<(), Error> {
        self.memory.follow(channel)
    }

    /// Pays for what the own meter shows; an amount that was paid already is not taken back.
    pub fn pay_meter(&mut self, seconds: u64) -> Result<Offer, Error> {
        let channel = self.memory.channel();
        let due = billed(seconds, channel.rate).and_then(|b| b.plus(channel.deposit_payee));
        let due = due.ok_or(Error::Deposit)?.max(self.memory.division().bal_payee);
        self.pay(due, seconds, None)
    }

    /// Divides the deposits as the caller says: for extras, corrections and invoices, which no meter explains.
    pub fn pay(
        &mut self,
        bal_payee: Amount,
        meter_seconds: u64,
        invoice: Option<Commitment>,
    ) -> Result<Offer, Error> {
        self.memory.check_free()?;
        let channel = self.memory.channel();
        let division = self.memory.division();
        if channel.mode == Mode::Uni && bal_payee < division.bal_payee {
            return Err(Error::Terms("a one-way channel never pays less"));
        }
        let bal_payer = deposits(channel)?.minus(bal_payee).ok_or(Error::Deposit)?;
        let (funding, seq) = (channel.funding, division.seq + 1);
        let state = State { funding, seq, bal_payer, bal_payee, meter_seconds, invoice };
        let signed = self.sign(state)?;
        match channel.mode {
            Mode::Uni => self.memory.keep_newest(signed.clone())?,
            Mode::Bi => self.memory.keep_pending(signed.clone())?,
        }
        Ok(Offer::State(signed))
    }

    /// What was sent and not answered, to be sent again.
    pub fn outstanding(&self) -> Option<Offer> {
        let memory = &self.memory;
        let ending = memory.ending().filter(|state| state.payee_signature.is_none());
        let state = memory.pending().cloned().map(Offer::State);
        state.or_else(|| ending.cloned().map(Offer::Ending))
    }

    /// Offers to end the channel as it stands.
    pub fn end(&mut self) -> Result<Offer, Error> {
        self.memory.check_free()?;
        let state = self.memory.division().clone();
        let message = final_statement(self.memory.network(), &self.memory.channel().id, &state);
        let payer_signature = Some(BASE64.encode(&self.signer.sign(&message)?));
        let signed = SignedState { state, payer_signature, payee_signature: None };
        self.memory.keep_ending(signed.clone())?;
        Ok(Offer::Ending(signed))
    }

    /// Offers to put more in; from now on nothing is signed until the top-up is on the ledger.
    pub fn top_up(&mut self, amount: Amount) -> Result<Offer, Error> {
        self.memory.check_free()?;
        let division = self.memory.division();
        let bal_payer = division.bal_payer.plus(amount).ok_or(Error::Deposit)?;
        let funding = self.memory.channel().funding + 1;
        let state = State { funding, seq: 0, bal_payer, invoice: None, ..division.clone() };
        let base = self.sign(state)?;
        self.memory.keep_base(base.clone())?;
        Ok(Offer::Base { amount, base })
    }

    /// Takes the payee's answer; what can go to the ledger now, if anything can.
    pub fn take(&mut self, answer: Answer) -> Result<Option<SignedState>, Error> {
        let memory = &self.memory;
        let (network, channel) = (memory.network(), memory.channel());
        let (signed, asked, holds) = match &answer {
            Answer::State(signed) => {
                (signed, memory.pending(), signed.verify_both(network, channel))
            }
            Answer::Ending(signed) => {
                (signed, memory.ending(), signed.verify_final(network, channel))
            }
            Answer::Base(signed) => (signed, memory.base(), signed.verify_both(network, channel)),
        };
        if asked.map(|asked| &asked.state) != Some(&signed.state) {
            return Err(Error::Terms("that was not asked"));
        }
        holds.map_err(|error| Error::Proof(error.to_string()))?;
        match answer {
            Answer::State(signed) => {
                self.memory.keep_newest(signed)?;
                Ok(None)
            }
            Answer::Ending(signed) => {
                self.memory.keep_ending(signed.clone())?;
                Ok(Some(signed))
            }
            Answer::Base(signed) => {
                self.memory.keep_base(signed.clone())?;
                Ok(Some(signed))
            }
        }
    }

    /// How to close without the payee.
    pub fn close(&self) -> Close {
        self.memory.close()
    }

    fn sign(&self, state: State) -> Result<SignedState, Error> {
        let message = update_statement(self.memory.network(), &self.memory.channel().id, &state);
        let payer_signature = Some(BASE64.encode(&self.signer.sign(&message)?));
        Ok(SignedState { state, payer_signature, payee_signature: None })
    }
}
