//! What chaincode in the peer's process sees of a transaction: the stub over the ledger's simulator.

mod private;

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use bytes::Bytes;
use carecord_chaincode::{KeyModification, KeyValue, Response, Stub, StubError, Timestamp};
use carecord_channel::acl::CHAINCODE_TO_CHAINCODE;
use carecord_ledger::{
    SimulationError, Simulator,
    simulator::{RangeId, VALIDATION_PARAMETER},
};

use self::private::Rights;
use super::{
    Call,
    definitions::Deployed,
    invoke::invoke_from_chaincode,
    is_system,
    shim_metrics::{Request, ShimMetrics},
};
use crate::{
    acl,
    channel::Channel,
    config::{MAX_RANGE_ROWS, MAX_RESULT_BYTES, RANGE_BATCH},
};

/// One chaincode's view of one transaction.
pub(super) struct TxStub<'a, 'l> {
    call: &'a Call<'a>,
    channel: &'a Arc<Channel>,
    simulator: &'a mut Simulator<'l>,
    metrics: &'a ShimMetrics,
    namespace: &'a str,
    args: &'a [Bytes],
    depth: usize,
    deployed: &'a Deployed,
    /// Rights to collections that were asked for.
    rights: BTreeMap<String, Rights>,
    event: Option<(String, Bytes)>,
}

// === impl TxStub ===

impl<'a, 'l> TxStub<'a, 'l> {
    pub(super) fn new(
        call: &'a Call<'a>,
        channel: &'a Arc<Channel>,
        simulator: &'a mut Simulator<'l>,
        deployed: &'a Deployed,
        namespace: &'a str,
        args: &'a [Bytes],
        depth: usize,
    ) -> Self {
        let metrics = &deployed.metrics;
        let (rights, event) = (BTreeMap::new(), None);
        Self { call, channel, simulator, metrics, namespace, args, depth, deployed, rights, event }
    }

    /// The event that the chaincode set.
    pub(super) fn take_event(&mut self) -> Option<(String, Bytes)> {
        self.event.take()
    }

    /// A request counts only while the call has time left: the one way to end a chaincode that does not end.
    fn request<T>(
        &mut self,
        request: Request,
        run: impl FnOnce(&mut Simulator<'l>, &str) -> Result<T, SimulationError>,
    ) -> Result<T, StubError> {
        if Instant::now() > self.call.deadline {
            return Err(StubError::Peer("timeout expired while executing transaction".to_owned()));
        }
        let (simulator, namespace) = (&mut *self.simulator, self.namespace);
        self.metrics
            .count(request, || run(simulator, namespace))
            .map_err(|error| StubError::Peer(error.to_string()))
    }

    fn call_chaincode(
        &mut self,
        chaincode: &str,
        args: &[Bytes],
        channel: &str,
    ) -> Result<Response, String> {
        // The name may carry version and channel, as in `name:version/channel`; the version is not looked at.
        let (name, in_name) = chaincode.split_once('/').unwrap_or((chaincode, ""));
        let name = name.split(':').next().unwrap_or(name);
        let channel = if channel.is_empty() { in_name } else { channel };
        if is_system(name) {
            return Err(format!("system chaincode '{name}' cannot be called by a chaincode"));
        }
        let here = channel.is_empty() || channel == self.channel.id();
        let target = if here {
            Arc::clone(self.channel)
        } else {
            let found = self.call.peer.channel(channel);
            found.ok_or_else(|| format!("failed to find ledger for channel: {channel}"))?
        };
        self.check_access(&target, here)?;
        if here {
            let simulator = &mut *self.simulator;
            return invoke_from_chaincode(
                self.call,
                self.channel,
                simulator,
                name,
                args,
                self.depth + 1,
            );
        }
        // On another channel it may only read: what it reads and writes there goes into no transaction.
        let mut simulator = target
            .ledger()
            .simulator(self.call.opened.tx_id())
            .map_err(|error| error.to_string())?;
        invoke_from_chaincode(self.call, &target, &mut simulator, name, args, self.depth + 1)
    }

    fn check_access(&self, target: &Channel, here: bool) -> Result<(), String> {
        let bundle = target.bundle();
        if here {
            return acl::check_identity(&bundle, CHAINCODE_TO_CHAINCODE, self.call.identity);
        }
        // The creator must be known to the other channel by that channel's own rules.
        acl::check_signed(&bundle, CHAINCODE_TO_CHAINCODE, self.call.signed_data())
    }
}

impl Stub for TxStub<'_, '_> {
    fn args(&self) -> &[Bytes] {
        self.args
    }

