//! Every kind of call that an organisation can make of another's nodes.

use carecord_proto::common::{ChannelHeader, Envelope, HeaderType, SignatureHeader};
use carecord_proto::envelope;
use carecord_sdk::Gateway;

use crate::chain::{Range, stream_as};
use crate::codes::Code;
use crate::configuring;
use crate::error::{Failure, Outcome};
use crate::session::{Session, from_sdk};
use crate::state::UserEntry;

const CHANNEL: &str = "care";
/// A peer and an orderer of others.
const PEER: &str = "hospital-a";
const ORDERER: &str = "orderer1";
/// What a node says that judges an identity and not a connection.
const JUDGED: [&str; 4] = ["access denied", "FORBIDDEN", "access", "PermissionDenied"];

/// One kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// The gateway's Evaluate.
    Evaluate,
    /// The gateway's Endorse.
    Endorse,
    /// A proposal straight to an endorser.
    Propose,
    /// An envelope straight to an orderer.
    Broadcast,
    /// Blocks from an orderer.
    OrdererDeliver,
    /// Blocks from a peer.
    PeerDeliver,
}

/// All of them.
pub(super) const CALLS: &[Call] = &[
    Call::Evaluate,
    Call::Endorse,
    Call::Propose,
    Call::Broadcast,
    Call::OrdererDeliver,
    Call::PeerDeliver,
];

// === impl Call ===

impl Call {
    pub(super) fn name(self) -> String {
        format!("{self:?}")
    }

    /// Makes the call at a node of another organisation.
    pub(super) async fn make(self, session: &Session, user: &UserEntry) -> Outcome<()> {
        let file = session.file();
        let (peer, orderer) = (file.node(PEER)?, file.node(ORDERER)?);
        let gateway = || {
            let connection = session.connect(peer, user)?;
            Ok::<_, Failure>(Gateway::new(connection, session.signer(user)?).network(CHANNEL))
        };
        match self {
            Self::Evaluate => {
                let contract = gateway()?.contract("bench");
                contract.evaluate("get", ["prescription-1"]).await.map_err(|e| from_sdk(&e))?;
            }
            Self::Endorse => {
                let contract = gateway()?.contract("bench");
                let proposal = contract.proposal("put").arguments(["k", "v"]).build();
                proposal.map_err(|e| from_sdk(&e))?.endorse().await.map_err(|e| from_sdk(&e))?;
            }
            Self::Propose => {
                let args = vec!["get".into(), "prescription-1".into()];
                let answer = configuring::call(session, peer, user, CHANNEL, "bench", args).await?;
                let response = answer.response.unwrap_or_default();
                if response.status != 200 {
                    return Err(Failure::new(Code::Endorse, response.message));
                }
            }
            Self::Broadcast => {
                let envelope = envelope_of(session, user, &gateway()?).await?;
                configuring::broadcast(session, orderer, user, &envelope).await?;
            }
            Self::OrdererDeliver => {
                stream_as(session, orderer, user, CHANNEL, Range::Between(0, 0), |_| Ok(()))
                    .await?;
            }
            Self::PeerDeliver => {
                stream_as(session, peer, user, CHANNEL, Range::Between(0, 0), |_| Ok(())).await?;
            }
        }
        Ok(())
    }

    /// Whether a call failed because of who made it: behind a `judged` connection the identity itself must be named.
    pub(super) fn is_refusal(failure: &Failure, judged: bool) -> bool {
        let text = failure.to_string();
        !judged || JUDGED.iter().any(|word| text.contains(word))
    }
}

/// A transaction that others have endorsed; of a stranger, whom nobody endorses, one that only looks like it.
async fn envelope_of(
    session: &Session,
    user: &UserEntry,
    network: &carecord_sdk::Network,
) -> Outcome<Envelope> {
    let contract = network.contract("bench");
    let proposal = contract.proposal("put").arguments(["broadcast", "v"]).build();
    let endorsed = proposal.map_err(|e| from_sdk(&e))?.endorse().await;
    if let Ok(transaction) = endorsed {
        return transaction.signed().map_err(|e| from_sdk(&e));
    }
    let signer = session.signer(user)?;
    let nonce = bytes::Bytes::from_static(b"a nonce of a stranger...");
    let creator = signer.serialized();
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs()) as i64;
    let header = ChannelHeader {
        r#type: HeaderType::EndorserTransaction as i32,
        channel_id: CHANNEL.to_owned(),
        tx_id: envelope::tx_id(&nonce, &creator),
        timestamp: Some(prost_types::Timestamp { seconds, nanos: 0 }),
        ..ChannelHeader::default()
    };
    let payload = envelope::payload(&header, &SignatureHeader { creator, nonce }, "x".into());
    let signature =
        signer.sign(&payload).map_err(|error| Failure::new(Code::Certificate, error))?.into();
    Ok(Envelope { payload, signature })
}
