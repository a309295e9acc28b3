use std::sync::Mutex;

use carecord_ca::layout::{MemberFolder, OrganisationFolder, Tree};
use carecord_ca::{Issued, NodeRole, Organisation, Validity};
use carecord_monitoring::Registry;

use super::*;
use crate::node::config::{LogConfig, TlsConfig};
use crate::pairs;

/// What a node was handed.
#[derive(Default)]
struct Handed {
    tls: Mutex<Vec<Vec<u8>>>,
    identities: Mutex<u32>,
}

impl Renewable for Handed {
    fn take_tls(&self, identities: &[TlsIdentity], _: Vec<Vec<u8>>) -> Outcome<()> {
        *self.tls.lock().unwrap() = identities.iter().map(TlsIdentity::leaf_der).collect();
        Ok(())
    }

    fn take_identity(&self, _: Arc<dyn Signer>, _: Arc<Msp>) {
        *self.identities.lock().unwrap() += 1;
    }
}

struct Room {
    _folder: tempfile::TempDir,
    organisation: Organisation,
    member: MemberFolder,
    config: NodeConfig,
}

fn days(days: u32) -> Validity {
    Validity::days_from(now_unix_s(), days)
}

fn expired() -> Validity {
    Validity { not_before: now_unix_s() - 200, not_after: now_unix_s() - 100 }
}

impl Room {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let organisation = Organisation::create("a.test", None, days(10)).unwrap();
        let home = OrganisationFolder::new(folder.path(), Tree::Peers, "a.test").unwrap();
        home.write(&organisation).unwrap();
        let member = home.node("peer0").unwrap();
        let config = NodeConfig {
            name: "peer0".to_owned(),
            msp_id: "AMSP".to_owned(),
            msp_dir: member.msp(),
            tls: TlsConfig {
                certificate: member.tls_certificate(),
                key: member.tls_key(),
                roots: vec![home.tls_ca_certificate()],
                require_client_certificate: false,
            },
            log: LogConfig::default(),
            ..NodeConfig::parse(SPARE).unwrap()
        };
        let room = Self { _folder: folder, organisation, member, config };
        room.member.write(&room.organisation, &room.signing(days(1)), &room.tls(days(1))).unwrap();
        room
    }

    fn signing(&self, validity: Validity) -> Issued {
        self.organisation.node("peer0.a.test", NodeRole::Peer, validity).unwrap()
    }

    fn tls(&self, validity: Validity) -> Issued {
        self.organisation.tls("peer0", &["localhost".to_owned()], validity).unwrap()
    }

    fn put(&self, path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
    }
}

const SPARE: &str = "name = 'x'\nmsp_id = 'x'\nmsp_dir = 'x'\ndata_dir = 'x'\naddress = 'x'\n\
                     [tls]\ncertificate = 'x'\nkey = 'x'\nroots = []\n";

#[test]
fn a_tls_pair_is_taken_over_whole_or_not_at_all() {
    let (room, handed) = (Room::new(), Handed::default());
    reload_tls(&room.config, &handed, &[]).unwrap();
    let before = handed.tls.lock().unwrap().clone();
    let elsewhere = Organisation::create("a.test", None, days(10)).unwrap();
    let strange = elsewhere.tls("peer0", &["localhost".to_owned()], days(1)).unwrap();
    let (good, late) = (room.tls(days(2)), room.tls(expired()));
    for (what, certificate, key) in [
        ("half of a pair", &good, None),
        ("expired", &late, Some(&late)),
        ("another CA", &strange, Some(&strange)),
    ] {
        room.put(&room.member.tls_certificate(), &certificate.certificate_pem);
        if let Some(key) = key {
            room.put(&room.member.tls_key(), &key.key_pem);
        }
        let failure = reload_tls(&room.config, &handed, &[]).expect_err(what);
        assert!(!failure.to_string().is_empty());
        assert_eq!(*handed.tls.lock().unwrap(), before, "{what}: the old one stays");
    }
    room.put(&room.member.tls_certificate(), "-----BEGIN CERTIF");
    reload_tls(&room.config, &handed, &[]).expect_err("cut short");
    room.put(&room.member.tls_certificate(), &good.certificate_pem);
    room.put(&room.member.tls_key(), &good.key_pem);
    reload_tls(&room.config, &handed, &[]).unwrap();
    assert_ne!(*handed.tls.lock().unwrap(), before);
    // The next pair stands behind the one in force, as soon as it is whole.
    let next = room.config.tls.next();
    let pair = room.tls(days(3));
    room.put(&next.key, &pair.key_pem);
    reload_tls(&room.config, &handed, &[]).unwrap();
    assert_eq!(handed.tls.lock().unwrap().len(), 1);
    room.put(&next.certificate, &pair.certificate_pem);
    reload_tls(&room.config, &handed, &[]).unwrap();
    assert_eq!(handed.tls.lock().unwrap().len(), 2);
}

