//! Envelopes as clients send them.

use std::sync::Arc;

use bytes::Bytes;
use carecord_msp::Signer;
use carecord_proto::common::{ChannelHeader, Envelope, HeaderType, SignatureHeader};
use carecord_proto::envelope;

use super::{CHANNEL, now};

/// An envelope as an endorsed transaction is one, for what an orderer looks at.
pub(crate) struct Draft {
    pub(crate) channel: String,
    pub(crate) kind: i32,
    pub(crate) timestamp: i64,
    pub(crate) tx_id: Option<String>,
    pub(crate) data: Vec<u8>,
}

impl Default for Draft {
    fn default() -> Self {
        let data = b"an endorsed transaction".to_vec();
        let kind = HeaderType::EndorserTransaction as i32;
        Self { channel: CHANNEL.into(), kind, timestamp: now(), tx_id: None, data }
    }
}

impl Draft {
    pub(crate) fn signed_by(self, signer: &Arc<dyn Signer>) -> Envelope {
        let nonce = Bytes::from(rand::random::<[u8; 24]>().to_vec());
        let creator = signer.serialized();
        let tx_id = self.tx_id.unwrap_or_else(|| envelope::tx_id(&nonce, &creator));
        let header = ChannelHeader {
            r#type: self.kind,
            channel_id: self.channel,
            tx_id,
            timestamp: Some(prost_types::Timestamp { seconds: self.timestamp, nanos: 0 }),
            ..ChannelHeader::default()
        };
        let payload =
            envelope::payload(&header, &SignatureHeader { creator, nonce }, self.data.into());
        let signature = signer.sign(&payload).unwrap().into();
        Envelope { payload, signature }
    }
}
