//! What may happen to a payment channel, as pure steps: who, which state, what time, how many blocks.
//!
//! | from | step | to | money |
//! |---|---|---|---|
//! | `proposed` | payee accepts | `open` | the payee's deposit comes in |
//! | `proposed` | payer cancels | `cancelled` | back to the payer |
//! | `open`, `invoiced`, `closing` | both close at a final state | `closed` | as that state says |
//! | `open` | payee invoices | `invoiced` | - |
//! | `invoiced` | payer pays | `closed` | price to the payee, the rest back |
//! | `open`, `invoiced` | either closes alone | `closing` | - |
//! | the same, mode `uni` | the payee closes alone | `closed` | as that state says |
//! | `open`, `invoiced`, expired | either ends it | `closing`, expired | - |
//! | `closing`, expired | either closes alone with a state | `closing` | - |
//! | `closing` | the other shows a newer state | `penalised` | the closer forfeits |
//! | `closing`, next number announced | the other shows that one | `closed` | as it says |
//! | `closing` | the other shows another state of the same number | `closed` | the one worse for the closer |
//! | `closing`, window over | either finishes | `closed` or `expired` | as the closing state says |
//!
//! In mode `uni` the payer alone signs and pays ever more, so the payee's best state is the newest whatever its
//! number: the payee's close needs no window, and a payer who closes with less than they signed once is a cheat. In
//! mode `bi` somebody signs first, and may never get the other's signature back: they close with the state that they
//! have and announce that they signed the next number, and are not punished for that one. While a close waits, its
//! closer can write nothing that a challenge reads.

use carecord_chaincode::{ContractError, codes};

use super::{Channel, Invoice, Mode, Side, State, Status};
use crate::{error, token::Amount};

/// Seconds that are billed as one.
pub const BILLED_SECONDS: u64 = 60;
/// The whole of a balance in hundredths of a percent.
pub const BPS: u32 = 10_000;

/// What the two sides get out of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payout {
    /// The payer.
    pub payer: Amount,
    /// The payee.
    pub payee: Amount,
}

/// Time and blocks, as far as a step may know them.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// The transaction's time, seconds since 1970.
    pub now: i64,
    /// Blocks since the close began that a waiting close has counted.
    pub blocks: u32,
}

/// The price of metered time: each begun minute counts as a whole one. None if it does not fit into 128 bits.
pub fn billed(seconds: u64, rate: Amount) -> Option<Amount> {
    rate.times(seconds.div_ceil(BILLED_SECONDS))
}

pub(super) fn refuse<T>(reason: &str) -> Result<T, ContractError> {
    Err(error::STATE.because(reason))
}

// === impl Side ===

impl Side {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Payer => Self::Payee,
            Self::Payee => Self::Payer,
        }
    }
}

// === impl State ===

impl State {
    /// What a side gets.
    pub fn balance(&self, side: Side) -> Amount {
        match side {
            Side::Payer => self.bal_payer,
            Side::Payee => self.bal_payee,
        }
    }

    pub(super) fn payout(&self) -> Payout {
        Payout { payer: self.bal_payer, payee: self.bal_payee }
    }
}

// === impl Channel ===

impl Channel {
    /// All that lies in the channel.
    pub fn deposits(&self) -> Option<Amount> {
        self.deposit_payer.plus(self.deposit_payee)
    }

    /// Whether money still lies in it.
    pub fn is_live(&self) -> bool {
        matches!(self.status, Status::Proposed | Status::Open | Status::Invoiced | Status::Closing)
    }

    /// Whether states are exchanged in it.
    pub fn is_open(&self) -> bool {
        matches!(self.status, Status::Open | Status::Invoiced)
    }

    /// The payee's deposit is in.
    pub fn accept(&mut self, now: i64) -> Result<(), ContractError> {
        if self.status != Status::Proposed || now >= self.expires {
            return refuse("the channel is not proposed any more");
        }
        self.status = Status::Open;
        Ok(())
    }

