//! Mistakes that operators make: one error that says what, where and what to do, and nothing half-made left behind.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use carecord_proto::testdata;
use tempfile::TempDir;

/// One orderer, one organisation with one peer, one chaincode.
const SMALL: &str = r#"name = "small"

[[organisations]]
name = "Orderer"
msp_id = "OrdererMSP"
domain = "orderer.carecord.test"
role = "orderer"

[[organisations]]
name = "HospitalA"
msp_id = "HospitalAMSP"
domain = "hospital-a.carecord.test"
role = "peer"

[[nodes]]
name = "orderer1"
organisation = "Orderer"

[[nodes]]
name = "hospital-a"
organisation = "HospitalA"

[[channels]]
name = "care"
organisations = ["HospitalA"]
orderers = ["orderer1"]

[[channels.chaincodes]]
name = "bench"

[[users]]
name = "client-a"
organisation = "HospitalA"
"#;

/// Length of the values that fill a disk; two fit into a disk that nearly is full, 100 do not.
const VALUE_BYTES: usize = 60_000;

/// How long a node may take to end after its disk is full.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a command printed and how it ended.
#[derive(Debug)]
struct Said {
    exit: i32,
    out: String,
    err: String,
}

fn carecord(arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_carecord"))
        .args(arguments)
        .arg("--quiet")
        .env_remove("CARECORD_DIR")
        .env_remove("CARECORD_OUTPUT")
        .env_remove("CARECORD_TOPOLOGY")
        .output()
        .expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let exit = output.status.code().expect("no signal");
    Said { exit, out: text(output.stdout), err: text(output.stderr) }
}

/// A folder for a network; its processes end with it.
struct Place {
    root: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { root: tempfile::tempdir().expect("a folder") }
    }

    /// A network that was made and not started.
    fn made() -> Self {
        let place = Self::new();
        let said = place.network("init", &["--topology", &place.topology(SMALL)]);
        assert_eq!(said.exit, 0, "{said:?}");
        place
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join("net")
    }

    fn topology(&self, text: &str) -> String {
        let path = self.root.path().join("topology.toml");
        fs::write(&path, text).expect("written");
        path.display().to_string()
    }

    fn network(&self, verb: &str, arguments: &[&str]) -> Said {
        let dir = self.dir().display().to_string();
        carecord(&[&["network", verb, "--dir", &dir], arguments].concat())
    }

    fn up(&self) -> Said {
        self.network("up", &["--detach", "--timeout", "30"])
    }

    fn put(&self, key: &str, value: &str) -> Said {
        let dir = self.dir().display().to_string();
        carecord(&["tx", "submit", "--dir", &dir, "--as", "client-a", "bench", "put", key, value])
    }

    fn get(&self, key: &str) -> Said {
        let dir = self.dir().display().to_string();
        carecord(&["tx", "evaluate", "--dir", &dir, "--as", "client-a", "bench", "get", key])
    }

    /// What `network.json` says about a node.
    fn node(&self, name: &str, field: &str) -> String {
        let text = fs::read(self.dir().join("network.json")).expect("made");
        let file: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        let mut nodes = file["nodes"].as_array().expect("nodes").iter();
        let node = nodes.find(|node| node["name"] == name).expect("it has the node");
        node[field].as_str().expect("text").to_owned()
    }

    /// The first file below a folder of the node's certificates and keys.
    fn credential(&self, path: &str) -> PathBuf {
        let organizations = self.dir().join("organizations");
        let path = organizations.join(path);
        match path.is_dir() {
            true => {
                fs::read_dir(path).expect("readable").next().expect("one").expect("read").path()
            }
            false => path,
        }
    }

    /// Waits until a node's process has ended by itself.
    fn wait_for_end(&self, node: &str) {
        let pid = fs::read_to_string(self.node(node, "pid_file")).expect("it ran");
        let status = format!("/proc/{}/status", pid.trim());
        let runs = || fs::read_to_string(&status).is_ok_and(|text| !text.contains("State:\tZ"));
        let begun = Instant::now();
        while runs() {
            assert!(begun.elapsed() < PATIENCE, "{node} does not end");
            std::thread::sleep(PATIENCE / 100);
        }
    }

    /// How many processes run for this place.
    fn processes(&self) -> usize {
        let mark = self.root.path().display().to_string();
        let processes = fs::read_dir("/proc").expect("Linux").flatten();
        processes
            .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
            .filter(|line| String::from_utf8_lossy(line).contains(&mark))
            .count()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.dir().join("network.json").exists() {
            self.network("down", &[]);
        }
    }
}

/// A small disk under a folder.
struct Disk(PathBuf);

