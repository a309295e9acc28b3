//! A CA that answers on a port of its own.

#![allow(dead_code, reason = "each test uses a part")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use carecord_ca::client::{
    Client, ClientError, Credential, EnrollOptions, Registration, certificate_request,
};
use carecord_ca::layout::{OrganisationFolder, Tree};
use carecord_ca::server::Server;
use carecord_ca::service::{Ca, CaConfig, KeyFiles, Limits, RegistrarConfig};
use carecord_ca::{Attribute, Cost, Organisation, Validity};
use serde_json::Value;
use tokio::net::TcpListener;

pub(super) const NOW: i64 = 1_750_000_000;
pub(super) const ADMIN: &str = "admin";
pub(super) const SECRET: &str = "adminpw";
pub(super) const ROLES: [&str; 3] = ["patient", "practitioner", "hospital-admin"];

/// A served CA; dropped, it ends.
pub(super) struct Fixture {
    pub(super) address: String,
    pub(super) clock: Arc<AtomicI64>,
    pub(super) ca: Arc<Ca>,
    pub(super) folder: OrganisationFolder,
    pub(super) root: tempfile::TempDir,
    runtime: Option<tokio::runtime::Runtime>,
}

/// An answer over HTTP.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) code: u64,
    pub(super) body: Value,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut CaConfig)) -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = OrganisationFolder::new(root.path(), Tree::Peers, "ward.test").unwrap();
        let validity = Validity::days_from(NOW, 3650);
        folder.write(&Organisation::create("ward.test", Some("CH"), validity).unwrap()).unwrap();
        let mut config = config(root.path(), &folder);
        change(&mut config);
        let clock = Arc::new(AtomicI64::new(NOW));
        let ticking = Arc::clone(&clock);
        let ca = Ca::open(&config, Arc::new(move || ticking.load(Ordering::Relaxed))).unwrap();
        let ca = Arc::new(ca);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = Arc::new(Server::new(vec![Arc::clone(&ca)]).unwrap());
        runtime.spawn(carecord_monitoring::operations::serve(listener, None, server.routes()));
        Self { address, clock, ca, folder, root, runtime: Some(runtime) }
    }

    pub(super) fn client(&self) -> Client {
        Client::plain(&self.address, None)
    }

    pub(super) fn admin(&self) -> Credential {
        self.enroll(ADMIN, SECRET).unwrap()
    }

    pub(super) fn enroll(&self, id: &str, secret: &str) -> Result<Credential, ClientError> {
        self.client()
            .enroll(id, secret, &EnrollOptions::default())
            .map(|enrolled| enrolled.credential)
    }

    /// Somebody of `kind` with these attributes, registered by the first registrar and enrolled.
    pub(super) fn person(&self, id: &str, kind: &str, attributes: &[(&str, &str)]) -> Credential {
        let registration = registration(id, kind, attributes);
        let registered = self.client().register(&self.admin(), &registration).unwrap();
        self.enroll(id, &registered.secret).unwrap()
    }

    /// A request as it stands, with any header.
    pub(super) fn raw(
        &self,
        method: &str,
        uri: &str,
        authorization: Option<&str>,
        body: &[u8],
    ) -> Said {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(&self.address).unwrap();
        let header = authorization.map(|value| format!("Authorization: {value}\r\n"));
        let head = format!(
            "{method} {uri} HTTP/1.0\r\nContent-Length: {}\r\n{}\r\n",
            body.len(),
            header.unwrap_or_default()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(body.starts_with("{\"result\":"), "{body}");
        let body: Value = serde_json::from_str(body).unwrap();
        let code = body["errors"][0]["code"].as_u64().unwrap_or(u64::MAX);
        Said { status, code, body }
    }

    /// A request with a token of `by`.
    pub(super) fn signed(
        &self,
        method: &str,
        endpoint: &str,
        by: &Credential,
        body: &Value,
    ) -> Said {
        let uri = format!("/api/v1/{endpoint}");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let token = by.token(method, &uri, body.as_bytes()).unwrap();
        self.raw(method, &uri, Some(&token), body.as_bytes())
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub(super) fn registration(id: &str, kind: &str, attributes: &[(&str, &str)]) -> Registration {
    Registration {
        id: Some(id.to_owned()),
        kind: Some(kind.to_owned()),
        attrs: attributes.iter().map(|(name, value)| Attribute::new(name, value)).collect(),
        max_enrollments: 1,
        ..Registration::default()
    }
}

/// Body of an enrolment of `id`.
pub(super) fn enrollment(id: &str) -> Value {
    let (csr, _) = certificate_request(id, &EnrollOptions::default()).unwrap();
    serde_json::json!({"certificate_request": csr})
}

pub(super) fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// Status and code that a client call was refused with.
pub(super) fn refusal<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> (u16, u64) {
    match answer {
        Err(ClientError::Refused { status, code, .. }) => (status, code),
        other => panic!("should be refused: {other:?}"),
    }
}

fn config(root: &Path, folder: &OrganisationFolder) -> CaConfig {
    let secret_file = root.join("secret");
    std::fs::write(&secret_file, SECRET).unwrap();
    let key = |certificate: std::path::PathBuf| KeyFiles {
        key: certificate.with_file_name("priv_sk"),
        certificate,
        chain: None,
    };
    CaConfig {
        name: "ca-ward".into(),
        data_dir: root.join("data"),
        signing: key(folder.ca_certificate()),
        tls: Some(key(folder.tls_ca_certificate())),
        passphrase_file: None,
        roles: ROLES.map(str::to_owned).to_vec(),
        affiliations: vec!["ward.night".into(), "lab".into()],
        registrar: Some(RegistrarConfig { id: ADMIN.into(), secret_file }),
        limits: Limits::default(),
        secret_cost: Cost { memory_kib: 256, passes: 1 },
    }
}
