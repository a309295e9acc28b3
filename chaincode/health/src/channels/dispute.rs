//! Closing a channel without the other side, and objecting to it; the table is in [`super::machine`].

use carecord_chaincode::{ContractError, codes};

use super::{
    Channel, Closing, Mode, Side, State, Status,
    machine::{BPS, Clock, Payout, refuse},
};
use crate::token::Amount;

// === impl Channel ===

impl Channel {
    /// One side closes alone, with a signed state or with the base.
    pub fn close_unilateral(
        &mut self,
        by: Side,
        state: Option<&State>,
        pending: bool,
        now: i64,
    ) -> Result<Option<Payout>, ContractError> {
        let expired = self.closing.as_ref().is_some_and(|closing| closing.expired);
        let again = expired && state.is_some() && self.status == Status::Closing;
        if !self.is_open() && !again {
            return refuse("the channel is not open");
        }
        if let Some(state) = state {
            self.check_state(state)?;
        }
        let state = state.unwrap_or(&self.base).clone();
        if self.mode == Mode::Uni && by == Side::Payee {
            return Ok(Some(self.settle(Status::Closed, state.payout())));
        }
        self.begin_closing(by, state, now)?;
        if let Some(closing) = &mut self.closing {
            closing.pending = pending;
        }
        Ok(None)
    }

    /// Ends a channel whose time is over, at the base unless somebody shows a signed state.
    pub fn expire(&mut self, by: Side, now: i64) -> Result<(), ContractError> {
        if !self.is_open() || now < self.expires {
            return refuse("the channel is not open, or its time is not over");
        }
        self.begin_closing(by, self.base.clone(), now)?;
        if let Some(closing) = &mut self.closing {
            closing.expired = true;
        }
        Ok(())
    }

    /// The side that did not close shows a state that the closer signed and kept back.
    ///
    /// `blocks` is asked only once the time is over: before, a challenge depends on nothing but the channel itself.
    pub fn challenge(
        &mut self,
        by: Side,
        state: &State,
        now: i64,
        blocks: impl FnOnce() -> Result<u32, ContractError>,
    ) -> Result<Payout, ContractError> {
        let closing = self.closing()?.clone();
        if closing.closer == by {
            return refuse("nobody challenges their own close");
        }
        if closing.expired {
            return refuse("the channel expired: close it with the state instead");
        }
        if now >= closing.dispute_until && blocks()? >= self.window_blocks {
            return refuse("the window is over");
        }
        self.check_state(state)?;
        self.judge(&closing, state)
    }

    /// What a state in time does to a waiting close.
    fn judge(&mut self, closing: &Closing, state: &State) -> Result<Payout, ContractError> {
        let newer = match self.mode {
            Mode::Uni => state.bal_payee > closing.state.bal_payee,
            Mode::Bi => state.seq > closing.state.seq,
        };
        let announced = self.mode == Mode::Bi
            && closing.pending
            && closing.state.seq.checked_add(1) == Some(state.seq);
        if announced {
            return Ok(self.settle(Status::Closed, state.payout()));
        }
        if newer {
            let payout = self.punished(closing.closer, state)?;
            return Ok(self.settle(Status::Penalised, payout));
        }
        let other = state.seq == closing.state.seq && *state != closing.state;
        if self.mode == Mode::Bi && other {
            let closer = closing.closer;
            let worse = state.balance(closer) < closing.state.balance(closer);
            let payout = if worse { state.payout() } else { closing.state.payout() };
            return Ok(self.settle(Status::Closed, payout));
        }
        refuse("the state is not newer than the one of the close")
    }

    /// Nobody objected within the window.
    pub fn finalize(&mut self, clock: Clock) -> Result<Payout, ContractError> {
        let closing = self.closing()?;
        if clock.now < closing.dispute_until || clock.blocks < self.window_blocks {
            return refuse("the window is not over");
        }
        let (payout, expired) = (closing.state.payout(), closing.expired);
        Ok(self.settle(if expired { Status::Expired } else { Status::Closed }, payout))
    }

    fn closing(&self) -> Result<&Closing, ContractError> {
        match (&self.closing, self.status) {
            (Some(closing), Status::Closing) => Ok(closing),
            _ => refuse("nobody is closing the channel"),
        }
    }

    fn begin_closing(&mut self, closer: Side, state: State, now: i64) -> Result<(), ContractError> {
        let dispute_until = now.checked_add(self.window_seconds);
        let overflow = || codes::VALUE.because("the time is out of range");
        let dispute_until = dispute_until.ok_or_else(overflow)?;
        self.closing =
            Some(Closing { closer, state, dispute_until, pending: false, expired: false });
        self.status = Status::Closing;
        Ok(())
    }

    /// The closer's part of the newer state, less what is forfeited to the other.
    fn punished(&self, closer: Side, state: &State) -> Result<Payout, ContractError> {
        let failed = || codes::FAILED.because("a penalty that does not add up");
        let balance = state.balance(closer).0;
        let (bps, whole) = (u128::from(self.penalty_bps), u128::from(BPS));
        // In two steps, so that no balance overflows; rounded up, against the closer.
        let forfeited = (balance / whole) * bps + ((balance % whole) * bps).div_ceil(whole);
        let left = Amount(balance.checked_sub(forfeited).ok_or_else(failed)?);
        let gained = state.balance(closer.other()).plus(Amount(forfeited)).ok_or_else(failed)?;
        Ok(match closer {
            Side::Payer => Payout { payer: left, payee: gained },
            Side::Payee => Payout { payer: gained, payee: left },
        })
    }
}