impl Disk {
    /// `None` where this user may not mount.
    fn mount(folder: &Path) -> Option<Self> {
        fs::create_dir_all(folder).expect("made");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "carecord-test"]).arg(folder);
        let done = mount.output().is_ok_and(|output| output.status.success());
        done.then(|| Self(folder.to_owned()))
    }

    fn enlarge(&self) {
        let mut mount = Command::new("mount");
        mount.args(["-o", "remount,size=16m"]).arg(&self.0);
        assert!(mount.status().expect("it was mounted").success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Exactly one error: its code, its place at the beginning, what is wrong somewhere, and a hint.
#[track_caller]
fn one_error(said: &Said, exit: i32, code: &str, place: &str, what: &str) {
    assert_eq!(said.exit, exit, "{said:?}");
    assert_eq!(said.err.matches("error CR-").count(), 1, "{said:?}");
    let begin = format!("error {code}: {place}");
    assert!(said.err.starts_with(&begin), "{said:?} does not begin with {begin}");
    assert!(said.err.contains(what), "{said:?} lacks {what}");
    let lines: Vec<&str> = said.err.trim_end().lines().collect();
    assert!(lines.len() == 2 && lines[1].starts_with("  hint: "), "{said:?}");
    assert_eq!(said.out, "", "{said:?}");
}

#[test]
fn a_wrong_topology_is_named_by_its_line_and_nothing_is_made() {
    let two_orderers = "name = \"orderer1\"\norganisation = \"Orderer\"\n\n[[nodes]]\n";
    let cases = [
        (
            "an unknown key",
            "name = \"bench\"",
            "name = \"bench\"\ncolour = 1",
            "CR-NET-002",
            "colour",
        ),
        ("a wrong type", "name = \"small\"", "name = 7", "CR-NET-002", "invalid type"),
        ("no TOML", "name = \"small\"", "name = ", "CR-NET-002", ""),
        ("a bad name", "name = \"hospital-a\"", "name = \"../a\"", "CR-NET-003", "../a"),
        (
            "a doubled name",
            "[[nodes]]\n",
            &format!("[[nodes]]\n{two_orderers}"),
            "CR-NET-004",
            "orderer1",
        ),
        ("an unknown member", "[\"HospitalA\"]", "[\"HospitalB\"]", "CR-NET-005", "HospitalB"),
        ("an unknown orderer", "[\"orderer1\"]", "[\"orderer9\"]", "CR-NET-005", "orderer9"),
        ("no orderer", "[\"orderer1\"]", "[]", "CR-NET-006", "has no orderer"),
        (
            "a bad policy",
            "name = \"bench\"",
            "name = \"bench\"\nendorsement = \"AND('HospitalAMSP.peer'\"",
            "CR-NET-007",
            "policy",
        ),
        (
            "a policy of strangers",
            "name = \"bench\"",
            "name = \"bench\"\nendorsement = \"OR('NobodyMSP.peer')\"",
            "CR-NET-007",
            "NobodyMSP",
        ),
        ("a port out of range", "[[nodes]]\n", "[[nodes]]\nport = 70000\n", "CR-NET-008", "70000"),
        ("an unknown role", "role = \"peer\"", "role = \"pear\"", "CR-NET-009", "pear"),
    ];
    let place = Place::new();
    for (name, right, wrong, code, what) in cases {
        let text = SMALL.replacen(right, wrong, 1);
        assert_ne!(text, SMALL, "{name}");
        let topology = place.topology(&text);
        for verb in ["init", "up"] {
            let said = place.network(verb, &["--topology", &topology]);
            one_error(&said, 2, code, &format!("{topology}:"), what);
            let line = said.err.split(&format!("{topology}:")).nth(1).expect("the place");
            let line: usize = line.split(':').next().expect("a line").parse().expect("a number");
            assert!((1..=text.lines().count()).contains(&line), "{name}: {said:?}");
            assert!(!place.dir().exists(), "{name}: a folder was made");
        }
    }
    let absent = place.root.path().join("absent.toml").display().to_string();
    one_error(&place.network("up", &["--topology", &absent]), 2, "CR-NET-001", &absent, "no such");
    assert_eq!(place.processes(), 0);
}

#[test]
fn a_taken_port_is_named_before_anything_is_made() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound");
    let place = Place::new();
    let port = format!("[[nodes]]\nport = {}\n", address.port());
    let topology = place.topology(&SMALL.replacen("[[nodes]]\n", &port, 1));
    let said = place.network("up", &["--topology", &topology, "--detach"]);
    one_error(&said, 1, "CR-NET-010", &address.to_string(), "orderer1");
    assert!(!place.dir().exists());
    assert_eq!(place.processes(), 0);
}

#[test]
fn a_port_that_was_taken_meanwhile_is_named_by_up_and_by_the_node_itself() {
    let place = Place::made();
    let address = place.node("hospital-a", "address");
    let _taken = TcpListener::bind(&address).expect("free until now");
    one_error(&place.up(), 1, "CR-NET-010", &address, "hospital-a");
    assert_eq!(place.processes(), 0, "the orderer was not started either");
    let config = place.node("hospital-a", "config_file");
    let run = Command::new(env!("CARGO_BIN_EXE_carecord"))
        .args(["node", "run", "peer", "--config", &config])
        .output()
        .expect("it runs");
    let log = String::from_utf8_lossy(&run.stderr).into_owned();
    let said = log.lines().filter(|line| line.starts_with("error ")).collect::<Vec<_>>();
    assert_eq!((run.status.code(), said.len()), (Some(1), 1), "{log}");
    assert!(said[0].starts_with("error CR-NET-010: hospital-a: "), "{log}");
    assert!(said[0].contains(&address), "{log}");
}

#[test]
fn a_missing_or_unreadable_certificate_or_key_stops_only_the_node_that_needs_it() {
    let place = Place::made();
    assert_eq!(place.up().exit, 0);
    let peer =
        "peerOrganizations/hospital-a.carecord.test/peers/hospital-a.hospital-a.carecord.test";
    let pid = fs::read_to_string(place.node("hospital-a", "pid_file")).expect("it runs");
    let pid = pid.trim().parse().ok().and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("a process id"), rustix::process::Signal::KILL)
        .expect("sent");
    for (file, content, place_named) in [
        ("tls/server.crt", None, "tls/server.crt"),
        ("tls/server.key", None, "tls/server.key"),
        ("tls/server.key", Some("no key"), "tls/server.key"),
        ("msp/signcerts", None, "msp"),
        ("msp/keystore", None, "msp"),
        ("msp/keystore", Some("no key"), "msp"),
    ] {
        let path = place.credential(&format!("{peer}/{file}"));
        let kept = fs::read(&path).expect("readable");
        match content {
            None => fs::remove_file(&path).expect("removed"),
            Some(content) => fs::write(&path, content).expect("written"),
        }
        let named = place.dir().join("organizations").join(peer).join(place_named);
        one_error(&place.up(), 1, "CR-NET-011", &named.display().to_string(), "");
        assert_eq!(place.processes(), 1, "the orderer goes on, the peer does not run");
        fs::write(&path, kept).expect("written");
    }
    // A key that is a folder cannot be read, whoever asks.
    let key = place.credential(&format!("{peer}/tls/server.key"));
    let kept = fs::read(&key).expect("readable");
    fs::remove_file(&key).expect("removed");
    fs::create_dir(&key).expect("made");
    one_error(&place.up(), 1, "CR-NET-011", &key.display().to_string(), "is no regular file");
    fs::remove_dir(&key).expect("removed");
    fs::write(&key, kept).expect("written");
    assert_eq!(place.up().exit, 0, "all is well again");
    assert_eq!(place.put("k", "v").exit, 0);
}

