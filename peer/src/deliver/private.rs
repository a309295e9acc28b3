//! The private data of a block, for a reader who may have it.

use std::{collections::BTreeMap, sync::Arc};

use carecord_ledger::{Error, Held};
use carecord_msp::Identity;
use carecord_proto::rwset::{CollectionPvtReadWriteSet, NsPvtReadWriteSet, TxPvtReadWriteSet};

use crate::{channel::Channel, privdata::MAX_DELIVERED_BYTES};

/// The write sets that this peer holds of a block, by position of their transaction: those of collections whose member
/// policy, as it was at the block, the reader satisfies. What a purge has taken out is not in them.
pub(super) fn private_data(
    channel: &Channel,
    number: u64,
    reader: Option<&Arc<Identity>>,
) -> Result<BTreeMap<u64, TxPvtReadWriteSet>, Error> {
    let mut by_transaction: BTreeMap<u64, TxPvtReadWriteSet> = BTreeMap::new();
    let Some(reader) = reader else { return Ok(by_transaction) };
    let mut admitted: BTreeMap<(String, String), bool> = BTreeMap::new();
    // In the order of their keys: transaction, chaincode, collection.
    for held in channel.ledger().private_of_block(number, MAX_DELIVERED_BYTES)? {
        let Held { spot, bytes, .. } = held;
        let names = (spot.namespace.clone(), spot.collection.clone());
        let may = match admitted.get(&names) {
            Some(may) => *may,
            None => {
                let then = channel.ledger().collection_at(&names.0, &names.1, number)?;
                let may = then.is_some_and(|collection| collection.admits(reader));
                admitted.insert(names, may);
                may
            }
        };
        if may {
            let sets = &mut by_transaction.entry(spot.tx).or_default().ns_pvt_rwset;
            let set = CollectionPvtReadWriteSet { collection_name: spot.collection, rwset: bytes };
            match sets.last_mut().filter(|last| last.namespace == spot.namespace) {
                Some(last) => last.collection_pvt_rwset.push(set),
                None => sets.push(NsPvtReadWriteSet {
                    namespace: spot.namespace,
                    collection_pvt_rwset: vec![set],
                }),
            }
        }
    }
    Ok(by_transaction)
}
