//! The builder and the range hashing against what Fabric's own packages gave for the same operations.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use carecord_proto::kvrwset::{QueryReads, RangeQueryInfo};
use carecord_proto::rwset::{RangeQueryResults, RwSetBuilder, TxPvtRwSet, TxRwSet, kv_read};
use carecord_proto::testdata;
use prost::Message;
use serde_json::Value;

fn vectors(name: &str) -> Vec<Value> {
    let Some(path) = testdata::path(name) else {
        testdata::skipped(name);
        return Vec::new();
    };
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn unbase64(value: &Value) -> Bytes {
    STANDARD.decode(value.as_str().unwrap_or_default()).unwrap().into()
}

fn version(value: &Value) -> Option<(u64, u64)> {
    Some((value.get(0)?.as_u64()?, value.get(1)?.as_u64()?))
}

fn metadata(value: &Value) -> BTreeMap<String, Bytes> {
    let Some(entries) = value.as_object() else { return BTreeMap::new() };
    entries.iter().map(|(name, value)| (name.clone(), unbase64(value))).collect()
}

fn apply(builder: &mut RwSetBuilder, op: &Value) {
    let arg = |n: usize| text(&op[n]);
    match text(&op[0]) {
        "read" => builder.add_read(arg(1), arg(2), version(&op[3])),
        "write" => builder.add_write(arg(1), arg(2), unbase64(&op[3])),
        "mdwrite" => builder.add_metadata_write(arg(1), arg(2), &metadata(&op[3])),
        "rangeq" => {
            let info = RangeQueryInfo::decode(unbase64(&op[2])).unwrap();
            builder.add_range_query(arg(1), info);
        }
        "hread" => builder.add_hashed_read(arg(1), arg(2), arg(3), version(&op[4])),
        "pvtwrite" => builder.add_private_write(arg(1), arg(2), arg(3), unbase64(&op[4])),
        "pvtpurge" => builder.add_private_purge(arg(1), arg(2), arg(3)),
        "pvtmdwrite" => {
            builder.add_private_metadata_write(arg(1), arg(2), arg(3), &metadata(&op[4]));
        }
        other => panic!("an operation this test does not know: {other}"),
    }
}

#[test]
fn the_builder_gives_fabrics_bytes_for_every_vector() {
    for (i, vector) in vectors("fabric-vectors/rwset/builder.jsonl").iter().enumerate() {
        let mut builder = RwSetBuilder::new();
        for op in vector["ops"].as_array().unwrap() {
            apply(&mut builder, op);
        }
        let results = builder.build();
        let public = unbase64(&vector["pub_simulation_bytes"]);
        assert_eq!(results.public, public, "public part of vector {i}");
        assert_eq!(TxRwSet::from_bytes(&public).unwrap().to_bytes(), public, "vector {i}");
        let private =
            results.private.map(|set| Bytes::from(set.encode_to_vec())).unwrap_or_default();
        assert_eq!(
            private,
            unbase64(&vector["pvt_simulation_bytes"]),
            "private part of vector {i}"
        );
        let parsed = TxPvtRwSet::from_bytes(&private).unwrap();
        assert_eq!(parsed.to_bytes(), private, "vector {i}");
        check_private_hashes(&TxRwSet::from_bytes(&public).unwrap(), &parsed);
    }
}

fn check_private_hashes(public: &TxRwSet, private: &TxPvtRwSet) {
    for namespace in &private.namespaces {
        for coll in &namespace.collections {
            let expected = public.pvt_hash(&namespace.namespace, &coll.name).unwrap();
            assert_eq!(*expected, coll.hash().as_slice());
        }
    }
}

#[test]
fn range_queries_hash_as_fabrics_do_for_every_degree_and_count() {
    for vector in vectors("fabric-vectors/rwset/helper.jsonl") {
        let number = |name: &str| vector[name].as_u64().unwrap();
        let mut results = RangeQueryResults::new(number("max_degree") as u32);
        for i in 0..number("n") {
            results.add(kv_read(&format!("key{i:07}"), Some((i / 100 + 1, i % 100))));
        }
        let (reads, summary) = results.done();
        assert_eq!(reads.len() as u64, number("raw_reads"), "{vector}");
        let reads = Bytes::from(QueryReads { kv_reads: reads }.encode_to_vec());
        assert_eq!(reads, unbase64(&vector["query_reads"]), "{vector}");
        let summary =
            summary.map(|summary| Bytes::from(summary.encode_to_vec())).unwrap_or_default();
        assert_eq!(summary, unbase64(&vector["merkle_summary"]), "{vector}");
    }
}