#[test]
fn a_folder_that_holds_something_else_is_left_as_it_is() {
    let place = Place::new();
    let dir = place.dir();
    fs::create_dir(&dir).expect("made");
    fs::write(dir.join("letter.txt"), "dear").expect("written");
    let topology = place.topology(SMALL);
    for verb in ["init", "up"] {
        let said = place.network(verb, &["--topology", &topology]);
        one_error(&said, 2, "CR-NET-012", &dir.display().to_string(), "not empty");
    }
    assert_eq!(fs::read_dir(&dir).expect("there").count(), 1);

    let place = Place::made();
    let dir = place.dir();
    let before = fs::read(dir.join("network.json")).expect("made");
    let said = place.network("init", &["--topology", &place.topology(SMALL)]);
    one_error(&said, 2, "CR-NET-012", &dir.display().to_string(), "already");
    let other = place.topology(&SMALL.replacen("small", "other", 1));
    let said = place.network("up", &["--topology", &other, "--detach"]);
    one_error(&said, 2, "CR-NET-012", &dir.display().to_string(), "another topology");
    assert_eq!(fs::read(dir.join("network.json")).expect("there"), before);
    assert_eq!(place.processes(), 0);
}

#[test]
fn a_folder_of_another_version_is_refused_and_stays_as_it_is() {
    let place = Place::made();
    let path = place.dir().join("network.json");
    let text = fs::read_to_string(&path).expect("made");
    let newer = text.replacen("carecord.network/v1", "carecord.network/v2", 1);
    fs::write(&path, &newer).expect("written");
    for verb in ["up", "down", "status"] {
        let said = place.network(verb, &[]);
        one_error(&said, 1, "CR-NET-019", &path.display().to_string(), "carecord.network/v2");
    }
    assert_eq!(fs::read_to_string(&path).expect("there"), newer);
    fs::write(&path, &text).expect("written");

    // The logs of blocks begin with a version, too.
    assert_eq!(place.up().exit, 0);
    assert_eq!(place.put("k", "v").exit, 0);
    assert_eq!(place.network("down", &[]).exit, 0);
    let data = place.dir().join("nodes");
    for (node, log) in [
        ("orderer1", "orderer1/data/care/00000000000000000000.log"),
        ("hospital-a", "hospital-a/data/ledgers/care/blocks/00000000000000000000.log"),
    ] {
        let path = data.join(log);
        let kept = fs::read(&path).expect("written");
        fs::write(&path, later_version(&kept)).expect("written");
        let said = place.up();
        one_error(&said, 2, "CR-NET-012", node, &path.display().to_string());
        assert_eq!(place.processes(), 0);
        fs::write(&path, kept).expect("written");
    }
    assert_eq!(place.up().exit, 0);
    assert_eq!(place.get("k").out, "v\n");
}

