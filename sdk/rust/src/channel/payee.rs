//! The payee's side: checks what the payer offers against the own meter, and signs back.

use std::sync::Arc;

use carecord_health::channels::machine::billed;
use carecord_health::channels::{
    Channel, Close, Mode, SignedState, State, final_statement, update_statement,
};
use carecord_health::token::Amount;
use carecord_msp::Signer;
use data_encoding::BASE64;

use super::{Answer, Error, Memory, Offer, deposits};

/// Who is paid.
pub struct Payee {
    memory: Memory,
    signer: Arc<dyn Signer>,
}

// === impl Payee ===

impl Payee {
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

    /// What the payee's balance must be when the own meter shows this; none above 128 bits.
    pub fn due(&self, seconds: u64) -> Option<Amount> {
        let channel = self.memory.channel();
        billed(seconds, channel.rate)?.plus(channel.deposit_payee)
    }

    /// Takes an offer that leaves the payee at least `least`; what is sent back, if anything is.
    ///
    /// The least is the caller's word: [`Payee::due`] of the own meter, or less if a correction was agreed.
    pub fn take(&mut self, offer: &Offer, least: Amount) -> Result<Option<Answer>, Error> {
        match offer {
            Offer::State(signed) => self.take_state(signed, least),
            Offer::Ending(signed) => self.take_ending(signed, least).map(Some),
            Offer::Base { amount, base } => self.take_base(*amount, base, least).map(Some),
        }
    }

    /// How to close without the payer.
    pub fn close(&self) -> Close {
        self.memory.close()
    }

    fn take_state(&mut self, signed: &SignedState, least: Amount) -> Result<Option<Answer>, Error> {
        if let Some(newest) = self.memory.newest().filter(|newest| newest.state == signed.state) {
            // Our answer was lost: the same again.
            let answer = (self.memory.channel().mode == Mode::Bi).then(|| newest.clone());
            return Ok(answer.map(Answer::State));
        }
        self.memory.check_free()?;
        let channel = self.memory.channel();
        let state = &signed.state;
        if state.funding != channel.funding || state.seq != self.memory.division().seq + 1 {
            return Err(Error::Terms("not the next number of this funding"));
        }
        self.check(signed, deposits(channel)?, least)?;
        let message = update_statement(self.memory.network(), &channel.id, state);
        self.check_payer(signed, channel.mode)?;
        match channel.mode {
            Mode::Uni => {
                self.memory.keep_newest(signed.clone())?;
                Ok(None)
            }
            Mode::Bi => {
                let signed = self.countersign(signed, &message)?;
                self.memory.keep_newest(signed.clone())?;
                Ok(Some(Answer::State(signed)))
            }
        }
    }

    fn take_ending(&mut self, signed: &SignedState, least: Amount) -> Result<Answer, Error> {
        if let Some(ending) = self.memory.ending().filter(|ending| ending.state == signed.state) {
            return Ok(Answer::Ending(ending.clone()));
        }
        self.memory.check_free()?;
        if signed.state != *self.memory.division() {
            return Err(Error::Terms("not the newest state"));
        }
        self.check(signed, deposits(self.memory.channel())?, least)?;
        let channel = self.memory.channel();
        let message = final_statement(self.memory.network(), &channel.id, &signed.state);
        let both = self.countersign(signed, &message)?;
        both.verify_final(self.memory.network(), channel)
            .map_err(|error| Error::Proof(error.to_string()))?;
        self.memory.keep_ending(both.clone())?;
        Ok(Answer::Ending(both))
    }

    fn take_base(
        &mut self,
        amount: Amount,
        base: &SignedState,
        least: Amount,
    ) -> Result<Answer, Error> {
        if let Some(kept) = self.memory.base().filter(|kept| kept.state == base.state) {
            return Ok(Answer::Base(kept.clone()));
        }
        self.memory.check_free()?;
        let channel = self.memory.channel();
        let division = self.memory.division();
        let bal_payer = division.bal_payer.plus(amount).ok_or(Error::Terms("above 128 bits"))?;
        let (funding, invoice) = (channel.funding + 1, None);
        let agreed = State { funding, seq: 0, bal_payer, invoice, ..division.clone() };
        if base.state != agreed {
            return Err(Error::Terms("not the newest state with more of the payer's money"));
        }
        let all = deposits(channel)?.plus(amount).ok_or(Error::Terms("above 128 bits"))?;
        self.check(base, all, least)?;
        let message = update_statement(self.memory.network(), &channel.id, &base.state);
        let both = self.countersign(base, &message)?;
        both.verify_both(self.memory.network(), channel)
            .map_err(|error| Error::Proof(error.to_string()))?;
        self.memory.keep_base(both.clone())?;
        Ok(Answer::Base(both))
    }

    fn check(&self, signed: &SignedState, all: Amount, least: Amount) -> Result<(), Error> {
        let state = &signed.state;
        if state.bal_payer.plus(state.bal_payee) != Some(all) {
            return Err(Error::Terms("the balances do not add up to the deposits"));
        }
        if state.bal_payee < least {
            return Err(Error::Terms("it pays less than is due"));
        }
        Ok(())
    }

    fn check_payer(&self, signed: &SignedState, mode: Mode) -> Result<(), Error> {
        // The payer's signature alone: as in a one-way channel.
        let channel = Channel { mode: Mode::Uni, ..self.memory.channel().clone() };
        let less = signed.state.bal_payee < self.memory.division().bal_payee;
        if mode == Mode::Uni && less {
            return Err(Error::Terms("a one-way channel never pays less"));
        }
        let checked = signed.verify(self.memory.network(), &channel);
        checked.map_err(|error| Error::Proof(error.to_string()))
    }

    fn countersign(&self, signed: &SignedState, message: &[u8]) -> Result<SignedState, Error> {
        let payee_signature = Some(BASE64.encode(&self.signer.sign(message)?));
        Ok(SignedState { payee_signature, ..signed.clone() })
    }
}
