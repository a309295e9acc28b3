//! Places for uploads and downloads: a bounded number, and a share of it for each caller.

use std::collections::HashMap;
use std::sync::Arc;

use carecord_health::ids::KeyHash;
use parking_lot::Mutex;

use crate::Error;
use crate::limits::{TRANSFERS_MAX, TRANSFERS_PER_CALLER};

/// The transfers under way, by who made them.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    under_way: Mutex<HashMap<KeyHash, usize>>,
}

/// One transfer's place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    transfers: Arc<Transfers>,
    caller: KeyHash,
}

// === impl Transfers ===

impl Transfers {
    /// A place for one more transfer of this caller.
    pub(crate) fn enter(self: &Arc<Self>, caller: &KeyHash) -> Result<Place, Error> {
        let mut under_way = self.under_way.lock();
        let all: usize = under_way.values().sum();
        let own = under_way.get(caller).copied().unwrap_or_default();
        if all >= TRANSFERS_MAX || own >= TRANSFERS_PER_CALLER {
            return Err(Error::Busy);
        }
        under_way.insert(caller.clone(), own + 1);
        Ok(Place { transfers: Arc::clone(self), caller: caller.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut under_way = self.transfers.under_way.lock();
        if let Some(own) = under_way.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                under_way.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(digit: char) -> KeyHash {
        KeyHash::new(digit.to_string().repeat(64)).unwrap()
    }

    #[test]
    fn one_caller_cannot_take_the_places_of_others() {
        let transfers = Arc::new(Transfers::default());
        let mut places: Vec<_> =
            (0..TRANSFERS_PER_CALLER).map(|_| transfers.enter(&caller('a')).unwrap()).collect();
        assert!(matches!(transfers.enter(&caller('a')), Err(Error::Busy)));
        assert!(transfers.enter(&caller('b')).is_ok());
        places.pop();
        assert!(transfers.enter(&caller('a')).is_ok(), "an ended transfer frees its place");
    }
}
