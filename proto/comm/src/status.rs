//! gRPC errors with details, as the official client SDKs read them.

use std::time::Duration;

use bytes::Bytes;
use carecord_proto::{gateway::ErrorDetail, google};
use prost::Message;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::{Code, Response, Status, Streaming};

const ERROR_DETAIL_TYPE: &str = "type.googleapis.com/gateway.ErrorDetail";

/// A status whose trailer `grpc-status-details-bin` names each node that failed and why.
pub fn with_details(code: Code, message: impl Into<String>, details: Vec<ErrorDetail>) -> Status {
    let message = message.into();
    if details.is_empty() {
        return Status::new(code, message);
    }
    let details = details
        .into_iter()
        .map(|detail| prost_types::Any {
            type_url: ERROR_DETAIL_TYPE.to_owned(),
            value: detail.encode_to_vec(),
        })
        .collect();
    let rich = google::rpc::Status { code: code as i32, message: message.clone(), details };
    Status::with_details(code, message, Bytes::from(rich.encode_to_vec()))
}

/// The details of a status; empty if it carries none that can be read.
pub fn error_details(status: &Status) -> Vec<ErrorDetail> {
    let Ok(rich) = google::rpc::Status::decode(status.details()) else { return Vec::new() };
    rich.details
        .into_iter()
        .filter(|detail| detail.type_url == ERROR_DETAIL_TYPE)
        .filter_map(|detail| ErrorDetail::decode(detail.value.as_slice()).ok())
        .collect()
}

/// Metadata in which an answer tells its cause; ours, beside Fabric's answer.
const CAUSE: &str = "carecord-cause";
/// Bytes of a cause that are told; the rest is cut off.
const MAX_CAUSE_BYTES: usize = 2048;
/// How long the end of a stream is waited for that has said that it ends.
const END: Duration = Duration::from_secs(1);

/// An answer with the cause of what it says in its metadata, where clients that do not know of it pass over it.
pub fn with_cause<T>(answer: T, cause: Option<&str>) -> Response<T> {
    let mut response = Response::new(answer);
    if let Some(cause) = cause {
        tell(response.metadata_mut(), cause);
    }
    response
}

/// The cause that an answer carries.
pub fn cause<T>(response: &Response<T>) -> Option<String> {
    told(response.metadata())
}

/// The orderly end of a stream whose last message was a refusal: gRPC code OK, with the cause in the trailers.
pub fn end_with_cause(cause: &str) -> Status {
    let mut metadata = MetadataMap::new();
    tell(&mut metadata, cause);
    Status::with_metadata(Code::Ok, "", metadata)
}

/// The cause in the trailers of a stream that has said that it ends.
pub async fn cause_of_end<T>(stream: &mut Streaming<T>) -> Option<String> {
    let trailers = tokio::time::timeout(END, stream.trailers()).await.ok()?;
    told(&trailers.ok()??)
}

/// Whatever is not ASCII is escaped, since metadata hold nothing else.
fn tell(metadata: &mut MetadataMap, cause: &str) {
    let plain = |c: char| c == ' ' || c.is_ascii_graphic();
    let mut text = String::new();
    for c in cause.chars() {
        if plain(c) {
            text.push(c)
        } else {
            text.extend(c.escape_default())
        }
        if text.len() >= MAX_CAUSE_BYTES {
            break;
        }
    }
    if let Ok(value) = AsciiMetadataValue::try_from(text) {
        metadata.insert(CAUSE, value);
    }
}

fn told(metadata: &MetadataMap) -> Option<String> {
    metadata.get(CAUSE)?.to_str().ok().map(str::to_owned)
}

/// A code's name as Go spells it, which is how Fabric's metrics and logs show it.
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_stands_beside_the_answer() {
        assert_eq!(cause(&with_cause(7, Some("key \"k\""))), Some("key \"k\"".to_owned()));
        assert_eq!(cause(&with_cause(7, Some("k\né"))), Some("k\\n\\u{e9}".to_owned()));
        let long = cause(&with_cause(7, Some(&"k".repeat(9999)))).expect("cut off");
        assert_eq!(long.len(), MAX_CAUSE_BYTES);
        assert_eq!(cause(&with_cause(7, None)), None);
    }

    #[test]
    fn details_come_back_as_they_were_given() {
        let detail = ErrorDetail {
            address: "peer0:7051".to_owned(),
            msp_id: "HospitalAMSP".to_owned(),
            message: "chaincode response 500, no".to_owned(),
        };
        let status = with_details(Code::Aborted, "failed", vec![detail.clone()]);
        assert_eq!(status.code(), Code::Aborted);
        assert_eq!(error_details(&status), vec![detail]);
        assert!(error_details(&Status::aborted("failed")).is_empty());
    }
}
