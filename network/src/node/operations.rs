//! The operations service of a node: metrics, health, log levels, version.

use carecord_comm::{ClientAuth, TlsIdentity};
use carecord_monitoring::logging::{self, Format, LogSpec};
use carecord_monitoring::{CertificateMetrics, HealthCheck, Operations, Registry, Version};
use tokio::net::TcpListener;

use super::config::{NodeConfig, OperationsTlsConfig};
use super::listener::ListenerTls;
use crate::codes::Code;
use crate::error::{Failure, Outcome};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What the builder said; a packager sets it, a build from a work tree may have changes that no revision names.
const REVISION: &str = match option_env!("CARECORD_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};
/// The compiler, as `build.rs` has asked it.
const RUSTC: &str = env!("CARECORD_RUSTC");

/// What every node of either kind has for its operators.
pub(super) struct Observed {
    pub(super) registry: Registry,
    pub(super) certificates: CertificateMetrics,
    logspec: LogSpec,
}

// === impl Observed ===

impl Observed {
    /// Sets up logging as the configuration says.
    pub(super) fn new(config: &NodeConfig) -> Outcome<Self> {
        let registry = Registry::new();
        registry.tell_build(VERSION, REVISION, RUSTC);
        let format = match config.log.format.as_str() {
            "text" => Format::Text,
            "json" => Format::Json,
            other => {
                let cause = format!("log.format is {other:?}; it is one of text, json");
                return Err(Failure::new(Code::NodeConfig, cause).at(&config.name));
            }
        };
        let logspec = logging::init(&config.log.spec, format, &registry)
            .map_err(|error| Failure::new(Code::NodeConfig, error).at(&config.name))?;
        let certificates = CertificateMetrics::new(&registry);
        Ok(Self { registry, certificates, logspec })
    }

    /// Serves with the node's certificate on the configured address while the process lives; without an address nothing is
    /// served. Answers the listener's TLS, if it has any, which follows its files.
    pub(super) async fn serve(
        &self,
        config: &NodeConfig,
        identity: &TlsIdentity,
        component: &str,
        health: HealthCheck,
    ) -> Outcome<Option<ListenerTls>> {
        let Some(address) = &config.operations_address else { return Ok(None) };
        let listener = TcpListener::bind(address).await.map_err(|error| listen(address, &error))?;
        let operations = Operations {
            registry: self.registry.clone(),
            logspec: self.logspec.clone(),
            health: vec![(component.to_owned(), health)],
            version: Version { commit: REVISION.to_owned(), version: VERSION.to_owned() },
        };
        // A certificate is asked for; what needs one is refused without.
        let of = |tls: &OperationsTlsConfig| {
            ListenerTls::new(identity, ClientAuth::IfGiven, &tls.client_roots)
        };
        let tls = config.operations_tls.as_ref().map(of).transpose()?;
        tokio::spawn(operations.serve(listener, tls.as_ref().map(ListenerTls::source)));
        Ok(tls)
    }
}

/// An address that a node cannot listen on.
pub(super) fn listen(address: &str, error: &std::io::Error) -> Failure {
    Failure::new(Code::PortTaken, error.to_string().to_lowercase())
        .at(address)
        .hint("stop the program that uses it, or give the node another port")
}
