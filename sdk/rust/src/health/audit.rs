//! The trail: who did what to whose records.

use carecord_health::audit::Entry;

use super::Person;
use crate::Error;

impl Person {
    /// Every access to the caller's records, permitted or denied, in the order of the ledger's keys.
    pub async fn my_audit(&self) -> Result<Vec<Entry>, Error> {
        self.list("audit:ListMine", &[]).await
    }
}