    /// Nobody accepted it.
    pub fn cancel(&mut self) -> Result<Payout, ContractError> {
        if self.status != Status::Proposed {
            return refuse("only a channel that nobody accepted is cancelled");
        }
        let payout = Payout { payer: self.deposit_payer, payee: Amount::ZERO };
        Ok(self.settle(Status::Cancelled, payout))
    }

    /// More money comes in; `base` is the division that holds from then on without signatures.
    pub fn top_up(&mut self, by: Side, amount: Amount, base: &State) -> Result<(), ContractError> {
        if self.status != Status::Open {
            return refuse("only an open channel without an invoice takes more money");
        }
        if by == Side::Payee && self.mode == Mode::Uni {
            return refuse("the payee deposits nothing in a channel of this mode");
        }
        if base.funding != self.funding + 1 || base.seq != 0 {
            return refuse("the base is not the beginning of the next funding");
        }
        let deposit = match by {
            Side::Payer => &mut self.deposit_payer,
            Side::Payee => &mut self.deposit_payee,
        };
        let overflow = || codes::VALUE.because("the deposits do not fit into 128 bits");
        *deposit = deposit.plus(amount).ok_or_else(overflow)?;
        self.funding = base.funding;
        self.check_sum(base)?;
        self.base = base.clone();
        Ok(())
    }

    /// The payee says what the visit costs.
    pub fn issue(&mut self, invoice: Invoice) -> Result<(), ContractError> {
        if self.invoice.is_some() {
            return Err(error::TAKEN.because("the channel has an invoice already"));
        }
        if self.status != Status::Open {
            return refuse("the channel is not open");
        }
        let sum = billed(invoice.meter_seconds, self.rate).and_then(|b| b.plus(invoice.extras));
        if sum != Some(invoice.total) {
            let reason = "the total is not the price of the begun minutes and the extras";
            return Err(codes::VALUE.because(reason).at("/invoice/total"));
        }
        if invoice.total > self.deposit_payer {
            return Err(error::FUNDS.because("the invoice exceeds the payer's deposit"));
        }
        self.invoice = Some(invoice);
        self.status = Status::Invoiced;
        Ok(())
    }

    /// The payer pays the invoice, and the channel ends.
    pub fn pay(&mut self) -> Result<Payout, ContractError> {
        let (Status::Invoiced, Some(invoice)) = (self.status, &self.invoice) else {
            return refuse("there is no invoice to pay");
        };
        let left = self.deposit_payer.minus(invoice.total);
        let paid = self.deposit_payee.plus(invoice.total);
        let (Some(payer), Some(payee)) = (left, paid) else {
            return Err(codes::FAILED.because("an invoice above the deposit"));
        };
        Ok(self.settle(Status::Closed, Payout { payer, payee }))
    }

    /// Both agree on how it ends.
    pub fn close_cooperative(&mut self, state: &State) -> Result<Payout, ContractError> {
        if !self.is_open() && self.status != Status::Closing {
            return refuse("the channel is not open");
        }
        self.check_sum(state)?;
        if state.funding != self.funding {
            return refuse("the state is of another funding");
        }
        Ok(self.settle(Status::Closed, state.payout()))
    }

    /// A signed state counts for this funding only, after the base, and divides exactly what is there.
    pub(super) fn check_state(&self, state: &State) -> Result<(), ContractError> {
        if state.funding != self.funding {
            return refuse("the state is of another funding");
        }
        if state.seq <= self.base.seq {
            return refuse("the state is not newer than the base of the funding");
        }
        if self.mode == Mode::Uni && state.bal_payee < self.base.bal_payee {
            return refuse("a one-way channel never pays less than its base");
        }
        self.check_sum(state)
    }

    fn check_sum(&self, state: &State) -> Result<(), ContractError> {
        let sum = state.bal_payer.plus(state.bal_payee);
        if sum.is_some() && sum == self.deposits() {
            return Ok(());
        }
        Err(codes::VALUE.because("the balances do not add up to the deposits").at("/state/state"))
    }

    pub(super) fn settle(&mut self, status: Status, payout: Payout) -> Payout {
        self.status = status;
        self.paid_payer = Some(payout.payer);
        self.paid_payee = Some(payout.payee);
        payout
    }
}
