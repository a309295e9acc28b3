//! A membership service as a process: made, served, killed.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use carecord_ca::client::{Client, Credential, EnrollOptions, Registration};

const PATIENCE: Duration = Duration::from_secs(30);
/// How often the service is killed.
const ROUNDS: u64 = 6;
/// Enrolments under way when it is killed.
const CLIENTS: usize = 3;

fn carecord(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carecord"));
    command.args(args);
    command
}

/// The folder of a new CA, its keys encrypted, and its address.
fn init(root: &Path) -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    fs::write(root.join("passphrase"), "four small words\n").unwrap();
    let (home, passphrase) = (root.join("ca"), root.join("passphrase"));
    let status = carecord(&["ca", "init", "--name", "ca-clinic", "--domain", "clinic.test"])
        .args(["--address", &address, "--role", "practitioner", "--host", "127.0.0.1"])
        .arg("--home")
        .arg(&home)
        .arg("--passphrase-file")
        .arg(&passphrase)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    address
}

fn serve(root: &Path, client: &Client) -> Child {
    let child = carecord(&["ca", "serve", "--config"])
        .arg(root.join("ca/ca.toml"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    while client.cainfo().is_err() {
        assert!(Instant::now() < deadline, "the CA does not answer");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

fn client(root: &Path, address: &str) -> Client {
    let roots = [fs::read(root.join("ca/tlsca-cert.pem")).unwrap()];
    Client::new(address, "127.0.0.1", &roots, None).unwrap()
}

fn registrar(root: &Path, client: &Client) -> Credential {
    let secret = fs::read_to_string(root.join("ca/registrar.secret")).unwrap();
    client.enroll("admin", secret.trim(), &EnrollOptions::default()).unwrap().credential
}

#[test]
fn k10_a_ca_that_is_killed_knows_every_certificate_that_left_it() {
    let root = tempfile::tempdir().unwrap();
    let address = init(root.path());
    let client = client(root.path(), &address);
    let sealed = fs::read_to_string(root.path().join("ca/ca-key.pem")).unwrap();
    assert!(sealed.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    let mut left = 0;
    for round in 0..ROUNDS {
        let mut server = serve(root.path(), &client);
        let admin = registrar(root.path(), &client);
        let id = format!("p{round}");
        let registration = Registration {
            id: Some(id.clone()),
            max_enrollments: 1_000,
            ..Registration::default()
        };
        let secret = client.register(&admin, &registration).unwrap().secret;
        let held = std::thread::scope(|scope| {
            let enrolling: Vec<_> = (0..CLIENTS)
                .map(|_| {
                    scope.spawn(|| {
                        let enroll = || client.enroll(&id, &secret, &EnrollOptions::default());
                        // Until the service is gone.
                        std::iter::from_fn(|| enroll().ok()).collect::<Vec<_>>()
                    })
                })
                .collect();
            // Kills fall on other moments in every round.
            std::thread::sleep(Duration::from_millis(400 + 137 * round));
            server.kill().unwrap();
            server.wait().unwrap();
            let held = enrolling.into_iter().flat_map(|each| each.join().unwrap());
            held.map(|enrolled| enrolled.credential).collect::<Vec<_>>()
        });
        left += held.len();
        let mut server = serve(root.path(), &client);
        let admin = registrar(root.path(), &client);
        for credential in &held {
            // It is known: it proves who sends a request, and it can be revoked.
            let name = credential.name().unwrap();
            client.revoke_certificate(&admin, &name, "superseded", false).unwrap();
        }
        server.kill().unwrap();
        server.wait().unwrap();
    }
    println!("{left} certificates left the service before {ROUNDS} kills; all are known to it");
    assert!(left > 0, "no certificate left the service before it was killed");
}

#[test]
fn a_key_that_the_passphrase_does_not_open_is_said_so_at_the_start() {
    let root = tempfile::tempdir().unwrap();
    init(root.path());
    fs::write(root.path().join("passphrase"), "four large words").unwrap();
    let said = carecord(&["ca", "serve", "--config"])
        .arg(root.path().join("ca/ca.toml"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(text.contains("error CR-CA-004"), "{text}");
    assert!(text.contains("ca-key.pem") && text.contains("hint: "), "{text}");
}