/// A log file with a head as a later version would write it: number after the magic bytes, checksum at the end.
fn later_version(log: &[u8]) -> Vec<u8> {
    let mut later = log.to_vec();
    later[11] += 1;
    let checksum = crc32fast::hash(&later[..28]);
    later[28..32].copy_from_slice(&checksum.to_be_bytes());
    later
}

#[test]
fn a_folder_on_a_full_disk_is_taken_away_again() {
    let place = Place::new();
    let small = place.root.path().join("disk");
    let Some(_disk) = Disk::mount(&small) else {
        return testdata::skipped("init on a full disk");
    };
    let filler = small.join("filler");
    fs::write(&filler, vec![1; 2 << 20]).expect_err("it is cut off where the disk ends");
    let dir = small.join("net").display().to_string();
    let topology = place.topology(SMALL);
    let init = ["network", "init", "--dir", &dir, "--topology", &topology];
    one_error(&carecord(&init), 1, "CR-NET-013", &dir, "no space is left");
    assert_eq!(fs::read_dir(&small).expect("there").count(), 1, "only the filler is there");
    fs::remove_file(filler).expect("removed");
    assert_eq!(carecord(&init).exit, 0);
}

/// Commits until the disk of `node` is full, looks at what is said, frees space, and looks at what is there.
fn full_disk(node: &str, place: &Place, disk: &Disk) {
    let said = place.up();
    assert_eq!(said.exit, 0, "{said:?}");
    let value = "x".repeat(VALUE_BYTES);
    let mut acknowledged = Vec::new();
    let failed = loop {
        let key = format!("k{}", acknowledged.len());
        let said = place.put(&key, &value);
        if said.exit != 0 {
            break said;
        }
        acknowledged.push(key);
        assert!(acknowledged.len() < 100, "the disk is not full");
    };
    assert!(!acknowledged.is_empty());
    assert!(failed.err.starts_with("error CR-GW-00"), "never a success: {failed:?}");
    place.wait_for_end(node);
    let log = fs::read_to_string(place.node(node, "log_file")).expect("written");
    let named = place.dir().join("nodes").join(node).join("data").display().to_string();
    let said = log.lines().any(|line| line.contains(&named) && line.contains("No space left"));
    assert!(said, "the log of {node} does not name the file: {log}");

    let ended = format!("error CR-NET-013: {node}: ");
    let ended = log.lines().filter(|line| line.starts_with(&ended)).count();
    assert_eq!(ended, 1, "the process of {node} ended with the reason: {log}");

    disk.enlarge();
    assert_eq!(place.network("down", &[]).exit, 0);
    assert_eq!(place.up().exit, 0, "it starts without repair");
    for key in &acknowledged {
        assert_eq!(place.get(key).out.trim_end().len(), VALUE_BYTES, "{key} is lost");
    }
    let said = place.put("after", "v");
    assert_eq!(said.exit, 0, "{said:?}");
    assert_eq!(place.network("status", &[]).exit, 0);
}

#[test]
fn an_orderer_with_a_full_disk_ends_loses_nothing_and_needs_no_repair() {
    let place = Place::made();
    let Some(disk) = Disk::mount(&place.dir().join("nodes/orderer1/data")) else {
        return testdata::skipped("full disk of an orderer");
    };
    full_disk("orderer1", &place, &disk);
    drop(place);
    drop(disk);
}

#[test]
fn a_peer_with_a_full_disk_ends_loses_nothing_and_needs_no_repair() {
    let place = Place::made();
    let Some(disk) = Disk::mount(&place.dir().join("nodes/hospital-a/data")) else {
        return testdata::skipped("full disk of a peer");
    };
    full_disk("hospital-a", &place, &disk);
    drop(place);
    drop(disk);
}