    fn tx_id(&self) -> &str {
        self.call.opened.tx_id()
    }

    fn channel_id(&self) -> &str {
        self.channel.id()
    }

    fn creator(&self) -> &Bytes {
        &self.call.opened.signature_header.creator
    }

    fn timestamp(&self) -> Timestamp {
        let timestamp = self.call.opened.channel_header.timestamp.unwrap_or_default();
        Timestamp { seconds: timestamp.seconds, nanos: timestamp.nanos }
    }

    fn transient(&self) -> &BTreeMap<String, Bytes> {
        self.call.opened.transient()
    }

    fn get_state(&mut self, key: &str) -> Result<Option<Bytes>, StubError> {
        self.request(Request::GetState, |simulator, namespace| simulator.get(namespace, key))
    }

    fn put_state(&mut self, key: &str, value: Bytes) -> Result<(), StubError> {
        self.request(Request::PutState, |simulator, namespace| simulator.set(namespace, key, value))
    }

    fn del_state(&mut self, key: &str) -> Result<(), StubError> {
        self.request(Request::DelState, |simulator, namespace| simulator.delete(namespace, key))
    }

    fn range(&mut self, start: &str, end: &str, limit: usize) -> Result<Vec<KeyValue>, StubError> {
        let limit = limit.min(MAX_RANGE_ROWS);
        let rows = self.request(Request::GetStateByRange, |simulator, namespace| {
            let range = simulator.range(namespace, start, end)?;
            let rows = rows(simulator, range, limit);
            simulator.close(range);
            rows
        })?;
        rows.ok_or_else(too_many_bytes)
    }

    fn history(&mut self, key: &str, limit: usize) -> Result<Vec<KeyModification>, StubError> {
        let (channel, namespace) = (self.channel, self.namespace);
        let changes = self
            .metrics
            .count(Request::GetHistoryForKey, || channel.ledger().history(namespace, key))
            .map_err(|error| StubError::Peer(error.to_string()))?;
        let mut bytes = 0;
        let given = changes.into_iter().take(limit).map(|change| {
            bytes += change.tx_id.len() + change.value.len();
            (bytes <= MAX_RESULT_BYTES).then(|| modification(change))
        });
        given.collect::<Option<_>>().ok_or_else(too_many_bytes)
    }

    fn get_state_validation_parameter(&mut self, key: &str) -> Result<Option<Bytes>, StubError> {
        let mut metadata = self.request(Request::GetStateMetadata, |simulator, namespace| {
            simulator.metadata(namespace, key)
        })?;
        Ok(metadata.remove(VALIDATION_PARAMETER))
    }

    fn set_state_validation_parameter(
        &mut self,
        key: &str,
        policy: Bytes,
    ) -> Result<(), StubError> {
        self.request(Request::PutStateMetadata, |simulator, namespace| {
            let metadata = BTreeMap::from([(VALIDATION_PARAMETER.to_owned(), policy)]);
            simulator.set_metadata(namespace, key, &metadata)
        })
    }

    fn invoke_chaincode(&mut self, chaincode: &str, args: Vec<Bytes>, channel: &str) -> Response {
        let metrics = self.metrics;
        let called = metrics
            .count(Request::InvokeChaincode, || self.call_chaincode(chaincode, &args, channel));
        called.unwrap_or_else(|reason| {
            let tx_id = self.call.opened.tx_id();
            Response::error(format!("INVOKE_CHAINCODE failed: transaction ID: {tx_id}: {reason}"))
        })
    }

    fn get_private_data(
        &mut self,
        collection: &str,
        key: &str,
    ) -> Result<Option<Bytes>, StubError> {
        self.may_read(collection)?;
        self.request(Request::GetState, |simulator, namespace| {
            simulator.get_private(namespace, collection, key)
        })
    }

    fn get_private_data_hash(
        &mut self,
        collection: &str,
        key: &str,
    ) -> Result<Option<Bytes>, StubError> {
        self.rights(collection)?;
        self.request(Request::GetPrivateDataHash, |simulator, namespace| {
            simulator.private_hash(namespace, collection, key)
        })
    }

