//! Who may read what from a node's operations service.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use carecord::bringup::http_get;
use carecord::state::{NetworkDir, NetworkFile, NodeEntry};
use carecord_comm::{HttpsClient, TlsIdentity};

use crate::support::Running;

/// Status and body of a GET over TLS, with the certificate of `user`'s folder; an error if there is no connection.
fn get(
    node: &NodeEntry,
    user: Option<(&Path, &Path)>,
    path: &str,
) -> std::io::Result<(u16, String)> {
    let tls = node.operations_tls.as_ref().unwrap();
    let identity = user.map(|(certificate, key)| {
        let read = |path| std::fs::read(path).unwrap();
        TlsIdentity::from_pem(&read(certificate), &read(key)).unwrap()
    });
    let client = HttpsClient::new(&[std::fs::read(&tls.ca_file).unwrap()], identity).unwrap();
    let stream = TcpStream::connect(&node.operations_address)?;
    let mut stream = client.connect(stream, &tls.server_name)?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    Ok((status, answer))
}

fn network(running: &Running) -> NetworkFile {
    NetworkDir::new(Path::new(running.dir())).unwrap().read().unwrap()
}

#[test]
fn metrics_and_log_levels_need_a_certificate_of_the_nodes_organisation() {
    let running = Running::up("bench.toml");
    let file = network(&running);
    for node in &file.nodes {
        assert_eq!(node.operations_scheme, "https");
        for (path, status) in
            [("/metrics", 401), ("/logspec", 401), ("/healthz", 200), ("/version", 200)]
        {
            assert_eq!(get(node, None, path).unwrap().0, status, "{path} of {}", node.name);
            assert_eq!(http_get(node, path).unwrap().0, 200, "{path} of {}", node.name);
        }
        let (_, metrics) = http_get(node, "/metrics").unwrap();
        assert!(metrics.contains("fabric_version{version=\"3.1.5\"} 1"), "{metrics}");
        let build = metrics.lines().find(|line| line.starts_with("carecord_build_info{")).unwrap();
        assert!(build.contains(concat!("version=\"", env!("CARGO_PKG_VERSION"))), "{build}");
    }
    let stranger = file.admin("HospitalB").unwrap();
    let shown = (stranger.tls_certificate_file.as_path(), stranger.tls_key_file.as_path());
    let home = file.node("hospital-b").unwrap();
    assert_eq!(get(home, Some(shown), "/metrics").unwrap().0, 200);
    let away = file.node("hospital-a").unwrap();
    assert!(get(away, Some(shown), "/metrics").is_err(), "another organisation's certificate");
    let plain = TcpStream::connect(&home.operations_address).and_then(|mut stream| {
        write!(stream, "GET /metrics HTTP/1.0\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    });
    let answer = plain.unwrap_or_default();
    assert!(!answer.starts_with(b"HTTP/"), "plain HTTP is not answered");

    let scrape = std::fs::read_to_string(Path::new(running.dir()).join("prometheus.yml")).unwrap();
    for node in &file.nodes {
        assert!(
            scrape.contains(&format!("targets: [\"{}\"]", node.operations_address)),
            "{scrape}"
        );
    }
    assert_eq!(scrape.matches("scheme: https").count(), file.organisations.len());
}

#[test]
fn a_topology_can_turn_tls_of_operations_off() {
    let text = carecord::topology::BENCH.replacen("\n[[", "\noperations_tls = false\n\n[[", 1);
    let running = Running::of_text(&text);
    let file = network(&running);
    for node in &file.nodes {
        assert_eq!((node.operations_scheme.as_str(), &node.operations_tls), ("http", &None));
        assert_eq!(http_get(node, "/metrics").unwrap().0, 200);
    }
}
