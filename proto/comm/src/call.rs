//! One call: admitted or refused by its service's limit, counted, passed to its handler.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, RwLock},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use carecord_monitoring::GrpcMetrics;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Code, Status, body::Body, codegen::http, service::Routes};
use tower::Service;

use crate::{
    Limits,
    fairness::{ActiveCall, ConnectionShare},
    inbound::{Inbound, Question, Terms},
    limits::MAX_COUNTED_METHODS,
    messages::MessageCounter,
    status::code_name,
};

/// Calls of these services or methods are streams, and counted as such.
const STREAMS: [&str; 6] = [
    "/protos.Deliver/",
    "/orderer.AtomicBroadcast/",
    "/carecord.orderer.Cluster/",
    "/gateway.Gateway/ChaincodeEvents",
    "/carecord.vault.Vault/Put",
    "/carecord.vault.Vault/Get",
];
/// Clients send these as streams, so they may take any time; every other call has one request.
const REQUEST_STREAMS: [&str; 4] = [
    "/protos.Deliver/",
    "/orderer.AtomicBroadcast/",
    "/carecord.orderer.Cluster/Step",
    "/carecord.vault.Vault/Put",
];
/// The vault's unary methods whose names begin like its streams.
const UNARY: &str = "/carecord.vault.Vault/PutWraps";

/// What all connections of a server share to answer calls.
pub(crate) struct Calls {
    routes: Routes,
    limits: HashMap<&'static str, (Arc<Semaphore>, usize)>,
    request_timeout: Duration,
    inbound: Inbound,
    metrics: Option<GrpcMetrics>,
    methods: RwLock<HashMap<String, Arc<Method>>>,
}

/// A method's labels.
struct Method {
    service: String,
    method: String,
    is_stream: bool,
}

/// Counts one call when it ends.
struct Meter {
    metrics: GrpcMetrics,
    method: Arc<Method>,
    started: Instant,
    code: Code,
}

/// Counts an open connection.
pub(crate) struct OpenConnection(Option<GrpcMetrics>);

/// An answer's body; when it ends, so does the call.
struct Answer {
    body: Body,
    meter: Option<Meter>,
    messages: MessageCounter,
    _place: Place,
}

/// A call's place: in its service, in its connection's share of it, and as a sign of use.
struct Place {
    _service: Option<OwnedSemaphorePermit>,
    _share: Option<OwnedSemaphorePermit>,
    _call: ActiveCall,
}

// === impl Calls ===

impl Calls {
    pub(crate) fn new(routes: Routes, limits: &Limits, metrics: Option<GrpcMetrics>) -> Self {
        let request_timeout = limits.request_timeout;
        let limits = limits
            .calls_per_service
            .iter()
            .map(|(service, limit)| (*service, (Arc::new(Semaphore::new(*limit)), *limit)))
            .collect();
        let inbound = Inbound::default();
        Self { routes, limits, request_timeout, inbound, metrics, methods: RwLock::default() }
    }

    pub(crate) fn connection(&self) -> OpenConnection {
        if let Some(metrics) = &self.metrics {
            metrics.connections_opened.inc();
        }
        OpenConnection(self.metrics.clone())
    }

    pub(crate) async fn answer(
        &self,
        request: http::Request<Incoming>,
        share: &ConnectionShare,
    ) -> http::Response<Body> {
        let path = request.uri().path();
        let place = match self.place(path, share) {
            Ok(place) => place,
            Err(status) => return status.into_http(),
        };
        let meter = self.metrics.as_ref().map(|metrics| Meter::begin(metrics, self.method(path)));
        let counted = meter
            .as_ref()
            .filter(|meter| meter.method.is_stream)
            .map(|meter| (meter.metrics.clone(), Arc::clone(&meter.method)));
        let terms = Terms::of(path, sends_stream(path), self.request_timeout);
        let allowance = self.inbound.of(&share.inbound);
        let on_messages = counted.map(|(metrics, method)| {
            move |begun| {
                metrics.messages_received.with_label_values(&method.labels()).inc_by(begun);
            }
        });
        let request =
            request.map(|body| Body::new(Question::new(body, terms, allowance, on_messages)));
        let Ok(response) = self.routes.clone().call(request).await;
        let (parts, body) = response.into_parts();
        let mut meter = meter;
        if let (Some(meter), Some(code)) = (&mut meter, status_code(&parts.headers)) {
            meter.code = code;
        }
        let messages = MessageCounter::default();
        let body = Body::new(Answer { body, meter, messages, _place: place });
        http::Response::from_parts(parts, body)
    }

