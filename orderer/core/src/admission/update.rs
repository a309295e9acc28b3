//! A CONFIG_UPDATE: what it leads to, and the CONFIG envelope that an orderer makes of it.
//!
//! Place in the flow: [`propose`] decides everything that needs no signature of ours; the shell signs
//! [`Proposed::payload`]; [`Proposed::signed`] is what the core is given. The update itself stays with it, since it is
//! what another orderer is told and what is decided again when the configuration has moved on meanwhile.

use bytes::Bytes;
use carecord_channel::Bundle;
use carecord_channel::raft::Consenters;
use carecord_proto::common::{ConfigEnvelope, Envelope, HeaderType, SignatureHeader};
use carecord_proto::envelope::{self, Opened};
use carecord_proto::wellformed;

use super::rules::{self, bad_request};
use super::{Admitted, Class, ConfigChange, Rejection};
use crate::config::ChannelParams;
use crate::event::NodeId;

/// A configuration that may be ordered once this orderer has signed it.
#[derive(Clone, Debug)]
pub struct Proposed {
    channel_id: String,
    update: Bytes,
    config: ConfigEnvelope,
    config_seq: u64,
    max_bytes: u32,
    consenters: Consenters,
    current: usize,
}

/// Whether an envelope asks for another configuration, so that [`propose`] decides over it and not [`super::admit`].
pub fn is_config_update(envelope: &Envelope) -> bool {
    Opened::open(envelope).is_ok_and(|opened| opened.kind() == Some(HeaderType::ConfigUpdate))
}

/// Decides over a CONFIG_UPDATE. `ids` are the Raft ids of the consenters in the order of `bundle`'s configuration.
pub fn propose(
    update: &Envelope,
    bundle: &Bundle,
    ids: &[NodeId],
    now_unix_s: i64,
) -> Result<Proposed, Rejection> {
    wellformed::check_parsed(update).map_err(|fault| rules::malformed(&fault))?;
    rules::check_update(update, bundle, now_unix_s)?;
    let orderer = bundle.orderer().ok_or_else(|| bad_request("channel has no orderer group"))?;
    let (config, next) = bundle
        .propose_update(update)
        .map_err(|error| bad_request(format!("{}: {error}", not_applied(bundle.channel_id()))))?;
    let invalid =
        |error: &dyn std::fmt::Display| bad_request(consensus_refusal(bundle.channel_id(), error));
    let consenters = bundle.check_consensus(&next, ids, now_unix_s).map_err(|e| invalid(&e))?;
    bundle.check_maintenance(&next, update).map_err(|error| {
        bad_request(format!(
            "config update for existing channel did not pass maintenance checks: config transaction inspection \
             failed: {error}"
        ))
    })?;
    ChannelParams::from_bundle(&next).map_err(|e| invalid(&e))?;
    Ok(Proposed {
        channel_id: bundle.channel_id().to_owned(),
        update: envelope::canonical(update.payload.clone(), update.signature.clone()),
        config,
        config_seq: bundle.sequence(),
        max_bytes: orderer.batch_size.absolute_max_bytes,
        consenters,
        current: ids.len(),
    })
}

/// Fabric's words before what is wrong with consensus settings.
fn consensus_refusal(channel_id: &str, error: &dyn std::fmt::Display) -> String {
    let not_applied = not_applied(channel_id);
    format!(
        "{not_applied}: consensus metadata update for channel config update is invalid: {error}"
    )
}

/// Fabric's words before every reason but maintenance's.
fn not_applied(channel_id: &str) -> String {
    format!("error applying config update to existing channel '{channel_id}'")
}

// === impl Proposed ===

impl Proposed {
    /// The payload of the CONFIG envelope, to be signed by this orderer, whose creator and a nonce the header holds.
    pub fn payload(&self, header: &SignatureHeader, now_unix_s: i64) -> Bytes {
        envelope::config_payload(&self.channel_id, &self.config, header, now_unix_s)
    }

    /// What the core is given; it counts against the size limit as any envelope does.
    pub fn signed(self, payload: Bytes, signature: Bytes) -> Result<Admitted, Rejection> {
        let size = rules::check_bytes(payload.len() + signature.len(), self.max_bytes)?;
        let change = ConfigChange {
            channel_id: self.channel_id,
            update: self.update,
            consenters: self.consenters,
            current: self.current,
        };
        Ok(Admitted {
            envelope: envelope::canonical(payload, signature),
            size,
            config_seq: self.config_seq,
            class: Class::Config(std::sync::Arc::new(change)),
        })
    }
}

// === impl ConfigChange ===

impl ConfigChange {
    /// Why too few consenters would be left, if so; `active` are those that answer now.
    pub(crate) fn loses_quorum(&self, active: &[NodeId]) -> Option<String> {
        let verdict = self.consenters.check_quorum(self.current, active);
        verdict.err().map(|error| consensus_refusal(&self.channel_id, &error))
    }
}
