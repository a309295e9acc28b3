//! A membership service for each organisation, issuing from the CAs that bring-up made.
//!
//! A step of its own behind `init`, so that a network that was made without gets one later, and a newcomer its own.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use carecord_ca::layout::{OrganisationFolder, Tree};
use carecord_ca::service::{CaConfig, KeyFiles, Limits, RegistrarConfig};
use carecord_ca::{Cost, Issued, Organisation, Validity, make_secret};

use super::credentials::{failure, load};
use super::{ports, scrape};
use crate::error::{Failure, Outcome};
use crate::node::config::{LogConfig, NodeConfig, OperationsTlsConfig, TlsConfig};
use crate::output::Output;
use crate::state::{
    NetworkDir, NetworkFile, NodeEntry, OperationsTls, OrganisationEntry, replace_file,
};
use crate::topology::Topology;

/// Role of the nodes.
pub(crate) const ROLE: &str = "ca";
const HOST: &str = "127.0.0.1";
const TLS_DAYS: u32 = 365;
const SECRET_MODE: u32 = 0o600;

/// The first registrar of a CA node.
pub(crate) mod registrar {
    use super::{NodeEntry, PathBuf, own};

    /// Enrolment id.
    pub(crate) const ID: &str = "admin";

    /// File with the secret.
    pub(crate) fn secret(node: &NodeEntry) -> PathBuf {
        own(&node.config_file).join("registrar.secret")
    }

    /// MSP folder, once it is enrolled.
    pub(crate) fn msp(node: &NodeEntry) -> PathBuf {
        own(&node.config_file).join("registrar").join("msp")
    }
}

fn own(config_file: &Path) -> &Path {
    config_file.parent().unwrap_or(config_file)
}

/// Adds a CA for every organisation that has none.
pub fn add_all(dir: &NetworkDir, file: NetworkFile, output: Output) -> Outcome<NetworkFile> {
    let text = crate::state::read_text(&dir.topology())?;
    let topology = Topology::parse(&text).ok();
    let without: Vec<String> = file
        .organisations
        .iter()
        .filter(|organisation| !has_ca(&file, &organisation.name))
        .map(|organisation| organisation.name.clone())
        .collect();
    if without.is_empty() {
        return Ok(file);
    }
    let step = output.step("CAs");
    let mut file = file;
    for name in &without {
        let described = topology.as_ref().and_then(|topology| {
            topology.organisations.iter().find(|organisation| organisation.name == *name)
        });
        let roles = described.map_or_else(
            || carecord_ca::attributes::ROLES.map(str::to_owned).to_vec(),
            |organisation| organisation.roles.clone(),
        );
        file = add(dir, file, name, roles)?;
    }
    step.done(&format!("{} organisations have one", file.organisations.len()));
    Ok(file)
}

/// Whether the organisation runs a CA.
pub(crate) fn has_ca(file: &NetworkFile, organisation: &str) -> bool {
    file.nodes_of(ROLE).any(|node| node.organisation == organisation)
}

/// Adds a CA node for `organisation`, which may give `roles`; it is started like any node that does not run.
pub fn add(
    dir: &NetworkDir,
    mut file: NetworkFile,
    organisation: &str,
    roles: Vec<String>,
) -> Outcome<NetworkFile> {
    let entry = file.organisation(organisation)?.clone();
    let tree = if entry.role == "orderer" { Tree::Orderers } else { Tree::Peers };
    let folder =
        OrganisationFolder::new(&dir.organizations(), tree, &entry.domain).map_err(failure)?;
    let name = format!("ca-{}", entry.domain.split('.').next().unwrap_or(&entry.domain));
    let name = match file.nodes.iter().any(|node| node.name == name) {
        false => name,
        true => format!("ca-{}", entry.domain),
    };
    let addresses = ports::two(&file, HOST, &name)?;
    let node = node_entry(dir, &file, &entry, &folder, &name, &addresses)?;
    write_tls(dir, &folder, &node)?;
    write_secret(&registrar::secret(&node))?;
    let config = node_config(&node, &entry, &folder, roles);
    replace_file(&node.config_file, config.to_toml().as_bytes())?;
    file.nodes.push(node);
    scrape::write(dir, &file)?;
    dir.write(&file)?;
    Ok(file)
}