    fn place(&self, path: &str, share: &ConnectionShare) -> Result<Place, Status> {
        let service = path.split('/').nth(1).unwrap_or_default();
        let refused = |limit: usize| {
            tracing::warn!(service, limit, "too many calls at once");
            Status::unknown(format!(
                "too many requests for /{service}, exceeding concurrency limit ({limit})"
            ))
        };
        let _share = share.place(service).map_err(refused)?;
        let of_service = self.limits.get(service).map(|(permits, limit)| {
            Arc::clone(permits).try_acquire_owned().map_err(|_| refused(*limit))
        });
        let _service = of_service.transpose()?;
        Ok(Place { _service, _share, _call: share.activity.begin() })
    }

    fn method(&self, path: &str) -> Arc<Method> {
        if let Some(known) = self.methods.read().ok().and_then(|all| all.get(path).cloned()) {
            return known;
        }
        let Ok(mut all) = self.methods.write() else { return Arc::new(Method::unknown()) };
        if all.len() >= MAX_COUNTED_METHODS {
            return Arc::new(Method::unknown());
        }
        Arc::clone(all.entry(path.to_owned()).or_insert_with(|| Arc::new(Method::of(path))))
    }
}

// === impl Method ===

impl Method {
    fn of(path: &str) -> Self {
        let mut parts = path.trim_start_matches('/').splitn(2, '/');
        let mut label = || parts.next().unwrap_or("unknown").replace('.', "_");
        let is_stream =
            STREAMS.iter().any(|stream| path.starts_with(stream)) && !path.starts_with(UNARY);
        Self { service: label(), method: label(), is_stream }
    }

    fn unknown() -> Self {
        Self { service: "unknown".to_owned(), method: "unknown".to_owned(), is_stream: false }
    }

    fn labels(&self) -> [&str; 2] {
        [&self.service, &self.method]
    }
}

// === impl Meter ===

impl Meter {
    fn begin(metrics: &GrpcMetrics, method: Arc<Method>) -> Self {
        let received =
            if method.is_stream { &metrics.stream_received } else { &metrics.unary_received };
        received.with_label_values(&method.labels()).inc();
        // A call whose body ends without a status was given up by its client.
        let code = Code::Cancelled;
        Self { metrics: metrics.clone(), method, started: Instant::now(), code }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let (completed, duration) = if self.method.is_stream {
            (&self.metrics.stream_completed, &self.metrics.stream_duration)
        } else {
            (&self.metrics.unary_completed, &self.metrics.unary_duration)
        };
        let [service, method] = self.method.labels();
        let labels = [service, method, code_name(self.code)];
        completed.with_label_values(&labels).inc();
        duration.with_label_values(&labels).observe(self.started.elapsed().as_secs_f64());
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        if let Some(metrics) = &self.0 {
            metrics.connections_closed.inc();
        }
    }
}

// === bodies ===

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let frame = std::task::ready!(Pin::new(&mut this.body).poll_frame(cx));
        if let (Some(Ok(frame)), Some(meter)) = (&frame, &mut this.meter) {
            if let Some(trailers) = frame.trailers_ref() {
                meter.code = status_code(trailers).unwrap_or(Code::Unknown);
            }
            if let (true, Some(data)) = (meter.method.is_stream, frame.data_ref()) {
                let sent = this.messages.take(data).begun;
                meter.metrics.messages_sent.with_label_values(&meter.method.labels()).inc_by(sent);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether the client of a method sends a stream of requests.
fn sends_stream(path: &str) -> bool {
    REQUEST_STREAMS.iter().any(|stream| path.starts_with(stream)) && !path.starts_with(UNARY)
}

fn status_code(headers: &http::HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_labelled_as_fabric_labels_them() {
        let method = Method::of("/orderer.AtomicBroadcast/Broadcast");
        assert_eq!(method.labels(), ["orderer_AtomicBroadcast", "Broadcast"]);
        assert!(method.is_stream);
        assert!(!Method::of("/gateway.Gateway/Endorse").is_stream);
        assert!(!Method::of("/carecord.vault.Vault/PutWraps").is_stream);
        assert!(Method::of("/carecord.vault.Vault/Put").is_stream);
    }
}
