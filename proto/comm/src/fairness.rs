//! What one connection or one address may take, so that none can close a server to the others.
//!
//! Place in the flow: `server` asks [`Addresses`] before a handshake and ends a connection that [`Activity`] calls
//! quiet; `call` asks [`ConnectionShare`] before a call gets its place.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::{Limits, inbound::ConnectionInbound, limits::CONNECTION_SHARE_DIVISOR};

/// Counts the open connections of each address.
pub(crate) struct Addresses {
    limit: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// The place of one connection among those of its address.
pub(crate) struct AddressPlace {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

/// What one connection may still take of each limited service, and whether it is in use.
pub(crate) struct ConnectionShare {
    services: HashMap<&'static str, (Arc<Semaphore>, usize)>,
    pub(crate) activity: Arc<Activity>,
    pub(crate) inbound: ConnectionInbound,
}

/// Whether a connection has open calls, since when it has none, and whether it is to be cut.
pub(crate) struct Activity {
    state: Mutex<Use>,
    cut: Notify,
}

/// The connection of a request, for a service that has to cut it; a request extension.
#[derive(Clone)]
pub struct Connection(pub(crate) Arc<Activity>);

struct Use {
    open: usize,
    called: bool,
    since: Instant,
}

/// An open call; while there is one its connection is in use.
pub(crate) struct ActiveCall(Arc<Activity>);

// === impl Addresses ===

impl Addresses {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, open: Mutex::default() })
    }

    /// A place for a connection from `address`; `None` if it has as many as it may have.
    pub(crate) fn place(self: &Arc<Self>, address: IpAddr) -> Option<AddressPlace> {
        let address = network_of(address);
        let mut all = locked(&self.open);
        let open = all.get(&address).copied().unwrap_or_default();
        if open >= self.limit {
            return None;
        }
        all.insert(address, open + 1);
        Some(AddressPlace { addresses: Arc::clone(self), address })
    }
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        let mut all = locked(&self.addresses.open);
        if let Some(open) = all.get_mut(&self.address) {
            *open -= 1;
            if *open == 0 {
                all.remove(&self.address);
            }
        }
    }
}

/// One host owns a whole IPv6 /64, so that is what counts as one address.
fn network_of(address: IpAddr) -> IpAddr {
    const NETWORK: u128 = !(u64::MAX as u128);
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & NETWORK)),
        v4 => v4,
    }
}

// === impl ConnectionShare ===

impl ConnectionShare {
    pub(crate) fn new(limits: &Limits) -> Self {
        let share = |(service, places): &(&'static str, usize)| {
            let share = places.div_ceil(CONNECTION_SHARE_DIVISOR);
            (*service, (Arc::new(Semaphore::new(share)), share))
        };
        let services = limits.calls_per_service.iter().map(share).collect();
        let (activity, inbound) = (Arc::new(Activity::new()), ConnectionInbound::default());
        Self { services, activity, inbound }
    }

    /// A place of `service` for this connection; `Err` with its share if that is used up.
    pub(crate) fn place(&self, service: &str) -> Result<Option<OwnedSemaphorePermit>, usize> {
        let Some((places, share)) = self.services.get(service) else { return Ok(None) };
        Arc::clone(places).try_acquire_owned().map(Some).map_err(|_| *share)
    }
}

// === impl Activity ===

impl Activity {
    pub(crate) fn new() -> Self {
        let state = Mutex::new(Use { open: 0, called: false, since: Instant::now() });
        Self { state, cut: Notify::new() }
    }

    pub(crate) fn begin(self: &Arc<Self>) -> ActiveCall {
        let mut state = locked(&self.state);
        state.open += 1;
        state.called = true;
        ActiveCall(Arc::clone(self))
    }

    /// Returns when a service has asked to cut the connection.
    pub(crate) async fn cut(&self) {
        self.cut.notified().await;
    }

    pub(crate) fn is_in_use(&self) -> bool {
        locked(&self.state).open > 0
    }

    /// Returns when the connection has been without calls for too long.
    pub(crate) async fn quiet(&self, limits: &Limits) {
        while let Some(wait) = self.wait(limits) {
            // A first call may begin and end meanwhile, after which the idle time counts.
            tokio::time::sleep(wait.min(limits.idle_timeout)).await;
        }
    }

    /// When to look again; `None` if the connection has been quiet for too long.
    fn wait(&self, limits: &Limits) -> Option<Duration> {
        let state = locked(&self.state);
        if state.open > 0 {
            return Some(limits.idle_timeout);
        }
        let limit = if state.called { limits.idle_timeout } else { limits.first_call_timeout };
        limit.checked_sub(state.since.elapsed()).filter(|left| !left.is_zero())
    }
}

impl Connection {
    /// Ends the connection and with it all of its calls.
    pub fn cut(&self) {
        self.0.cut.notify_one();
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Drop for ActiveCall {
    fn drop(&mut self) {
        let mut state = locked(&self.0.state);
        state.open -= 1;
        state.since = Instant::now();
    }
}

/// Counters stay right whatever their holder did: each change is one step.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_ipv6_network_and_one_mapped_ipv4_address_count_as_one() {
        let of = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.2"), of("192.0.2.1"));
    }
}