#[test]
fn a_signer_must_be_a_living_identity_of_its_own_msp() {
    let (room, handed) = (Room::new(), Handed::default());
    reload_identity(&room.config, &handed).unwrap();
    let elsewhere = Organisation::create("a.test", None, days(10)).unwrap();
    let strange = elsewhere.node("peer0.a.test", NodeRole::Peer, days(1)).unwrap();
    let (good, late) = (room.signing(days(2)), room.signing(expired()));
    let (certificate, key) = (room.member.certificate(), room.member.key());
    room.put(&certificate, &good.certificate_pem);
    reload_identity(&room.config, &handed).expect_err("no key for it yet");
    for (what, issued) in [("expired", &late), ("another CA", &strange)] {
        room.put(&certificate, &issued.certificate_pem);
        room.put(&key, &issued.key_pem);
        reload_identity(&room.config, &handed).expect_err(what);
    }
    assert_eq!(*handed.identities.lock().unwrap(), 1, "only the first was handed over");
    room.put(&certificate, &good.certificate_pem);
    room.put(&key, &good.key_pem);
    reload_identity(&room.config, &handed).unwrap();
    assert_eq!(*handed.identities.lock().unwrap(), 2);
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_refused_at_once() {
    let room = Arc::new(Room::new());
    let next = room.config.tls.next();
    let crl = room.member.msp().join("crls").join("list.pem");
    std::fs::create_dir_all(crl.parent().unwrap()).unwrap();
    for path in [
        room.member.tls_certificate(),
        room.member.tls_key(),
        next.certificate,
        room.member.certificate(),
        room.member.key(),
        crl,
    ] {
        let aside = path.with_extension("aside");
        let kept = std::fs::rename(&path, &aside).is_ok();
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let (tell, told) = std::sync::mpsc::channel();
        let reading = Arc::clone(&room);
        std::thread::spawn(move || {
            let handed = Handed::default();
            let tls = reload_tls(&reading.config, &handed, &[]).is_ok();
            tell.send((tls, reload_identity(&reading.config, &handed).is_ok()))
        });
        let (tls, identity) = told
            .recv_timeout(Duration::from_secs(20))
            .unwrap_or_else(|_| panic!("{} is waited for", path.display()));
        let is_next = path.ends_with(pairs::NEXT_CERTIFICATE);
        assert!(is_next || !(tls && identity), "{}", path.display());
        std::fs::remove_file(&path).unwrap();
        if kept {
            std::fs::rename(&aside, &path).unwrap();
        }
    }
    let handed = Handed::default();
    reload_tls(&room.config, &handed, &[]).unwrap();
    reload_identity(&room.config, &handed).unwrap();
}

#[test]
fn a_revocation_list_that_is_none_is_refused_by_its_name() {
    let (room, handed) = (Room::new(), Handed::default());
    let crl = room.member.msp().join("crls").join("x.pem");
    std::fs::create_dir_all(crl.parent().unwrap()).unwrap();
    std::fs::write(&crl, [0, 159, 7]).unwrap();
    let failure = reload_identity(&room.config, &handed).unwrap_err().to_string();
    assert!(failure.contains("x.pem"), "{failure}");
    std::fs::remove_file(&crl).unwrap();
    reload_identity(&room.config, &handed).unwrap();
}

#[tokio::test]
async fn a_change_of_files_is_noticed_and_counted() {
    let (room, handed) = (Room::new(), Handed::default());
    let registry = Registry::new();
    let metrics = CertificateMetrics::new(&registry);
    let new = room.tls(days(2));
    let change = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        room.put(&room.member.tls_key(), &new.key_pem);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        room.put(&room.member.tls_certificate(), &new.certificate_pem);
        tokio::time::sleep(Duration::from_millis(1500)).await;
    };
    tokio::select! {
        ended = follow(&room.config, &handed, &[], &metrics) => panic!("{ended:?}"),
        () = change => {}
    }
    let count = |outcome: &str| {
        let labels = format!("{{kind=\"tls\",outcome=\"{outcome}\"}}");
        registry.value(&format!("carecord_certificate_reloads_total{labels}"))
    };
    assert_eq!((count("refused"), count("applied")), (Some(1.0), Some(1.0)));
    assert_eq!(handed.tls.lock().unwrap().len(), 1);
    assert_eq!(*handed.identities.lock().unwrap(), 0, "the MSP did not change");
}

