//! One situation: the channel, the clock, what the honest side and the cheat know.

use carecord_chaincode::serde_json;
use carecord_health::{
    channels::{Channel, Mode, Side, State, Status, machine::Clock},
    token::Amount,
};

use super::{EXPIRES, SEQ_MAX, TOP_UP, WINDOW};

/// What the honest side has of the current funding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Known {
    /// The newest state with every signature that it needs.
    pub(super) full: u64,
    /// The newest that it signed itself.
    pub(super) signed: u64,
}

#[derive(Clone)]
pub(super) struct World {
    pub(super) channel: Channel,
    pub(super) now: i64,
    pub(super) blocks: u32,
    pub(super) known: Known,
    /// The newest state that the cheat has of each funding.
    pub(super) leaked: [u64; 2],
    pub(super) frozen: bool,
    pub(super) online: bool,
    pub(super) crashes: u8,
    /// The window passed while the honest side was away.
    pub(super) missed: bool,
    pub(super) paid: [u128; 2],
}

pub(super) type Fingerprint = (Status, u64, Vec<u64>, Known, [u64; 2], [bool; 3], u8, [u128; 2]);

/// How a channel of this mode is divided.
pub(super) fn balances(channel: &Channel, funding: u64, seq: u64) -> State {
    let bi: [[u128; 4]; 2] = [[2, 5, 1, 3], [2, 7, 1, 4]];
    let all = channel.deposits().unwrap().0 - if funding < channel.funding { TOP_UP } else { 0 };
    let payee = match (channel.mode, seq, funding == channel.funding) {
        (_, 0, true) => channel.base.bal_payee.0,
        (Mode::Bi, ..) => bi[usize::try_from(funding).unwrap()][usize::try_from(seq).unwrap()],
        (Mode::Uni, _, true) => channel.base.bal_payee.0 + u128::from(seq.min(2)),
        (Mode::Uni, _, false) => u128::from(seq.min(2)),
    };
    State {
        funding,
        seq,
        bal_payer: Amount(all - payee),
        bal_payee: Amount(payee),
        meter_seconds: 0,
        invoice: None,
    }
}

pub(super) fn start(mode: Mode, penalty_bps: u32) -> World {
    let payee = if mode == Mode::Bi { "2" } else { "0" };
    let channel = serde_json::json!({
        "id": "0".repeat(64), "payer": "0".repeat(32), "payee": "1".repeat(32), "payerHome": "A",
        "payeeHome": "B", "payerKey": "", "payeeKey": "", "mode": mode, "currency": "CARE",
        "rate": "1", "depositPayer": "4", "depositPayee": payee, "funding": 0,
        "base": {"funding": 0, "seq": 0, "balPayer": "4", "balPayee": payee, "meterSeconds": 0,
                 "invoice": null},
        "penaltyBps": penalty_bps, "windowSeconds": WINDOW.0, "windowBlocks": WINDOW.1,
        "opened": 0, "expires": EXPIRES, "status": "open"});
    World {
        channel: serde_json::from_value(channel).unwrap(),
        now: 0,
        blocks: 0,
        known: Known { full: 0, signed: 0 },
        leaked: [0, 0],
        frozen: false,
        online: true,
        crashes: 0,
        missed: false,
        paid: [0, 0],
    }
}

impl World {
    pub(super) fn clock(&self) -> Clock {
        Clock { now: self.now, blocks: self.blocks }
    }

    pub(super) fn window_over(&self) -> bool {
        let closing = self.channel.closing.as_ref();
        closing.is_some_and(|c| self.now >= c.dispute_until) && self.blocks >= WINDOW.1
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let closing = match &self.channel.closing {
            None => vec![],
            Some(c) => vec![
                c.closer as u64,
                c.state.seq,
                u64::try_from(c.state.bal_payee.0).unwrap(),
                u64::try_from(c.dispute_until - self.now).unwrap_or(0),
                u64::from(c.pending),
                u64::from(c.expired),
            ],
        };
        let base = u64::try_from(self.channel.base.bal_payee.0).unwrap();
        let mut more = vec![u64::try_from(self.now).unwrap(), u64::from(self.blocks), base];
        more.extend(closing);
        let flags = [self.frozen, self.online, self.missed];
        let (status, funding) = (self.channel.status, self.channel.funding);
        (status, funding, more, self.known, self.leaked, flags, self.crashes, self.paid)
    }

    /// What the honest side must at least get.
    pub(super) fn due(&self, honest: Side) -> u128 {
        let of = |seq| balances(&self.channel, self.channel.funding, seq).balance(honest).0;
        of(self.known.full).min(of(self.known.signed))
    }

    pub(super) fn own(&self) -> State {
        balances(&self.channel, self.channel.funding, self.known.full)
    }

    /// Whether the honest side has to act before the window ends.
    pub(super) fn must_object(&self, honest: Side) -> bool {
        let Some(closing) = &self.channel.closing else { return false };
        let waits = self.channel.status == Status::Closing && closing.closer != honest;
        waits && self.own().balance(honest) > closing.state.balance(honest) && self.known.full > 0
    }

    /// Every state with which the cheat can try something.
    pub(super) fn hoard(&self, cheat: Side) -> Vec<State> {
        let mut all = Vec::new();
        for funding in 0..=self.channel.funding {
            let newest = self.leaked[usize::try_from(funding).unwrap()];
            all.extend((1..=newest).map(|seq| balances(&self.channel, funding, seq)));
        }
        if self.channel.mode == Mode::Uni && cheat == Side::Payer {
            // The payer alone signs: any number and any amount.
            let total = self.channel.deposits().unwrap();
            for (seq, payee) in [(1, 0), (1, 1), (SEQ_MAX + 1, 0), (SEQ_MAX + 1, 1)] {
                let bal_payee = Amount(payee);
                let bal_payer = total.minus(bal_payee).unwrap();
                let state = balances(&self.channel, self.channel.funding, 0);
                all.push(State { seq, bal_payer, bal_payee, ..state });
            }
        }
        all
    }
}