    fn private_range(
        &mut self,
        collection: &str,
        start: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<KeyValue>, StubError> {
        self.may_read(collection)?;
        let limit = limit.min(MAX_RANGE_ROWS);
        let rows = self.request(Request::GetStateByRange, |simulator, namespace| {
            simulator.private_range(namespace, collection, (start, end), limit)
        })?;
        let bytes: usize = rows.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > MAX_RESULT_BYTES {
            return Err(too_many_bytes());
        }
        Ok(rows.into_iter().map(|(key, value)| KeyValue { key, value }).collect())
    }

    fn put_private_data(
        &mut self,
        collection: &str,
        key: &str,
        value: Bytes,
    ) -> Result<(), StubError> {
        self.may_write(collection)?;
        self.request(Request::PutState, |simulator, namespace| {
            simulator.set_private(namespace, collection, key, value)
        })
    }

    fn del_private_data(&mut self, collection: &str, key: &str) -> Result<(), StubError> {
        self.may_write(collection)?;
        self.request(Request::DelState, |simulator, namespace| {
            simulator.delete_private(namespace, collection, key)
        })
    }

    fn purge_private_data(&mut self, collection: &str, key: &str) -> Result<(), StubError> {
        self.may_write(collection)?;
        self.request(Request::PurgePrivateData, |simulator, namespace| {
            simulator.purge_private(namespace, collection, key)
        })
    }

    fn get_private_data_validation_parameter(
        &mut self,
        collection: &str,
        key: &str,
    ) -> Result<Option<Bytes>, StubError> {
        self.may_read(collection)?;
        let mut metadata = self.request(Request::GetStateMetadata, |simulator, namespace| {
            simulator.private_metadata(namespace, collection, key)
        })?;
        Ok(metadata.remove(VALIDATION_PARAMETER))
    }

    fn set_private_data_validation_parameter(
        &mut self,
        collection: &str,
        key: &str,
        policy: Bytes,
    ) -> Result<(), StubError> {
        self.may_write(collection)?;
        self.request(Request::PutStateMetadata, |simulator, namespace| {
            let metadata = BTreeMap::from([(VALIDATION_PARAMETER.to_owned(), policy)]);
            simulator.set_private_metadata(namespace, collection, key, &metadata)
        })
    }

    fn set_event(&mut self, name: &str, payload: Bytes) -> Result<(), StubError> {
        if name.is_empty() {
            return Err(StubError::Peer("event name can not be empty string".to_owned()));
        }
        self.event = Some((name.to_owned(), payload));
        Ok(())
    }
}

/// Up to `limit` results, one by one; none if their bytes are more than a chaincode may hold.
///
/// As in Fabric whole batches, and one result more, are asked for ahead of what the chaincode takes, and what was asked
/// for is what is recorded. What it does not take is not kept.
fn rows(
    simulator: &mut Simulator<'_>,
    range: RangeId,
    limit: usize,
) -> Result<Option<Vec<KeyValue>>, SimulationError> {
    let (mut rows, mut bytes) = (Vec::new(), 0);
    let asked = if limit == 0 { 0 } else { limit.next_multiple_of(RANGE_BATCH) + 1 };
    for _ in 0..asked {
        let Some((key, value)) = simulator.next(range)? else { break };
        if rows.len() == limit {
            continue;
        }
        bytes += key.len() + value.len();
        if bytes > MAX_RESULT_BYTES {
            return Ok(None);
        }
        rows.push(KeyValue { key, value });
    }
    Ok(Some(rows))
}

fn too_many_bytes() -> StubError {
    StubError::Peer(format!(
        "a query may give {MAX_RESULT_BYTES} bytes of keys and values (MAX_RESULT_BYTES): ask for \
         fewer results at a time, page by page"
    ))
}

fn modification(change: carecord_ledger::KeyModification) -> KeyModification {
    let timestamp = change.timestamp.unwrap_or_default();
    KeyModification {
        tx_id: change.tx_id,
        // A copy, because the value is a slice of its whole block.
        value: Bytes::copy_from_slice(&change.value),
        timestamp: Timestamp { seconds: timestamp.seconds, nanos: timestamp.nanos },
        is_delete: change.is_delete,
    }
}