#[test]
fn a_certificate_of_a_node_that_knows_no_roots_must_only_be_alive() {
    let (mut room, handed) = (Room::new(), Handed::default());
    room.config.tls.roots.clear();
    reload_tls(&room.config, &handed, &[]).unwrap();
    let before = handed.tls.lock().unwrap().clone();
    let late = room.tls(expired());
    let early =
        room.tls(Validity { not_before: now_unix_s() + 100, not_after: now_unix_s() + 200 });
    for (what, issued) in [("expired", &late), ("not valid yet", &early)] {
        pairs::put(&room.member.tls_certificate(), &room.member.tls_key(), issued).unwrap();
        let failure = reload_tls(&room.config, &handed, &[]).expect_err(what).to_string();
        assert!(failure.contains(what), "{failure}");
        assert_eq!(*handed.tls.lock().unwrap(), before);
    }
    pairs::put(&room.member.tls_certificate(), &room.member.tls_key(), &room.tls(days(2))).unwrap();
    reload_tls(&room.config, &handed, &[]).unwrap();
    assert_ne!(*handed.tls.lock().unwrap(), before);
}

/// A listener that lets in whom `roots` vouch for, and where it is.
async fn listening(room: &Room, roots: &Path) -> (ListenerTls, std::net::SocketAddr) {
    let identity = room.config.tls.identity().unwrap();
    let roots = [roots.to_owned()];
    let listener = ListenerTls::new(&identity, carecord_comm::ClientAuth::Require, &roots).unwrap();
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let source = Some(listener.source());
    tokio::spawn(carecord_monitoring::operations::serve(socket, source, Default::default()));
    (listener, address)
}

/// Whether somebody with a certificate of `organisation` gets an answer, from a server of `room`.
async fn served(room: &Room, at: std::net::SocketAddr, organisation: &Organisation) -> bool {
    let own = organisation.tls("admin", &[], days(1)).unwrap();
    let own = TlsIdentity::from_pem(own.certificate_pem.as_bytes(), own.key_pem.as_bytes());
    let roots = [room.organisation.tls_ca().certificate_pem()];
    let client = carecord_comm::HttpsClient::new(&roots, Some(own.unwrap())).unwrap();
    let ask = move || -> std::io::Result<String> {
        use std::io::{Read, Write};
        let mut stream = client.connect(std::net::TcpStream::connect(at)?, "localhost")?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = tokio::task::spawn_blocking(ask).await.unwrap();
    answer.is_ok_and(|answer| answer.starts_with("HTTP/1"))
}

#[tokio::test]
async fn clients_are_judged_by_the_roots_that_the_files_hold_now() {
    let (room, handed) = (Room::new(), Handed::default());
    let other = Organisation::create("b.test", None, days(10)).unwrap();
    let roots = room.member.tls_certificate().with_file_name("clients.pem");
    room.put(&roots, room.organisation.tls_ca().certificate_pem());
    let (listener, at) = listening(&room, &roots).await;
    assert!(served(&room, at, &room.organisation).await);
    assert!(!served(&room, at, &other).await);

    // A change of the file alone is noticed; a file that is being written changes nothing.
    let shape = tls_shape(&room.config, std::slice::from_ref(&listener));
    room.put(&roots, "-----BEGIN CERTIF");
    assert_ne!(tls_shape(&room.config, std::slice::from_ref(&listener)), shape);
    let beside = [listener];
    reload_tls(&room.config, &handed, &beside).expect_err("half a file");
    assert!(handed.tls.lock().unwrap().is_empty(), "all is taken over, or nothing");
    assert!(served(&room, at, &room.organisation).await);

    room.put(&roots, other.tls_ca().certificate_pem());
    reload_tls(&room.config, &handed, &beside).unwrap();
    assert!(served(&room, at, &other).await);
    assert!(!served(&room, at, &room.organisation).await);
}
