//! Objects: placed with providers, kept by them, repaired, removed.

use std::collections::BTreeMap;

use carecord_chaincode::{Context, ContractError, codes};

use crate::{
    error,
    events::{OBJECT_CHANGED, ObjectChange},
    ids::Id,
    person, policy,
    storage::{
        model::{NewObject, Object, Provider, Quota, Replica},
        providers, quota,
        score::{self, Candidate, Wanted},
        store,
        words::{ProviderStatus, ReplicaStatus},
    },
    store::MARK,
    token::Amount,
};

/// Fewest copies of an object.
pub const COPIES_MIN: u32 = 3;
/// Most copies.
pub const COPIES_MAX: u32 = 5;
/// Most jurisdictions that an owner lists.
const RESIDENCY_MAX: usize = 32;
/// The bytes that a provider's price is for.
pub const MIB: u64 = 1 << 20;
/// How long a provider has to take an object on before it is given to another.
pub const KEEP_SECONDS: i64 = 24 * 3600;
/// After how many failed challenges in a row a copy counts as lost.
pub const FAILED_MAX: u32 = 2;

/// `Place(object)`: the ledger chooses the providers.
pub(super) fn place(context: &mut Context<'_>, new: NewObject) -> Result<Object, ContractError> {
    let owner = person::caller(context)?;
    check(&new)?;
    let mut quota = quota::own(context, &owner.id, &new.quota)?;
    let epoch = store::epoch(context.now());
    if epoch >= quota.until {
        return Err(error::STATE.because("the quota is over"));
    }
    if find(context, &new.id)?.is_some() {
        return Err(error::TAKEN.because("the object id is taken").at("/object/id"));
    }
    let used = quota.used.checked_add(new.size).filter(|used| *used <= quota.bytes);
    quota.used =
        used.ok_or_else(|| error::LIMIT.because("the quota has no room for the object"))?;
    let mut fleet = Fleet::read(context)?;
    let chosen = fleet.choose(&new, &[], new.copies as usize)?;
    let mut object = Object { owner: owner.id, replicas: Vec::new(), placed: new };
    for id in chosen {
        let replica = fleet.assign(context, &object, &id, epoch)?;
        let promised = quota::to_the_end(&quota, replica.cost, epoch)?;
        quota::commit(&mut quota, promised)?;
        object.replicas.push(replica);
    }
    fleet.write(context)?;
    quota::save(context, &quota)?;
    save(context, &object)?;
    policy::protect(context, &owner.msp, &[store::object(&object.placed.id)])?;
    Ok(object)
}

fn check(new: &NewObject) -> Result<(), ContractError> {
    let refuse = |reason: &str, at: &str| {
        Err(codes::VALUE.because(reason.to_owned()).at(format!("/object/{at}")))
    };
    if !(1..=quota::BYTES_MAX).contains(&new.size) {
        return refuse("an object has 1 byte to a tebibyte", "size");
    }
    if !(COPIES_MIN..=COPIES_MAX).contains(&new.copies) {
        return refuse("an object has 3 to 5 copies", "copies");
    }
    if new.residency.len() > RESIDENCY_MAX {
        return refuse("up to 32 jurisdictions", "residency");
    }
    Ok(())
}

/// `Keep(objectId)`: the provider has the bytes, and they fit content id and root.
pub(super) fn keep(context: &mut Context<'_>, id: Id) -> Result<(), ContractError> {
    let caller = person::caller(context)?;
    let mut object = find(context, &id)?.ok_or_else(absent)?;
    let now = context.now();
    let own = object.replicas.iter_mut().find(|replica| replica.provider == caller.id);
    let replica = own.ok_or_else(absent)?;
    if replica.status != ReplicaStatus::Assigned {
        return Err(error::STATE.because("the object is kept already"));
    }
    replica.status = ReplicaStatus::Kept;
    replica.since = now;
    save(context, &object)
}

