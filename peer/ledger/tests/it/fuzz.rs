//! Transactions with random damage, rightly signed and even rightly endorsed: each gets a code, none stops the ledger.

use std::collections::BTreeMap;

use bytes::Bytes;
use carecord_ledger::definition::{LIFECYCLE, sequence_key};
use carecord_proto::common::HeaderType;
use carecord_proto::kvrwset::range_query_info::ReadsInfo;
use carecord_proto::kvrwset::{QueryReadsMerkleSummary, RangeQueryInfo};
use carecord_proto::protos::TxValidationCode as Code;
use carecord_proto::rwset::RwSetBuilder;
use carecord_proto::{envelope, wellformed};

use crate::channel::{BOTH, Channel, put};
use crate::network::key_policy;
use crate::support::random;

const BLOCKS: usize = 60;
const DAMAGED: usize = 20;

/// A read-write set with everything in it.
fn everything(seed: &mut u64) -> RwSetBuilder {
    let mut rwset = RwSetBuilder::new();
    let key = format!("k{}", random(seed) % 6);
    rwset.add_read(LIFECYCLE, &sequence_key("either"), Some((1, 1)));
    rwset.add_read("either", "absent", None);
    rwset.add_write("either", &key, "value".into());
    rwset.add_metadata_write("either", &key, &key_policy(BOTH));
    rwset.add_private_write("either", "plain", &key, "secret".into());
    rwset.add_private_purge("either", "short", &key);
    rwset.add_private_metadata_write("either", "strict", &key, &key_policy(BOTH));
    rwset.add_hashed_read("either", "plain", "absent", None);
    let summary = QueryReadsMerkleSummary {
        max_degree: 50,
        max_level: 1,
        max_level_hashes: vec![Bytes::from_static(&[1; 32])],
    };
    for reads_info in [None, Some(ReadsInfo::ReadsMerkleHashes(summary))] {
        if reads_info.is_none() || random(seed).is_multiple_of(2) {
            let (start_key, end_key) = ("x".into(), "y".into());
            let query = RangeQueryInfo { start_key, end_key, itr_exhausted: true, reads_info };
            rwset.add_range_query("either", query);
        }
    }
    rwset
}

fn damage(bytes: &Bytes, seed: &mut u64) -> Bytes {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random(seed) % 3 {
        let at = usize::try_from(random(seed)).unwrap() % bytes.len().max(1);
        match random(seed) % 4 {
            0 => bytes[at] = random(seed) as u8,
            1 => bytes[at] ^= 1 << (random(seed) % 8),
            2 => drop(bytes.remove(at)),
            _ => bytes.insert(at, random(seed) as u8),
        }
    }
    bytes.into()
}

#[test]
fn damaged_transactions_get_codes_and_never_stop_the_ledger() {
    let channel = Channel::new();
    let mut seed = 99;
    let mut codes = BTreeMap::new();
    for _ in 0..BLOCKS {
        let mut block = Vec::new();
        for n in 0..DAMAGED {
            let mut draft = channel.network.draft("either", everything(&mut seed));
            if n % 2 == 0 {
                // What endorsers signed is damaged.
                draft.results = damage(&draft.results, &mut seed);
                block.push(draft.envelope());
            } else {
                // What the client signed is damaged.
                let envelope = wellformed::open_envelope(&draft.envelope()).unwrap();
                let payload = damage(&envelope.payload, &mut seed);
                // A configuration that cannot be applied does stop a channel: no honest orderer lets one through.
                let opened = envelope::Opened::open_payload(&payload);
                if !opened.is_ok_and(|opened| opened.kind() == Some(HeaderType::Config)) {
                    block.push(channel.network.seal(0, payload, false));
                }
            }
        }
        // The first transaction names the channel of the block, the last shows that the ledger goes on.
        block.insert(0, channel.tx("either", &[0], put("either", "first", "v")));
        block.push(channel.tx("either", &[0], put("either", "last", "v")));
        let found = channel.codes(block);
        assert_eq!((found.first(), found.last()), (Some(&Code::Valid), Some(&Code::Valid)));
        for code in found {
            *codes.entry(code.as_str_name()).or_insert(0) += 1;
        }
    }
    channel.replays_equal();
    println!("about {} damaged transactions: {codes:?}", BLOCKS * DAMAGED);
}
