//! What an endorser's answer means to the gateway: success, try another peer, or give up.

use bytes::Bytes;
use carecord_proto::{
    gateway::ErrorDetail,
    protos::{ChaincodeAction, ProposalResponse, ProposalResponsePayload},
};
use prost::Message;
use tonic::Code;

use crate::endorser::Refusal;

/// The end of a message that says that a chaincode has gone, not that it refused.
const STREAM_TERMINATED: &str = "chaincode stream terminated";

/// Why an endorser's answer is not a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// What the client gets if this was the last try.
    pub(super) code: Code,
    /// Fabric's text.
    pub(super) message: String,
    /// Whether another peer may do better; only evaluating looks at it.
    pub(super) retry: bool,
    /// Whether the peer should be left alone for a while.
    pub(super) remove: bool,
}

/// | answer | code | another peer |
/// |---|---|---|
/// | none: the peer cannot be reached | Unavailable | yes, and leave this one |
/// | an error beside a response | FailedPrecondition | no: it is the client's fault |
/// | 500 without payload | Aborted | yes |
/// | any other failure of the chaincode | Unknown | no: it is the chaincode's answer |
pub(super) fn judged(response: ProposalResponse) -> Result<ProposalResponse, Failure> {
    let Some(answer) = &response.response else {
        return Err(Failure::unavailable("the endorser sent no response"));
    };
    if (200..400).contains(&answer.status) {
        return Ok(response);
    }
    if response.payload.is_empty() && answer.status == 500 {
        let remove = answer.message.ends_with(STREAM_TERMINATED);
        let message = answer.message.clone();
        return Err(Failure { code: Code::Aborted, message, retry: true, remove });
    }
    let message = format!("chaincode response {}, {}", answer.status, answer.message);
    Err(Failure { code: Code::Unknown, message, retry: false, remove: false })
}

/// The chaincode's result in a response; the endorsed one, not the copy beside it.
pub(super) fn result(response: &ProposalResponse) -> Option<Bytes> {
    let payload = ProposalResponsePayload::decode(response.payload.clone()).ok()?;
    let action = ChaincodeAction::decode(payload.extension).ok()?;
    Some(action.response.unwrap_or_default().payload)
}

// === impl Failure ===

impl Failure {
    /// A peer that cannot be reached.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self { code: Code::Unavailable, message: message.into(), retry: true, remove: true }
    }

    /// The failure as a detail of the client's error.
    pub(super) fn detail(&self, address: &str, msp_id: &str) -> ErrorDetail {
        ErrorDetail {
            address: address.to_owned(),
            msp_id: msp_id.to_owned(),
            message: self.message.clone(),
        }
    }
}

impl From<Refusal> for Failure {
    /// This peer's own endorser is never left alone: what it refuses without response, others may still do.
    fn from(refusal: Refusal) -> Self {
        if refusal.is_final {
            let message = refusal.message;
            Self { code: Code::FailedPrecondition, message, retry: false, remove: false }
        } else {
            Self { remove: false, ..Self::unavailable(refusal.message) }
        }
    }
}

#[cfg(test)]
mod tests {
    use carecord_proto::protos::Response;

    use super::*;

    fn response(status: i32, message: &str, payload: &'static [u8]) -> ProposalResponse {
        let response =
            Response { status, message: message.to_owned(), payload: Bytes::from_static(b"copy") };
        ProposalResponse {
            response: Some(response),
            payload: Bytes::from_static(payload),
            ..ProposalResponse::default()
        }
    }

    #[test]
    fn answers_are_judged_as_fabrics_gateway_does() {
        let judge = |status, message, payload| {
            judged(response(status, message, payload))
                .err()
                .map(|failure| (failure.code, failure.message, failure.retry, failure.remove))
        };
        assert_eq!(judge(200, "", b"x"), None);
        assert_eq!(judge(399, "", b""), None);
        let text = |text: &str| text.to_owned();
        assert_eq!(judge(500, "no", b""), Some((Code::Aborted, text("no"), true, false)));
        let gone = "x: chaincode stream terminated";
        assert_eq!(judge(500, gone, b""), Some((Code::Aborted, text(gone), true, true)));
        let refused = text("chaincode response 500, no");
        assert_eq!(judge(500, "no", b"x"), Some((Code::Unknown, refused, false, false)));
        let refused = text("chaincode response 404, none");
        assert_eq!(judge(404, "none", b""), Some((Code::Unknown, refused, false, false)));
        let refused = text("chaincode response 100, ");
        assert_eq!(judge(100, "", b"x"), Some((Code::Unknown, refused, false, false)));
    }

    #[test]
    fn a_refusal_beside_a_response_is_final() {
        let failure = Failure::from(Refusal::last("duplicate"));
        assert_eq!((failure.code, failure.retry), (Code::FailedPrecondition, false));
        let failure = Failure::from(Refusal::filter("incorrect timestamp"));
        assert_eq!((failure.code, failure.retry), (Code::Unavailable, true));
    }
}