/// `Repair(objectId)`: by anyone; copies of providers that leave, never answered or failed go to others.
pub(super) fn repair(context: &mut Context<'_>, id: Id) -> Result<Object, ContractError> {
    person::caller(context)?;
    let mut object = find(context, &id)?.ok_or_else(absent)?;
    let mut quota = quota_of(context, &object)?;
    let (now, epoch) = (context.now(), store::epoch(context.now()));
    if epoch >= quota.until {
        return Err(error::STATE.because("the quota is over"));
    }
    let mut fleet = Fleet::read(context)?;
    let (lost, kept): (Vec<Replica>, Vec<Replica>) =
        object.replicas.clone().into_iter().partition(|replica| fleet.is_lost(replica, now));
    if lost.is_empty() {
        return Err(error::STATE.because("every copy is where it should be"));
    }
    // Who lost it is no candidate, whatever else speaks for them.
    for replica in &lost {
        fleet.exclude(&replica.provider);
    }
    let held: Vec<Id> = kept.iter().map(|replica| replica.provider.clone()).collect();
    let chosen = fleet.choose(&object.placed, &held, lost.len())?;
    for replica in &lost {
        let rest = quota::to_the_end(&quota, replica.cost, epoch + 1)?;
        quota::free(&mut quota, rest);
        fleet.release(context, &object, &replica.provider)?;
    }
    object.replicas = kept;
    for id in chosen {
        // The epoch that runs is the one that the lost copy may still have proven.
        let replica = fleet.assign(context, &object, &id, epoch + 1)?;
        let promised = quota::to_the_end(&quota, replica.cost, epoch + 1)?;
        quota::commit(&mut quota, promised)?;
        object.replicas.push(replica);
    }
    fleet.write(context)?;
    quota::save(context, &quota)?;
    save(context, &object)?;
    Ok(object)
}

/// `Remove(objectId)`: by its owner; the epoch that runs stays payable.
pub(super) fn remove(context: &mut Context<'_>, id: Id) -> Result<(), ContractError> {
    let owner = person::caller(context)?;
    let object = find(context, &id)?.filter(|o| o.owner == owner.id).ok_or_else(absent)?;
    if object.replicas.is_empty() {
        return Err(error::STATE.because("the object is removed already"));
    }
    drop_all(context, object)
}

/// `Drop(objectId)`: by a provider, of an object whose quota and its grace are over.
pub(super) fn give_up(context: &mut Context<'_>, id: Id) -> Result<(), ContractError> {
    let caller = person::caller(context)?;
    let object = find(context, &id)?.ok_or_else(absent)?;
    if object.replicas.iter().all(|replica| replica.provider != caller.id) {
        return Err(absent());
    }
    let quota = quota_of(context, &object)?;
    if store::epoch(context.now()) < quota.until + quota::GRACE_EPOCHS {
        return Err(error::STATE.because("the object is paid for, or in its days of grace"));
    }
    drop_all(context, object)
}

fn drop_all(context: &mut Context<'_>, mut object: Object) -> Result<(), ContractError> {
    let mut quota = quota_of(context, &object)?;
    let mut fleet = Fleet::read(context)?;
    let next = store::epoch(context.now()) + 1;
    for replica in std::mem::take(&mut object.replicas) {
        let rest = quota::to_the_end(&quota, replica.cost, next)?;
        quota::free(&mut quota, rest);
        fleet.release(context, &object, &replica.provider)?;
    }
    quota.used = quota.used.saturating_sub(object.placed.size);
    fleet.write(context)?;
    quota::save(context, &quota)?;
    save(context, &object)
}

/// `GetObject(objectId)`: to its owner and its providers.
pub(super) fn get(context: &mut Context<'_>, id: Id) -> Result<Object, ContractError> {
    let caller = person::caller(context)?;
    let mine = |object: &Object| {
        object.owner == caller.id || object.replicas.iter().any(|r| r.provider == caller.id)
    };
    find(context, &id)?.filter(mine).ok_or_else(absent)
}

pub(super) fn find(context: &mut Context<'_>, id: &Id) -> Result<Option<Object>, ContractError> {
    context.get(&store::object(id))
}

pub(super) fn absent() -> ContractError {
    error::ABSENT.because("no such object, or none that the caller may know of")
}

fn quota_of(context: &mut Context<'_>, object: &Object) -> Result<Quota, ContractError> {
    let found = quota::find(context, &object.placed.quota)?;
    found.ok_or_else(|| error::STATE.because("the object's quota is gone"))
}

