//! How many connections each address has, so that no stranger holds all places.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Counts the open connections of each address.
pub(super) struct Addresses {
    limit: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// The place of one connection among those of its address.
pub(super) struct Place {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

// === impl Addresses ===

impl Addresses {
    /// With `limit` places for each address.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, open: Mutex::default() })
    }

    /// A place for a connection from `address`; `None` if it has as many as it may have.
    pub(super) fn place(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = network_of(address);
        let mut all = self.locked();
        let open = all.entry(address).or_default();
        if *open >= self.limit {
            return None;
        }
        *open += 1;
        Some(Place { addresses: Arc::clone(self), address })
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.addresses.locked();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_an_ipv6_network_counts_as_one() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let addresses = Addresses::new(1);
        let held = addresses.place(address("2001:db8::1"));
        assert!(held.is_some());
        assert!(addresses.place(address("2001:db8::2")).is_none());
        assert!(addresses.place(address("2001:db8:0:1::1")).is_some());
        drop(held);
        assert!(addresses.place(address("2001:db8::2")).is_some());
        assert!(addresses.locked().is_empty(), "nothing is left of those who went");
    }
}
