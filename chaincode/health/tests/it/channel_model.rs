//! Every interleaving of what an honest side, a cheat and the clock can do to one small channel.
//!
//! The cheat may do anything at any time with every state that was ever signed: close with old ones, close twice,
//! challenge, finish, end it. The honest side follows the protocol of the SDK: it never signs two states of one number,
//! signs nothing new while an answer or a top-up is outstanding, keeps what it signed before it sends it, and objects
//! while the window lasts. It may crash once at any point and come back at any other. In the end it must have at least
//! what the newest state that it knows gives it, or what the one gives it that it signed and never got back.

use std::collections::{HashMap, VecDeque};

use carecord_chaincode::{ContractError, serde_json};
use carecord_health::{
    channels::{
        Channel, Mode, Side, State, Status,
        machine::{Clock, Payout},
    },
    token::Amount,
};

/// States of one funding.
const SEQ_MAX: u64 = 3;
/// The window in steps of the clock, and in blocks.
const WINDOW: (i64, u32) = (2, 1);
const EXPIRES: i64 = 2;
const NOW_MAX: i64 = 6;
const TOP_UP: u128 = 2;

/// The rules that a ledger keeps; each planted fault overrides one of them.
trait Rules {
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
struct Sound;
impl Rules for Sound {}

/// Takes any state for a newer one.
struct NoSequence;
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
struct NoFunding;
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
struct LateChallenge;
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
struct DoublePayment;
impl Rules for DoublePayment {
    fn finalize(&self, channel: &mut Channel, clock: Clock) -> Result<Payout, ContractError> {
        let payout = channel.finalize(clock)?;
        channel.status = Status::Closing;
        Ok(payout)
    }
}

/// Counts time and no blocks.
struct TimeOnly;
impl Rules for TimeOnly {
    fn finalize(&self, channel: &mut Channel, clock: Clock) -> Result<Payout, ContractError> {
        channel.finalize(Clock { blocks: u32::MAX, ..clock })
    }
}

/// Believes the numbers that a payer writes in a one-way channel.
struct NumbersOneWay;
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
struct Forgetful;
impl Rules for Forgetful {
    fn remembered(&self, known: Known) -> Known {
        let full = known.full.saturating_sub(1);
        Known { full, signed: full }
    }
}

/// What the honest side has of the current funding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Known {
    /// The newest state with every signature that it needs.
    full: u64,
    /// The newest that it signed itself.
    signed: u64,
}

#[derive(Clone)]
struct World {
    channel: Channel,
    now: i64,
    blocks: u32,
    known: Known,
    /// The newest state that the cheat has of each funding.
    leaked: [u64; 2],
    frozen: bool,
    online: bool,
    crashes: u8,
    /// The window passed while the honest side was away.
    missed: bool,
    paid: [u128; 2],
}

type Fingerprint = (Status, u64, Vec<u64>, Known, [u64; 2], [bool; 3], u8, [u128; 2]);

/// One run over everything that can happen.
struct Explorer<'a> {
    rules: &'a dyn Rules,
    honest: Side,
    seen: HashMap<Fingerprint, usize>,
    queue: VecDeque<World>,
    parents: Vec<Vec<usize>>,
    ends: Vec<usize>,
    steps: usize,
}

