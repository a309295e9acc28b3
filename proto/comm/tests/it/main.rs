//! Servers and clients over real sockets and real certificates.

mod fairness;

use std::time::Duration;

use carecord_comm::{
    ClientAuth, ClientTls, Endpoint, Limits, Server, ServerHandle, ServerTls, TlsIdentity, dial,
    gateway, peer_certificate, protos,
};
use carecord_monitoring::{GrpcMetrics, Registry};
use carecord_proto::protos::{ProposalResponse, Response, SignedProposal};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tonic::{Code, Request, Status, service::Routes};

/// Answers with the hash of the caller's certificate; waits first if the proposal says so.
#[derive(Clone)]
struct Mirror;

#[tonic::async_trait]
impl protos::endorser_server::Endorser for Mirror {
    async fn process_proposal(
        &self,
        request: Request<SignedProposal>,
    ) -> Result<tonic::Response<ProposalResponse>, Status> {
        let certificate = peer_certificate(&request);
        let payload = certificate.map(|certificate| certificate.hash().to_vec());
        let payload = payload.unwrap_or_default().into();
        if request.get_ref().proposal_bytes.as_ref() == b"wait" {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let response = Response { status: 200, message: String::new(), payload };
        Ok(ProposalResponse { response: Some(response), ..Default::default() }.into())
    }
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

struct Node {
    chain: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn issue(&self, name: &str) -> Node {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Node { chain: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Node {
    fn identity(&self) -> TlsIdentity {
        TlsIdentity::from_pem(self.chain.as_bytes(), self.key.as_bytes()).expect("readable")
    }
}

async fn server(
    authority: &Authority,
    client_auth: ClientAuth,
    limits: Limits,
    registry: &Registry,
) -> ServerHandle {
    let identity = authority.issue("peer0").identity();
    let tls = ServerTls::new(identity, client_auth, &[&authority.pem]).expect("TLS");
    let routes = Routes::new(protos::endorser_server::EndorserServer::new(Mirror));
    Server { tls: Some(tls), limits, metrics: Some(GrpcMetrics::new(registry)) }
        .bind("127.0.0.1:0", routes)
        .await
        .expect("a free port")
}

async fn ask(
    handle: &ServerHandle,
    tls: ClientTls,
    text: &'static [u8],
) -> Result<Vec<u8>, Status> {
    let endpoint = Endpoint {
        address: handle.address().to_string(),
        tls: Some(tls),
        server_name: Some("peer0".to_owned()),
    };
    let channel = dial(&endpoint).expect("a good address");
    let mut client = protos::endorser_client::EndorserClient::new(channel);
    let proposal = SignedProposal { proposal_bytes: text.into(), ..Default::default() };
    let answer = client.process_proposal(proposal).await?.into_inner();
    Ok(answer.response.expect("always set").payload.to_vec())
}

#[tokio::test]
async fn a_handler_sees_the_certificate_that_its_client_proved_to_own() {
    let authority = Authority::new();
    let handle =
        server(&authority, ClientAuth::Require, Limits::peer(), &Registry::default()).await;
    let identity = authority.issue("client").identity();
    let tls = ClientTls::new(&[&authority.pem], Some(identity)).expect("TLS");
    let expected = tls.certificate_hash().expect("it has a certificate");
    assert_eq!(ask(&handle, tls, b"").await.expect("answered"), expected);
    handle.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn who_sends_no_certificate_is_served_only_where_none_is_required() {
    let authority = Authority::new();
    let anonymous = ClientTls::new(&[&authority.pem], None).expect("TLS");
    for (client_auth, served) in
        [(ClientAuth::Off, true), (ClientAuth::IfGiven, true), (ClientAuth::Require, false)]
    {
        let handle = server(&authority, client_auth, Limits::peer(), &Registry::default()).await;
        let answer = ask(&handle, anonymous.clone(), b"").await;
        assert_eq!(answer.is_ok(), served, "{client_auth:?}: {answer:?}");
    }
}

#[tokio::test]
async fn strangers_on_either_side_are_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let handle =
        server(&authority, ClientAuth::IfGiven, Limits::peer(), &Registry::default()).await;
    let forged = stranger.issue("client").identity();
    let tls = ClientTls::new(&[&authority.pem], Some(forged)).expect("TLS");
    assert!(ask(&handle, tls, b"").await.is_err());
    let mistrusting = ClientTls::new(&[&stranger.pem], None).expect("TLS");
    let error = ask(&handle, mistrusting, b"").await.expect_err("the server is unknown");
    assert_eq!(error.code(), Code::Unavailable, "{error:?}");
}

#[tokio::test]
async fn a_call_above_the_limit_is_refused_with_fabrics_text() {
    let authority = Authority::new();
    let limits = Limits::default().with_service("protos.Endorser", 1);
    let registry = Registry::default();
    let handle = server(&authority, ClientAuth::Off, limits, &registry).await;
    let tls = ClientTls::new(&[&authority.pem], None).expect("TLS");
    let (first, second) = tokio::join!(ask(&handle, tls.clone(), b"wait"), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        ask(&handle, tls.clone(), b"").await
    });
    assert!(first.is_ok(), "{first:?}");
    let refusal = second.expect_err("one at once");
    assert_eq!(refusal.code(), Code::Unknown);
    assert_eq!(
        refusal.message(),
        "too many requests for /protos.Endorser, exceeding concurrency limit (1)"
    );
    assert!(ask(&handle, tls, b"").await.is_ok(), "the place is free again");
    let series = "grpc_server_unary_requests_completed{code=\"OK\",method=\"ProcessProposal\",service=\"protos_Endorser\"}";
    assert_eq!(registry.value(series), Some(2.0));
}

#[tokio::test]
async fn a_channel_comes_back_after_the_server_did() {
    let authority = Authority::new();
    let handle = server(&authority, ClientAuth::Off, Limits::peer(), &Registry::default()).await;
    let address = handle.address();
    let tls = ClientTls::new(&[&authority.pem], None).expect("TLS");
    let endpoint = Endpoint {
        address: format!("grpcs://{address}"),
        tls: Some(tls),
        server_name: Some("peer0".to_owned()),
    };
    let channel = dial(&endpoint).expect("a good address");
    let mut client = protos::endorser_client::EndorserClient::new(channel);
    client.process_proposal(SignedProposal::default()).await.expect("answered");
    handle.stop(Duration::from_secs(1)).await;
    assert!(client.process_proposal(SignedProposal::default()).await.is_err());

    let identity = authority.issue("peer0").identity();
    let tls = ServerTls::new::<&str>(identity, ClientAuth::Off, &[]).expect("TLS");
    let routes = Routes::new(protos::endorser_server::EndorserServer::new(Mirror));
    let again = Server { tls: Some(tls), ..Server::default() };
    let _again = again.bind(&address.to_string(), routes).await.expect("the port is free again");
    let mut answered = false;
    for _ in 0..20 {
        answered |= client.process_proposal(SignedProposal::default()).await.is_ok();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(answered);
}

#[tokio::test]
async fn replaced_certificates_hold_for_the_next_connection() {
    let (old, new) = (Authority::new(), Authority::new());
    let identity = old.issue("peer0").identity();
    let tls = ServerTls::new::<&str>(identity, ClientAuth::Off, &[]).expect("TLS");
    let routes = Routes::new(protos::endorser_server::EndorserServer::new(Mirror));
    let server = Server { tls: Some(tls.clone()), ..Server::default() };
    let handle = server.bind("127.0.0.1:0", routes).await.expect("a free port");
    let trusting_new = ClientTls::new(&[&new.pem], None).expect("TLS");
    assert!(ask(&handle, trusting_new.clone(), b"").await.is_err());
    tls.replace::<&str>(new.issue("peer0").identity(), &[]).expect("good certificates");
    assert!(ask(&handle, trusting_new, b"").await.is_ok());
}

#[test]
fn addresses_without_a_port_are_refused() {
    for address in ["", "peer0", "peer0:", ":7051", "peer0:70000"] {
        let endpoint = Endpoint { address: address.to_owned(), tls: None, server_name: None };
        assert!(dial(&endpoint).is_err(), "{address}");
    }
    // A compile-time check that the generated gateway is here as well.
    let _ = gateway::gateway_server::SERVICE_NAME;
}
