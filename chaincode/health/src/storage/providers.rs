//! Providers: registered by themselves, judged by others.

use carecord_chaincode::{Context, ContractError, codes};

use crate::{
    error,
    events::{PROVIDER_CHANGED, ProviderChange},
    ids::Id,
    page::{self, Page},
    person,
    storage::{
        model::{NewProvider, Provider},
        score::{self, Candidate},
        store,
        words::ProviderStatus,
    },
    store::MARK,
};

/// Most providers of a channel.
pub const PROVIDERS_MAX: usize = 500;
/// Highest price of a MiB for an epoch, minor units.
const PRICE_MAX: u64 = 1_000_000_000;
/// Largest capacity, bytes: an exbibyte.
const CAPACITY_MAX: u64 = 1 << 60;
/// Longest latency that can be reported, milliseconds.
pub const REPORT_MS_MAX: u32 = 60_000;
/// What is assumed of a provider that nobody has reported on, milliseconds.
const LATENCY_MS_NEW: u32 = 500;

/// `RegisterProvider(provider)`: once; called again it changes region, capacity and price for objects to come.
pub(super) fn register(
    context: &mut Context<'_>,
    terms: NewProvider,
) -> Result<Provider, ContractError> {
    let caller = person::caller(context)?;
    let refuse = |reason: &str, at: &str| {
        Err(codes::VALUE.because(reason.to_owned()).at(format!("/provider/{at}")))
    };
    if !(1..=CAPACITY_MAX).contains(&terms.capacity) {
        return refuse("capacity is 1 byte to an exbibyte", "capacity");
    }
    if !(1..=PRICE_MAX).contains(&terms.price) {
        return refuse("a MiB costs between 1 and 1,000,000,000", "price");
    }
    let provider = match find(context, &caller.id)? {
        Some(known) => {
            // Where what it keeps lies cannot change under it.
            let moved = known.terms.region != terms.region
                || known.terms.jurisdiction != terms.jurisdiction;
            if known.used > 0 && moved {
                return Err(error::STATE.because("a provider that keeps objects cannot move"));
            }
            Provider { terms, status: ProviderStatus::Open, ..known }
        }
        None => {
            if all(context)?.len() >= PROVIDERS_MAX {
                return Err(error::LIMIT.because("the channel has too many providers"));
            }
            Provider {
                id: caller.id,
                org: caller.msp,
                terms,
                used: 0,
                reputation: score::NEW,
                latency_ms: LATENCY_MS_NEW,
                status: ProviderStatus::Open,
            }
        }
    };
    save(context, &provider)?;
    announce(context, &provider.id)?;
    Ok(provider)
}

/// `Exit()`: takes no more objects; what is kept stays until `Repair` has moved it.
pub(super) fn exit(context: &mut Context<'_>) -> Result<(), ContractError> {
    let caller = person::caller(context)?;
    let mut provider = own(context, &caller.id)?;
    if provider.status == ProviderStatus::Leaving {
        return Err(error::STATE.because("the provider is leaving already"));
    }
    provider.status = ProviderStatus::Leaving;
    save(context, &provider)?;
    announce(context, &provider.id)
}

/// `ReportLatency(providerId, ms)`: one report of each other organisation for each epoch.
pub(super) fn report(context: &mut Context<'_>, id: Id, ms: u32) -> Result<(), ContractError> {
    let caller = person::caller(context)?;
    if ms > REPORT_MS_MAX {
        return Err(codes::VALUE.because("a latency is at most a minute").at("/ms"));
    }
    let mut provider = find(context, &id)?.ok_or_else(absent)?;
    if provider.org == caller.msp {
        return Err(error::FOREIGN.because("an organisation does not report on its own provider"));
    }
    let key = store::latency(&id, store::epoch(context.now()), &caller.msp);
    if context.bytes(&key)?.is_some() {
        return Err(error::STATE.because("the caller's organisation has reported in this epoch"));
    }
    context.put_bytes(&key, MARK)?;
    provider.latency_ms = score::after_report(provider.latency_ms, ms);
    save(context, &provider)
}

/// `ListProviders(after, limit)`.
pub(super) fn list(
    context: &mut Context<'_>,
    after: String,
    limit: u32,
) -> Result<Page<Provider>, ContractError> {
    let limit = page::limit(limit)?;
    let listed = page::index(context, "stprovider", &[], &after, limit)?;
    let mut items = Vec::new();
    for id in listed.items.iter().flatten().filter_map(|id| Id::new(id.as_str())) {
        items.extend(find(context, &id)?);
    }
    Ok(Page { items, next: listed.next })
}

pub(super) fn find(context: &mut Context<'_>, id: &Id) -> Result<Option<Provider>, ContractError> {
    context.get(&store::provider(id))
}

/// The calling provider.
pub(super) fn own(context: &mut Context<'_>, id: &Id) -> Result<Provider, ContractError> {
    let found = find(context, id)?;
    found.ok_or_else(|| error::STATE.because("the caller is not registered as a provider"))
}

pub(super) fn absent() -> ContractError {
    error::ABSENT.because("no such provider")
}

pub(super) fn save(context: &mut Context<'_>, provider: &Provider) -> Result<(), ContractError> {
    context.put(&store::provider(&provider.id), provider)
}

fn announce(context: &mut Context<'_>, id: &Id) -> Result<(), ContractError> {
    context.event(PROVIDER_CHANGED, &ProviderChange { provider: id.clone() })
}

/// Every provider, in order of id.
pub(super) fn all(context: &mut Context<'_>) -> Result<Vec<Provider>, ContractError> {
    let entries = context.composite_range("stprovider", &[], PROVIDERS_MAX)?;
    let parse = |value: &[u8]| {
        serde_json::from_slice(value).map_err(|e| codes::FAILED.because(e.to_string()))
    };
    entries.iter().map(|entry| parse(&entry.value)).collect()
}

/// A provider as a candidate for placement.
pub(super) fn candidate(provider: &Provider) -> Candidate {
    Candidate {
        id: provider.id.clone(),
        org: provider.org.clone(),
        region: provider.terms.region.clone(),
        jurisdiction: provider.terms.jurisdiction.clone(),
        reputation: provider.reputation,
        latency_ms: provider.latency_ms,
        free: provider.terms.capacity.saturating_sub(provider.used),
    }
}
