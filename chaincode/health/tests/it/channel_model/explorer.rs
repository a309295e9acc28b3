//! Goes through every situation that can be reached, and checks each.

use std::collections::{HashMap, VecDeque};

use carecord_health::{
    channels::{Mode, Side, State, Status, machine::Payout},
    token::Amount,
};

use super::{
    NOW_MAX, SEQ_MAX, TOP_UP, WINDOW,
    faults::Rules,
    world::{Fingerprint, Known, World, balances},
};

/// One run over everything that can happen.
pub(super) struct Explorer<'a> {
    rules: &'a dyn Rules,
    honest: Side,
    seen: HashMap<Fingerprint, usize>,
    queue: VecDeque<World>,
    pub(super) parents: Vec<Vec<usize>>,
    ends: Vec<usize>,
    pub(super) steps: usize,
}

impl<'a> Explorer<'a> {
    pub(super) fn new(rules: &'a dyn Rules, honest: Side) -> Self {
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
    pub(super) fn run(&mut self, first: World) -> Result<(), String> {
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