fn node_entry(
    dir: &NetworkDir,
    file: &NetworkFile,
    organisation: &OrganisationEntry,
    folder: &OrganisationFolder,
    name: &str,
    (address, operations_address): &(String, String),
) -> Outcome<NodeEntry> {
    let own = dir.node(name);
    let server_name = format!("ca.{}", organisation.domain);
    let tls = file.nodes.iter().any(|node| node.operations_tls.is_some());
    let admin = file.admin(&organisation.name)?;
    let operations_tls = tls.then(|| OperationsTls {
        ca_file: folder.tls_ca_certificate(),
        server_name: server_name.clone(),
        client_certificate_file: admin.tls_certificate_file.clone(),
        client_key_file: admin.tls_key_file.clone(),
    });
    Ok(NodeEntry {
        name: name.to_owned(),
        role: ROLE.to_owned(),
        organisation: organisation.name.clone(),
        msp_id: organisation.msp_id.clone(),
        address: address.clone(),
        cluster_address: None,
        operations_address: operations_address.clone(),
        operations_scheme: if tls { "https" } else { "http" }.to_owned(),
        operations_tls,
        tls_server_name: server_name,
        tls_ca_file: folder.tls_ca_certificate(),
        config_file: own.join("node.toml"),
        data_dir: own.join("data"),
        log_file: dir.log(name),
        pid_file: own.join("pid"),
        admin_address: None,
    })
}

fn node_config(
    node: &NodeEntry,
    organisation: &OrganisationEntry,
    folder: &OrganisationFolder,
    roles: Vec<String>,
) -> NodeConfig {
    let files = |certificate: PathBuf| KeyFiles {
        key: certificate.with_file_name("priv_sk"),
        certificate,
        chain: None,
    };
    let ca = CaConfig {
        name: node.name.clone(),
        data_dir: node.data_dir.clone(),
        signing: files(folder.ca_certificate()),
        tls: Some(files(folder.tls_ca_certificate())),
        passphrase_file: None,
        roles,
        affiliations: Vec::new(),
        registrar: Some(RegistrarConfig {
            id: registrar::ID.to_owned(),
            secret_file: registrar::secret(node),
        }),
        limits: Limits::default(),
        secret_cost: Cost::default(),
    };
    let tls = own(&node.config_file).join("tls");
    let mut config = NodeConfig::of_ca(&node.name, &organisation.msp_id, &node.address, ca);
    config.msp_dir = organisation.msp_dir.clone();
    config.data_dir = node.data_dir.clone();
    config.operations_address = Some(node.operations_address.clone());
    config.operations_tls = node
        .operations_tls
        .as_ref()
        .map(|_| OperationsTlsConfig { client_roots: vec![folder.tls_ca_certificate()] });
    config.tls = TlsConfig {
        certificate: tls.join("server.crt"),
        key: tls.join("server.key"),
        roots: vec![folder.tls_ca_certificate()],
        require_client_certificate: false,
    };
    config.log = LogConfig::default();
    config
}

fn write_tls(dir: &NetworkDir, folder: &OrganisationFolder, node: &NodeEntry) -> Outcome<()> {
    let organisation = load(folder).map_err(failure)?;
    let issued = tls(&organisation, node, TLS_DAYS)?;
    let tls = dir.node(&node.name).join("tls");
    replace_file(&tls.join("server.crt"), issued.certificate_pem.as_bytes())?;
    secret_file(&tls.join("server.key"), &issued.key_pem)
}

/// A TLS certificate for the service of `node`.
pub(crate) fn tls(organisation: &Organisation, node: &NodeEntry, days: u32) -> Outcome<Issued> {
    let hosts = [&node.tls_server_name, &node.name, "localhost", HOST, "::1"].map(str::to_owned);
    let validity = Validity::days_from(super::now_unix_s(), days);
    organisation.tls(&node.tls_server_name, &hosts, validity).map_err(failure)
}

fn write_secret(path: &Path) -> Outcome<()> {
    secret_file(path, &make_secret().map_err(failure)?)
}

/// Writes what only the owner may read, over whatever is there.
pub(crate) fn secret_file(path: &Path, text: &str) -> Outcome<()> {
    let failed = |error: std::io::Error| Failure::file(path, &error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let draft = path.with_extension("new");
    let _ = std::fs::remove_file(&draft);
    let mut options = std::fs::OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(SECRET_MODE).open(&draft).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&draft, path).map_err(failed)
}