fn save(context: &mut Context<'_>, object: &Object) -> Result<(), ContractError> {
    write(context, object)?;
    let copies = u32::try_from(object.replicas.len()).expect("at most five");
    let change = ObjectChange { object: object.placed.id.clone(), copies };
    context.event(OBJECT_CHANGED, &change)
}

/// Writes an object without announcing it.
pub(super) fn write(context: &mut Context<'_>, object: &Object) -> Result<(), ContractError> {
    context.put(&store::object(&object.placed.id), object)
}

/// All providers, read once and written once in a transaction.
struct Fleet {
    providers: BTreeMap<Id, Provider>,
    excluded: Vec<Id>,
    changed: Vec<Id>,
}

// === impl Fleet ===

impl Fleet {
    fn read(context: &mut Context<'_>) -> Result<Self, ContractError> {
        let all = providers::all(context)?;
        let providers = all.into_iter().map(|provider| (provider.id.clone(), provider)).collect();
        Ok(Self { providers, excluded: Vec::new(), changed: Vec::new() })
    }

    fn exclude(&mut self, id: &Id) {
        self.excluded.push(id.clone());
    }

    /// A copy counts as lost if its provider leaves, never took it on, or failed challenges in a row.
    fn is_lost(&self, replica: &Replica, now: i64) -> bool {
        let leaving = self
            .providers
            .get(&replica.provider)
            .is_none_or(|provider| provider.status == ProviderStatus::Leaving);
        let silent =
            replica.status == ReplicaStatus::Assigned && now >= replica.since + KEEP_SECONDS;
        leaving || silent || replica.failed >= FAILED_MAX
    }

    fn choose(
        &self,
        placed: &NewObject,
        held: &[Id],
        copies: usize,
    ) -> Result<Vec<Id>, ContractError> {
        let keepers: Vec<Candidate> =
            held.iter().filter_map(|id| self.providers.get(id)).map(providers::candidate).collect();
        let open: Vec<Candidate> = self
            .providers
            .values()
            .filter(|p| p.status == ProviderStatus::Open && !self.excluded.contains(&p.id))
            .map(providers::candidate)
            .collect();
        let NewObject { cid, size, residency, .. } = placed;
        let wanted = Wanted { cid, size: *size, residency };
        let kept: Vec<&Candidate> = keepers.iter().collect();
        let chosen = score::choose(&wanted, &kept, &open, copies);
        let reason = "too few providers: each copy needs another organisation, two regions, an allowed \
                      jurisdiction and room";
        let chosen = chosen.ok_or_else(|| error::STATE.because(reason))?;
        Ok(chosen.into_iter().map(|candidate| candidate.id.clone()).collect())
    }

    fn assign(
        &mut self,
        context: &mut Context<'_>,
        object: &Object,
        id: &Id,
        payable: u64,
    ) -> Result<Replica, ContractError> {
        let provider = self.providers.get_mut(id).ok_or_else(providers::absent)?;
        provider.used = provider.used.saturating_add(object.placed.size);
        self.changed.push(id.clone());
        let mebibytes = object.placed.size.div_ceil(MIB);
        let cost = Amount(u128::from(provider.terms.price)).times(mebibytes);
        let cost =
            cost.ok_or_else(|| codes::VALUE.because("the cost does not fit into 128 bits"))?;
        context.put_bytes(&store::held(id, &object.placed.id), MARK)?;
        let since = context.now();
        let provider = id.clone();
        Ok(Replica { provider, cost, payable, status: ReplicaStatus::Assigned, since, failed: 0 })
    }

    fn release(
        &mut self,
        context: &mut Context<'_>,
        object: &Object,
        id: &Id,
    ) -> Result<(), ContractError> {
        if let Some(provider) = self.providers.get_mut(id) {
            provider.used = provider.used.saturating_sub(object.placed.size);
            self.changed.push(id.clone());
        }
        context.delete(&store::held(id, &object.placed.id))
    }

    fn write(self, context: &mut Context<'_>) -> Result<(), ContractError> {
        for id in &self.changed {
            if let Some(provider) = self.providers.get(id) {
                providers::save(context, provider)?;
            }
        }
        Ok(())
    }
}
