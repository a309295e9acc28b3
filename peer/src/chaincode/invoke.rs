//! One call of a chaincode, from another one or from outside.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use carecord_chaincode::{Chaincode, Response};
use carecord_ledger::Simulator;
use carecord_proto::protos::ChaincodeEvent;

use super::{
    Call, Executed, SYSTEM_VERSION, System, cscc, definitions::Deployed, lifecycle, qscc,
    stub::TxStub,
};
use crate::{
    channel::Channel,
    config::{MAX_ARGS, MAX_CALL_DEPTH},
};

/// The key under which a chaincode that must be initialised notes for which version it is; readable by nobody else.
const INITIALIZED_KEY: &str = "\u{0}\u{10FFFF}initialized";

/// Calls a system chaincode that works without simulation.
pub(crate) fn invoke_system(call: &Call<'_>, system: System, args: &[Bytes]) -> Executed {
    let response = match system {
        System::Qscc => qscc::invoke(call, args),
        System::Cscc => cscc::invoke(call, args),
        System::Lifecycle => lifecycle::invoke(call, None, args),
    };
    Executed { response, event: None, version: SYSTEM_VERSION.to_owned() }
}

/// Calls the chaincode of the proposal over `simulator`.
///
/// An error is the peer's: the chaincode is not deployed, ran out of time or panicked. What the chaincode itself refuses
/// is a response.
pub(crate) fn invoke(
    call: &Call<'_>,
    channel: &Arc<Channel>,
    simulator: &mut Simulator<'_>,
    name: &str,
    args: &[Bytes],
    is_init: bool,
) -> Result<Executed, String> {
    if args.len() > MAX_ARGS {
        return Err(format!("a call may have {MAX_ARGS} arguments, not {}", args.len()));
    }
    if let Some(system) = System::of(name) {
        let response = match system {
            System::Lifecycle => lifecycle::invoke(call, Some((channel, simulator)), args),
            System::Qscc | System::Cscc => return Ok(invoke_system(call, system, args)),
        };
        return Ok(Executed { response, event: None, version: SYSTEM_VERSION.to_owned() });
    }
    let deployed = deployed(call, channel, simulator, name).map_err(|reason| {
        format!(
            "make sure the chaincode {name} has been successfully defined on channel {} and try \
             again: {reason}",
            channel.id()
        )
    })?;
    run(call, channel, simulator, &deployed, name, args, is_init, 0)
        .map_err(|reason| format!("error in simulation: {reason}"))
}

/// Calls another chaincode on behalf of one that is running.
pub(super) fn invoke_from_chaincode(
    call: &Call<'_>,
    channel: &Arc<Channel>,
    simulator: &mut Simulator<'_>,
    name: &str,
    args: &[Bytes],
    depth: usize,
) -> Result<Response, String> {
    if depth > MAX_CALL_DEPTH {
        return Err(format!("chaincodes call each other more than {MAX_CALL_DEPTH} deep"));
    }
    let deployed = deployed(call, channel, simulator, name).map_err(|reason| {
        format!(
            "execute failed: invalid invocation: [channel {}] failed to get chaincode container \
             info for {name}: {reason}",
            channel.id()
        )
    })?;
    let executed = run(call, channel, simulator, &deployed, name, args, false, depth)
        .map_err(|reason| format!("execute failed: {reason}"))?;
    Ok(executed.response)
}

fn deployed(
    call: &Call<'_>,
    channel: &Arc<Channel>,
    simulator: &mut Simulator<'_>,
    name: &str,
) -> Result<Arc<Deployed>, String> {
    channel.definitions().deployed(call.peer, channel, simulator, name)
}

#[expect(clippy::too_many_arguments, reason = "a call is all of these, and nobody else makes one")]
fn run(
    call: &Call<'_>,
    channel: &Arc<Channel>,
    simulator: &mut Simulator<'_>,
    deployed: &Deployed,
    name: &str,
    args: &[Bytes],
    is_init: bool,
    depth: usize,
) -> Result<Executed, String> {
    let tx_id = call.opened.tx_id();
    initialise(simulator, deployed, name, is_init)
        .map_err(|reason| format!("failed to execute transaction {tx_id}: {reason}"))?;

    let mut stub = TxStub::new(call, channel, simulator, deployed, name, args, depth);
    let answered =
        catch_unwind(AssertUnwindSafe(|| chaincode_answer(&*deployed.chaincode, &mut stub)));
    let event = stub.take_event();
    let response = answered.map_err(|_| {
        tracing::error!(chaincode = name, channel = channel.id(), tx_id, "chaincode panicked");
        format!("failed to execute transaction {tx_id}: chaincode {name} panicked")
    })?;
    if Instant::now() > call.deadline {
        call.peer.config().metrics.chaincode.execute_timeouts.with_label_values(&[name]).inc();
        return Err(format!(
            "failed to execute transaction {tx_id}: error sending: timeout expired while executing \
             transaction"
        ));
    }
    let event = event.filter(|_| response.is_endorsable()).map(|(event_name, payload)| {
        let (chaincode_id, tx_id) = (name.to_owned(), tx_id.to_owned());
        ChaincodeEvent { chaincode_id, tx_id, event_name, payload }
    });
    Ok(Executed { response, event, version: deployed.definition.version.clone() })
}

fn chaincode_answer(chaincode: &dyn Chaincode, stub: &mut TxStub<'_, '_>) -> Response {
    chaincode.invoke(stub)
}

/// The rule "init exactly once per version" of definitions that ask for it.
fn initialise(
    simulator: &mut Simulator<'_>,
    deployed: &Deployed,
    name: &str,
    is_init: bool,
) -> Result<(), String> {
    let definition = &deployed.definition;
    let mut needs_initialization = false;
    if definition.init_required {
        let stored = simulator
            .get(name, INITIALIZED_KEY)
            .map_err(|error| format!("could not get 'initialized' key: {error}"))?;
        needs_initialization = stored.as_deref() != Some(definition.version.as_bytes());
    }
    match (is_init, needs_initialization) {
        (true, _) if !definition.init_required => Err(format!(
            "invalid invocation: chaincode '{name}' does not require initialization but called as init"
        )),
        (true, false) => Err(format!(
            "invalid invocation: chaincode '{name}' is already initialized but called as init"
        )),
        (true, true) => simulator
            .set(name, INITIALIZED_KEY, Bytes::from(definition.version.clone()))
            .map_err(|error| format!("could not set 'initialized' key: {error}")),
        (false, true) => Err(format!(
            "invalid invocation: chaincode '{name}' has not been initialized for this version, \
             must call as init first"
        )),
        (false, false) => Ok(()),
    }
}
