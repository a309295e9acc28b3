//! The rules of the ledger, and ledgers that each break one of them.

use carecord_chaincode::ContractError;
use carecord_health::channels::{
    Channel, Mode, Side, State, Status,
    machine::{Clock, Payout},
};

use super::world::Known;

/// The rules that a ledger keeps; each planted fault overrides one of them.
pub(super) trait Rules {
    fn close(
        &self,
        channel: &mut Channel,
        by: Side,
        state: Option<&State>,
        pending: bool,
        now: i64,
    ) -> Result<Option<Payout>, ContractError> {
        channel.close_unilateral(by, state, pending, now)
    }
    fn challenge(
        &self,
        channel: &mut Channel,
        by: Side,
        state: &State,
        clock: Clock,
    ) -> Result<Payout, ContractError> {
        channel.challenge(by, state, clock.now, || Ok(clock.blocks))
    }
    fn finalize(&self, channel: &mut Channel, clock: Clock) -> Result<Payout, ContractError> {
        channel.finalize(clock)
    }
    /// What the honest side knows after a crash of what it knew before.
    fn remembered(&self, known: Known) -> Known {
        known
    }
}

/// As it is.
pub(super) struct Sound;
impl Rules for Sound {}

/// Takes any state for a newer one.
pub(super) struct NoSequence;
impl Rules for NoSequence {
    fn challenge(
        &self,
        channel: &mut Channel,
        by: Side,
        state: &State,
        clock: Clock,
    ) -> Result<Payout, ContractError> {
        let seq = channel.closing.as_ref().map_or(0, |closing| closing.state.seq) + 2;
        let newer = State { seq, ..state.clone() };
        channel.challenge(by, &newer, clock.now, || Ok(clock.blocks))
    }
}

/// Takes states from before a top-up and gives the new money to who brought it.
pub(super) struct NoFunding;
impl NoFunding {
    fn moved(channel: &Channel, state: &State) -> State {
        let all = channel.deposits().unwrap();
        let bal_payer = all.minus(state.bal_payee).unwrap_or_default();
        State { funding: channel.funding, bal_payer, ..state.clone() }
    }
}
impl Rules for NoFunding {
    fn close(
        &self,
        channel: &mut Channel,
        by: Side,
        state: Option<&State>,
        pending: bool,
        now: i64,
    ) -> Result<Option<Payout>, ContractError> {
        let moved = state.map(|state| Self::moved(channel, state));
        channel.close_unilateral(by, moved.as_ref(), pending, now)
    }
    fn challenge(
        &self,
        channel: &mut Channel,
        by: Side,
        state: &State,
        clock: Clock,
    ) -> Result<Payout, ContractError> {
        let moved = Self::moved(channel, state);
        channel.challenge(by, &moved, clock.now, || Ok(clock.blocks))
    }
}

/// Hears objections for ever.
pub(super) struct LateChallenge;
impl Rules for LateChallenge {
    fn challenge(
        &self,
        channel: &mut Channel,
        by: Side,
        state: &State,
        _: Clock,
    ) -> Result<Payout, ContractError> {
        channel.challenge(by, state, i64::MIN, || Ok(0))
    }
}

/// Pays and forgets to end the channel.
pub(super) struct DoublePayment;
impl Rules for DoublePayment {
    fn finalize(&self, channel: &mut Channel, clock: Clock) -> Result<Payout, ContractError> {
        let payout = channel.finalize(clock)?;
        channel.status = Status::Closing;
        Ok(payout)
    }
}

/// Counts time and no blocks.
pub(super) struct TimeOnly;
impl Rules for TimeOnly {
    fn finalize(&self, channel: &mut Channel, clock: Clock) -> Result<Payout, ContractError> {
        channel.finalize(Clock { blocks: u32::MAX, ..clock })
    }
}

/// Believes the numbers that a payer writes in a one-way channel.
pub(super) struct NumbersOneWay;
impl Rules for NumbersOneWay {
    fn challenge(
        &self,
        channel: &mut Channel,
        by: Side,
        state: &State,
        clock: Clock,
    ) -> Result<Payout, ContractError> {
        let closing = channel.closing.as_ref().map_or(0, |closing| closing.state.seq);
        if channel.mode == Mode::Uni && state.seq <= closing {
            return Err(carecord_health::error::STATE.because("not newer"));
        }
        channel.challenge(by, state, clock.now, || Ok(clock.blocks))
    }
}

/// A peer that sends what it signed before it is on its disk.
pub(super) struct Forgetful;
impl Rules for Forgetful {
    fn remembered(&self, known: Known) -> Known {
        let full = known.full.saturating_sub(1);
        Known { full, signed: full }
    }
}