/// How a channel of this mode is divided.
fn balances(channel: &Channel, funding: u64, seq: u64) -> State {
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

fn start(mode: Mode, penalty_bps: u32) -> World {
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
    fn clock(&self) -> Clock {
        Clock { now: self.now, blocks: self.blocks }
    }

    fn window_over(&self) -> bool {
        let closing = self.channel.closing.as_ref();
        closing.is_some_and(|c| self.now >= c.dispute_until) && self.blocks >= WINDOW.1
    }

    fn fingerprint(&self) -> Fingerprint {
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
    fn due(&self, honest: Side) -> u128 {
        let of = |seq| balances(&self.channel, self.channel.funding, seq).balance(honest).0;
        of(self.known.full).min(of(self.known.signed))
    }

    fn own(&self) -> State {
        balances(&self.channel, self.channel.funding, self.known.full)
    }

    /// Whether the honest side has to act before the window ends.
    fn must_object(&self, honest: Side) -> bool {
        let Some(closing) = &self.channel.closing else { return false };
        let waits = self.channel.status == Status::Closing && closing.closer != honest;
        waits && self.own().balance(honest) > closing.state.balance(honest) && self.known.full > 0
    }

    /// Every state with which the cheat can try something.
    fn hoard(&self, cheat: Side) -> Vec<State> {
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

impl<'a> Explorer<'a> {
    fn new(rules: &'a dyn Rules, honest: Side) -> Self {
        Self {
            rules,
            honest,
            seen: HashMap::new(),
            queue: VecDeque::new(),
            parents: vec![],
            ends: vec![],
            steps: 0,
        }
    }

    /// Goes through everything; the first broken promise, if there is one.
    fn run(&mut self, first: World) -> Result<(), String> {
        self.reach(first, None)?;
        while let Some(world) = self.queue.pop_front() {
            let from = self.seen[&world.fingerprint()];
            self.off_ledger(&world, from)?;
            self.time(&world, from)?;
            self.top_up(&world, from)?;
            for by in [self.honest, self.honest.other()] {
                self.closes(&world, from, by)?;
                self.challenges(&world, from, by)?;
                self.ends(&world, from, by)?;
            }
        }
        self.all_can_end()
    }

    fn reach(&mut self, world: World, from: Option<usize>) -> Result<(), String> {
        self.check(&world)?;
        self.steps += 1;
        let next = self.parents.len();
        let index = *self.seen.entry(world.fingerprint()).or_insert(next);
        if index == next {
            self.parents.push(vec![]);
            if !world.channel.is_live() {
                self.ends.push(index);
            }
            self.queue.push_back(world);
        }
        self.parents[index].extend(from);
        Ok(())
    }

    fn check(&self, world: &World) -> Result<(), String> {
        let paid: u128 = world.paid.iter().sum();
        let all = world.channel.deposits().unwrap().0;
        let live = world.channel.is_live();
        if paid != if live { 0 } else { all } {
            return Err(format!("{paid} of {all} was paid, {:?}", world.channel.status));
        }
        let got = world.paid[self.honest as usize];
        if !live && !world.missed && got < world.due(self.honest) {
            return Err(format!(
                "the honest {:?} got {got} of {}, {:?}, {:?}",
                self.honest,
                world.due(self.honest),
                world.channel.status,
                world.channel.closing
            ));
        }
        Ok(())
    }

    /// Signing and sending, crashing and coming back.
    fn off_ledger(&mut self, world: &World, from: usize) -> Result<(), String> {
        let Known { full, signed } = world.known;
        let funding = usize::try_from(world.channel.funding).unwrap();
        // An answer that comes after the own close, or after the window, changes nothing any more.
        let closed = world.channel.closing.as_ref().is_some_and(|c| c.closer == self.honest)
            || world.window_over();
        let mut next = |change: &dyn Fn(&mut World)| {
            let mut world = world.clone();
            change(&mut world);
            let leaked = &mut world.leaked[funding];
            *leaked = (*leaked).max(world.known.signed);
            self.reach(world, Some(from))
        };
        if !world.online {
            return next(&|world| world.online = true);
        }
        let idle = world.channel.status == Status::Open && !world.frozen && full == signed;
        if idle && full < SEQ_MAX {
            let one_way = world.channel.mode == Mode::Uni;
            let alone = |world: &mut World| world.known.signed += 1;
            let both = |world: &mut World| world.known = Known { full: full + 1, signed: full + 1 };
            // The honest side begins and waits for an answer, or answers the cheat.
            if !one_way {
                next(&alone)?;
            }
            next(&both)?;
        }
        if full < signed && world.channel.is_live() && !closed {
            next(&|world| world.known.full = signed)?;
        }
        if world.crashes == 0 {
            let remembered = self.rules.remembered(world.known);
            let mut crashed = World { online: false, crashes: 1, ..world.clone() };
            crashed.known = remembered;
            // What is owed does not shrink with what is remembered.
            if remembered != world.known {
                let lost = balances(&world.channel, world.channel.funding, full);
                let kept = balances(&world.channel, world.channel.funding, remembered.full);
                let worse = kept.balance(self.honest) < lost.balance(self.honest);
                let closed = self.would_close(&crashed);
                if worse && closed {
                    return Err("a crash lost what was signed".to_owned());
                }
            }
            self.reach(crashed, Some(from))?;
        }
        Ok(())
    }

    /// Whether the honest side has something to object to, and is heard if it does so in time.
    fn can_object(&self, world: &World) -> bool {
        let mut channel = world.channel.clone();
        world.must_object(self.honest)
            && (self.would_close(world)
                || self
                    .rules
                    .challenge(&mut channel, self.honest, &world.own(), world.clock())
                    .is_ok())
    }

    /// Whether the honest side could now close with what it remembers.
    fn would_close(&self, world: &World) -> bool {
        let mut channel = world.channel.clone();
        let state = Some(world.own()).filter(|state| state.seq > 0);
        self.rules.close(&mut channel, self.honest, state.as_ref(), false, world.now).is_ok()
    }

    fn time(&mut self, world: &World, from: usize) -> Result<(), String> {
        if world.now >= NOW_MAX || !world.channel.is_live() {
            return Ok(());
        }
        let mut next = World { now: world.now + 1, ..world.clone() };
        if !world.window_over() && next.window_over() && self.can_object(world) {
            if world.online {
                // It objects first.
                return Ok(());
            }
            next.missed = true;
        }
        self.reach(next, Some(from))
    }

    fn top_up(&mut self, world: &World, from: usize) -> Result<(), String> {
        let idle = world.known.full == world.known.signed;
        let mut next = world.clone();
        if world.online && idle && !world.frozen && world.channel.funding == 0 {
            next.frozen = world.channel.status == Status::Open;
            return self.reach(next, Some(from));
        }
        let mut base = State { funding: 1, seq: 0, ..world.own() };
        base.bal_payer = base.bal_payer.plus(Amount(TOP_UP)).unwrap();
        if world.frozen
            && world.channel.funding == 0
            && next.channel.top_up(Side::Payer, Amount(TOP_UP), &base).is_ok()
        {
            next.known = Known { full: 0, signed: 0 };
            next.frozen = false;
            return self.reach(next, Some(from));
        }
        Ok(())
    }

    fn closes(&mut self, world: &World, from: usize, by: Side) -> Result<(), String> {
        let tries: Vec<(Option<State>, bool)> = if by == self.honest {
            let pending = world.known.signed > world.known.full;
            let newest = Some(world.own()).filter(|state| state.seq > 0);
            if world.online { vec![(newest, pending)] } else { vec![] }
        } else {
            let states = world.hoard(by).into_iter().map(Some).chain([None]);
            states.flat_map(|state| [(state.clone(), false), (state, true)]).collect()
        };
        for (state, pending) in tries {
            let mut next = world.clone();
            let done = self.rules.close(&mut next.channel, by, state.as_ref(), pending, world.now);
            let Ok(payout) = done else { continue };
            if payout.is_none() {
                next.blocks = 0;
            }
            self.settled(next, payout, from)?;
        }
        Ok(())
    }

    fn challenges(&mut self, world: &World, from: usize, by: Side) -> Result<(), String> {
        let tries = match by == self.honest {
            true if !world.online || !world.must_object(by) => vec![],
            true => vec![world.own()],
            false => world.hoard(by),
        };
        for state in tries {
            let mut next = world.clone();
            let done = self.rules.challenge(&mut next.channel, by, &state, world.clock());
            let Ok(payout) = done else { continue };
            if world.window_over() {
                return Err("a challenge was heard after the window".to_owned());
            }
            self.settled(next, Some(payout), from)?;
        }
        Ok(())
    }

    /// Finishing, ending for time, counting blocks, and agreeing on the newest state.
    fn ends(&mut self, world: &World, from: usize, by: Side) -> Result<(), String> {
        if by == self.honest && !world.online {
            return Ok(());
        }
        let mut next = world.clone();
        if let Ok(payout) = self.rules.finalize(&mut next.channel, world.clock()) {
            if !world.window_over() {
                return Err("a close was finished before its window was over".to_owned());
            }
            self.settled(next, Some(payout), from)?;
        }
        let mut next = world.clone();
        // Who has a state closes with it, also when the time is over.
        let sensible = by != self.honest || world.known.signed == 0;
        if sensible && next.channel.expire(by, world.now).is_ok() {
            next.blocks = 0;
            self.reach(next, Some(from))?;
        }
        let witnessed = World { blocks: world.blocks + 1, ..world.clone() };
        if world.channel.status == Status::Closing && world.blocks < WINDOW.1 {
            let objects = witnessed.window_over() && self.can_object(world);
            if !objects || !world.online {
                let missed = world.missed || objects;
                self.reach(World { missed, ..witnessed }, Some(from))?;
            }
        }
        let mut next = world.clone();
        let agreed = world.known.full == world.known.signed && world.online;
        if agreed && let Ok(payout) = next.channel.close_cooperative(&world.own()) {
            self.settled(next, Some(payout), from)?;
        }
        Ok(())
    }

    fn settled(
        &mut self,
        mut next: World,
        payout: Option<Payout>,
        from: usize,
    ) -> Result<(), String> {
        if let Some(payout) = payout {
            next.paid[Side::Payer as usize] += payout.payer.0;
            next.paid[Side::Payee as usize] += payout.payee.0;
        }
        self.reach(next, Some(from))
    }

    /// No money is stuck: from everywhere some way leads to an end.
    fn all_can_end(&self) -> Result<(), String> {
        let mut good = vec![false; self.parents.len()];
        let mut queue: Vec<usize> = self.ends.clone();
        while let Some(index) = queue.pop() {
            if !std::mem::replace(&mut good[index], true) {
                queue.extend(&self.parents[index]);
            }
        }
        let stuck = good.iter().filter(|good| !**good).count();
        if stuck == 0 { Ok(()) } else { Err(format!("{stuck} situations never end")) }
    }
}

/// Every mode, honest side and penalty; counts situations and steps.
fn explore(rules: &dyn Rules) -> Result<(usize, usize), String> {
    let (mut situations, mut steps) = (0, 0);
    for mode in [Mode::Bi, Mode::Uni] {
        for honest in [Side::Payer, Side::Payee] {
            for penalty in [10_000, 2_500] {
                let mut explorer = Explorer::new(rules, honest);
                let run = explorer.run(start(mode, penalty));
                run.map_err(|broken| format!("{mode:?}, {penalty}: {broken}"))?;
                situations += explorer.parents.len();
                steps += explorer.steps;
            }
        }
    }
    Ok((situations, steps))
}

#[test]
fn no_interleaving_hurts_who_follows_the_protocol() {
    let (situations, steps) = explore(&Sound).unwrap();
    println!("channels: {situations} situations, {steps} steps, every one as it must be");
    assert!(situations > 5_000, "{situations}");
}

#[test]
fn each_planted_fault_is_found() {
    let faults: [(&str, &dyn Rules, &str); 7] = [
        ("no sequence check", &NoSequence, "the honest"),
        ("no funding number", &NoFunding, "the honest"),
        ("late challenge accepted", &LateChallenge, "after the window"),
        ("double payment", &DoublePayment, "was paid"),
        ("time without blocks", &TimeOnly, "before its window"),
        ("numbers believed in one-way channels", &NumbersOneWay, "the honest"),
        ("a peer that forgets", &Forgetful, "a crash lost"),
    ];
    for (name, rules, expected) in faults {
        let broken = explore(rules).expect_err(name);
        println!("channels: {name}: found");
        assert!(broken.contains(expected), "{name}: {broken}");
    }
}
