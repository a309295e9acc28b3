//! `init`: everything on disk that a network needs before its first node starts.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{credentials, files, genesis, ports, scrape};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::output::Output;
use crate::state::{NetworkDir, NetworkFile, replace_file};
use crate::topology::Topology;

/// Makes certificates, first blocks and configurations in `dir`, which must be new or empty.
pub fn init(
    dir: &NetworkDir,
    topology: &Topology,
    text: &str,
    output: Output,
) -> Outcome<NetworkFile> {
    refuse_old_folder(dir)?;
    let addresses = ports::choose(topology)?;
    let existed = dir.root().exists();
    let made = make(dir, topology, text, &addresses, output);
    if made.is_err() {
        // Half a network is of no use, and would stand in the way of the next try.
        remove(dir, existed);
    }
    made
}

fn make(
    dir: &NetworkDir,
    topology: &Topology,
    text: &str,
    addresses: &[ports::Addresses],
    output: Output,
) -> Outcome<NetworkFile> {
    let now = now_unix_s();

    let step = output.step("certificates");
    let made = credentials::make(topology, &dir.organizations(), now)?;
    let identities =
        topology.nodes.len() + made.iter().map(|made| made.people.len()).sum::<usize>();
    let organisations = topology.organisations.len();
    step.done(&format!("{organisations} organisations, {identities} identities"));

    let parts = genesis::Parts { topology, addresses, made: &made };
    for channel in &topology.channels {
        genesis::write(dir, &parts, channel, now)?;
    }
    files::write_nodes(dir, &parts)?;
    replace_file(&dir.topology(), text.as_bytes())?;
    let file = files::network_file(dir, &parts, now)?;
    scrape::write(dir, &file)?;
    dir.write(&file)?;
    if topology.ca { super::cas::add_all(dir, file, output) } else { Ok(file) }
}

/// Seconds since 1970 by this machine's clock.
pub(crate) fn now_unix_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Takes away what [`make`] has written; a folder that was there before stays, empty as it was.
fn remove(dir: &NetworkDir, existed: bool) {
    // What cannot be removed either is named by the next try, which finds the folder not empty.
    if !existed {
        let _ = std::fs::remove_dir_all(dir.root());
        return;
    }
    for entry in std::fs::read_dir(dir.root()).into_iter().flatten().flatten() {
        let path = entry.path();
        let _ =
            if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    }
}

/// Two networks in one folder would take each other's keys and data.
fn refuse_old_folder(dir: &NetworkDir) -> Outcome<()> {
    let root = dir.root();
    let mut entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Failure::file(root, &error)),
    };
    if entries.next().is_none() {
        return Ok(());
    }
    let failure = if dir.has_network() {
        Failure::new(Code::OldFolder, "the folder holds a network already")
            .hint("start it with `carecord network up` without --topology, or choose another folder with --dir")
    } else {
        Failure::new(Code::OldFolder, "the folder is not empty and holds no network")
            .hint("choose another folder with --dir")
    };
    Err(failure.at(root.display()))
}
