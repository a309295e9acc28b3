//! Setting up an MSP from its configuration, in Fabric's order: the first thing that does not fit is the error.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use carecord_proto::common::msp_role::MspRoleType;
use carecord_proto::msp::{
    FabricMspConfig, FabricNodeOUs, FabricOuIdentifier, MspConfig, SigningIdentityInfo,
};
use prost::Message;

use crate::member::Member;
use crate::msp::{Core, Hasher, MspVersion};
use crate::nodeou::{self, NodeOu, NodeOus};
use crate::x509::{CertPool, Certificate, RevocationList};
use crate::{Error, pem_block, revocation, sanitize};

/// MSP type of certificates, as opposed to idemix.
pub(crate) const FABRIC_TYPE: i32 = 0;

/// Builds the MSP of a configuration.
pub(crate) fn set_up(config: &MspConfig, version: MspVersion) -> Result<Core, Error> {
    if config.r#type != FABRIC_TYPE {
        return Err(Error::Setup(format!("Setup error: unsupported msp type {}", config.r#type)));
    }
    let config = FabricMspConfig::decode(&config.config[..])
        .map_err(|why| Error::Setup(format!("failed unmarshalling fabric msp config: {why}")))?;
    let mut core = empty(&config, version);
    core.set_up_cas(&config)?;
    if version < MspVersion::V1_4_3 {
        core.set_up_admins(&config)?;
        core.set_up_revocation_lists(&config)?;
        core.check_cas()?;
        core.check_signing_identity(config.signing_identity.as_ref())?;
        core.set_up_tls_cas(&config)?;
        core.set_up_ous(&config)?;
        if version > MspVersion::V1_0 {
            core.set_up_two_node_ous(config.fabric_node_ous.as_ref())?;
        }
    } else {
        core.set_up_revocation_lists(&config)?;
        core.check_cas()?;
        core.check_signing_identity(config.signing_identity.as_ref())?;
        core.set_up_tls_cas(&config)?;
        core.set_up_ous(&config)?;
        core.set_up_node_ous(config.fabric_node_ous.as_ref())?;
        core.set_up_admins(&config)?;
        if core.admins.is_empty() && !(core.node_ous.enforced && core.node_ous.admin.is_some()) {
            let why = "administrators must be declared when no admin ou classification is set";
            return Err(Error::Setup(why.into()));
        }
    }
    core.check_admins()?;
    Ok(core)
}

fn empty(config: &FabricMspConfig, version: MspVersion) -> Core {
    let crypto = config.crypto_config.clone().unwrap_or_default();
    Core {
        version,
        name: config.name.clone(),
        identifier_hash: Hasher::of_function(&crypto.identity_identifier_hash_function),
        signature_hash: Hasher::of_family(&crypto.signature_hash_family),
        root_certs: Vec::new(),
        intermediate_certs: Vec::new(),
        roots: CertPool::default(),
        intermediates: CertPool::default(),
        internal_nodes: BTreeSet::new(),
        revocation_lists: Vec::new(),
        ou_identifiers: BTreeMap::new(),
        node_ous: NodeOus::default(),
        admins: Vec::new(),
        tls_root_certs: config.tls_root_certs.clone(),
        tls_intermediate_certs: config.tls_intermediate_certs.clone(),
    }
}

/// Reads a certificate of the configuration.
fn read_pem(pem: &[u8]) -> Result<Certificate, Error> {
    let Some(block) = pem_block::decode(pem) else {
        return Err(Error::Setup(format!(
            "getCertFromPem error: could not decode pem bytes [{}]",
            byte_list(pem)
        )));
    };
    Certificate::read(&block.bytes)
        .map_err(|why| Error::from(why).within("getCertFromPem error: failed to parse x509 cert"))
}

/// Like [`read_pem`] for a field that may be missing.
fn read_set_pem(pem: &[u8]) -> Result<Certificate, Error> {
    if pem.is_empty() {
        return Err(Error::Setup("getCertFromPem error: nil idBytes".into()));
    }
    read_pem(pem)
}

fn byte_list(bytes: &[u8]) -> String {
    let each: Vec<String> = bytes.iter().map(u8::to_string).collect();
    format!("[{}]", each.join(" "))
}

fn pool(pems: &[Bytes]) -> Result<CertPool, Error> {
    let mut pool = CertPool::default();
    for pem in pems {
        pool.add(Arc::new(read_pem(pem)?));
    }
    Ok(pool)
}

impl Core {
    /// Roots and intermediates: first as they are, so that they can be sanitised, then sanitised.
    fn set_up_cas(&mut self, config: &FabricMspConfig) -> Result<(), Error> {
        if config.root_certs.is_empty() {
            return Err(Error::Setup("expected at least one CA certificate".into()));
        }
        self.roots = pool(&config.root_certs)?;
        self.intermediates = pool(&config.intermediate_certs)?;
        let sanitized = |pems: &[Bytes]| -> Result<Vec<Arc<Certificate>>, Error> {
            pems.iter().map(|pem| Ok(Member::new(self, read_pem(pem)?)?.certificate)).collect()
        };
        let root_certs = sanitized(&config.root_certs)?;
        let intermediate_certs = sanitized(&config.intermediate_certs)?;
        self.roots = CertPool::default();
        self.intermediates = CertPool::default();
        root_certs.iter().for_each(|c| self.roots.add(c.clone()));
        intermediate_certs.iter().for_each(|c| self.intermediates.add(c.clone()));
        self.root_certs = root_certs;
        self.intermediate_certs = intermediate_certs;
        Ok(())
    }

    fn set_up_admins(&mut self, config: &FabricMspConfig) -> Result<(), Error> {
        let members: Result<Vec<Member>, Error> =
            config.admins.iter().map(|pem| Member::new(self, read_pem(pem)?)).collect();
        self.admins = members?;
        Ok(())
    }

    fn set_up_revocation_lists(&mut self, config: &FabricMspConfig) -> Result<(), Error> {
        for bytes in &config.revocation_list {
            let list = RevocationList::read(bytes)
                .map_err(|why| Error::from(why).within("could not parse RevocationList"))?;
            self.revocation_lists.push(list);
        }
        Ok(())
    }

    /// CAs must say that they are, have a key identifier, chain and not be revoked. Then the tree is known.
    fn check_cas(&mut self) -> Result<(), Error> {
        for ca in self.root_certs.iter().chain(&self.intermediate_certs) {
            check_ca_form(ca)?;
            self.check_ca(ca, &self.roots, &self.intermediates)?;
        }
        let mut internal = BTreeSet::new();
        for ca in &self.intermediate_certs {
            let chain = self.unique_chain(ca).map_err(|why| {
                why.within(format!(
                    "failed getting validation chain, (SN: {})",
                    ca.serial_decimal()
                ))
            })?;
            internal.extend(chain[1..].iter().map(|parent| parent.raw.clone()));
        }
        self.internal_nodes = internal;
        Ok(())
    }

    fn check_ca(
        &self,
        ca: &Arc<Certificate>,
        roots: &CertPool,
        intermediates: &CertPool,
    ) -> Result<(), Error> {
        let not_valid = |why: Error| {
            why.within(format!("CA Certificate is not valid, (SN: {})", ca.serial_decimal()))
        };
        let chain = self
            .unique_chain_among(ca, roots, intermediates)
            .map_err(|why| not_valid(why.within("could not obtain certification chain")))?;
        revocation::check(self, ca, &chain).map_err(not_valid)
    }

    fn set_up_tls_cas(&mut self, config: &FabricMspConfig) -> Result<(), Error> {
        let roots = pool(&config.tls_root_certs)?;
        let intermediates = pool(&config.tls_intermediate_certs)?;
        for pem in config.tls_root_certs.iter().chain(&config.tls_intermediate_certs) {
            let ca = Arc::new(read_pem(pem)?);
            check_ca_form(&ca)?;
            self.check_ca(&ca, &roots, &intermediates)?;
        }
        Ok(())
    }

    /// A configuration that also carries a signer must carry its key; the key itself is not used here.
    fn check_signing_identity(&self, signer: Option<&SigningIdentityInfo>) -> Result<(), Error> {
        let Some(signer) = signer else { return Ok(()) };
        Member::new(self, read_set_pem(&signer.public_signer)?)?;
        let Some(key) = signer.private_signer.as_ref().filter(|key| !key.key_material.is_empty())
        else {
            return Err(Error::Setup("KeyMaterial not found in SigningIdentityInfo".into()));
        };
        if pem_block::decode(&key.key_material).is_none() {
            return Err(Error::Setup(format!("{}: wrong PEM encoding", key.key_identifier)));
        }
        Ok(())
    }

    fn set_up_ous(&mut self, config: &FabricMspConfig) -> Result<(), Error> {
        for ou in &config.organizational_unit_identifiers {
            let certifiers = self.certifiers_identifier(&ou.certificate).map_err(|why| {
                let name = &ou.organizational_unit_identifier;
                why.within(format!(
                    "failed getting certificate for [organizational_unit_identifier:{name:?}]"
                ))
            })?;
            let known =
                self.ou_identifiers.entry(ou.organizational_unit_identifier.clone()).or_default();
            if !known.contains(&certifiers) {
                known.push(certifiers);
            }
        }
        Ok(())
    }

    /// V1_1 and V1_3 know clients and peers, and need both.
    fn set_up_two_node_ous(&mut self, config: Option<&FabricNodeOUs>) -> Result<(), Error> {
        let Some(config) = config else { return Ok(()) };
        self.node_ous.enforced = config.enable;
        let named = |ou: &Option<FabricOuIdentifier>| {
            ou.as_ref().is_some_and(|ou| !ou.organizational_unit_identifier.is_empty())
        };
        for (ou, role) in
            [(&config.client_ou_identifier, "ClientOU"), (&config.peer_ou_identifier, "PeerOU")]
        {
            if !named(ou) {
                return Err(Error::Setup(format!(
                    "Failed setting up NodeOUs. {role} must be different from nil."
                )));
            }
        }
        self.node_ous.client = self.node_ou(config.client_ou_identifier.as_ref())?;
        self.node_ous.peer = self.node_ou(config.peer_ou_identifier.as_ref())?;
        Ok(())
    }

    fn set_up_node_ous(&mut self, config: Option<&FabricNodeOUs>) -> Result<(), Error> {
        let Some(config) = config else { return Ok(()) };
        let node_ous = NodeOus {
            enforced: false,
            client: self.node_ou(config.client_ou_identifier.as_ref())?,
            peer: self.node_ou(config.peer_ou_identifier.as_ref())?,
            admin: self.node_ou(config.admin_ou_identifier.as_ref())?,
            orderer: self.node_ou(config.orderer_ou_identifier.as_ref())?,
        };
        let any = [&node_ous.client, &node_ous.peer, &node_ous.admin, &node_ous.orderer]
            .iter()
            .any(|ou| ou.is_some());
        self.node_ous = NodeOus { enforced: config.enable && any, ..node_ous };
        Ok(())
    }

    fn node_ou(&self, config: Option<&FabricOuIdentifier>) -> Result<Option<NodeOu>, Error> {
        let Some(config) = config else { return Ok(None) };
        let certifiers_identifier = if config.certificate.is_empty() {
            Vec::new()
        } else {
            self.certifiers_identifier(&config.certificate)?
        };
        let name = config.organizational_unit_identifier.clone();
        Ok(Some(NodeOu { name, certifiers_identifier }))
    }

    /// The hash of the chain from one of this MSP's CAs to its root.
    fn certifiers_identifier(&self, pem: &[u8]) -> Result<Vec<u8>, Error> {
        let certificate = read_set_pem(pem).map_err(|why| {
            Error::Setup(format!("Failed getting certificate for [{}]: [{why}]", byte_list(pem)))
        })?;
        let (ca, _) = sanitize::sanitize(self, Arc::new(certificate))
            .map_err(|why| Error::Setup(format!("sanitizeCert failed {why}")))?;
        let chain = if self.root_certs.contains(&ca) {
            vec![ca]
        } else if self.intermediate_certs.contains(&ca) {
            let chain = self
                .unique_chain(&ca)
                .map_err(|why| why.within("failed getting validation chain"))
                .and_then(|chain| self.check_tree(&chain, true).map(|()| chain));
            chain.map_err(|why| {
                let subject = &ca.subject;
                Error::Setup(format!("Failed computing validation chain for [{subject}]. [{why}]"))
            })?
        } else {
            return Err(Error::Setup(format!(
                "Failed adding OU. Certificate [{}] not in root or intermediate certs.",
                ca.subject
            )));
        };
        self.identifier_digest(chain.iter().map(|c| &c.raw[..])).map_err(|why| {
            Error::Setup(format!(
                "Failed computing Certifiers Identifier for [{}]. [{why}]",
                byte_list(pem)
            ))
        })
    }

    /// Admins must be valid; where OUs tell roles apart, they must be clients or, later, admins.
    fn check_admins(&self) -> Result<(), Error> {
        for (i, admin) in self.admins.iter().enumerate() {
            let invalid = |why: Error| why.within(format!("admin {i} is invalid"));
            if !self.node_ous.enforced {
                admin.validate(self).map_err(invalid)?;
            } else if self.version < MspVersion::V1_4_3 {
                self.has_validated_role(admin, MspRoleType::Client).map_err(invalid)?;
            } else {
                let ous = admin.ous(self);
                let client = nodeou::has_role(self, ous, MspRoleType::Client);
                let admin = nodeou::has_role(self, ous, MspRoleType::Admin);
                if let (Err(no_client), Err(no_admin)) = (client, admin) {
                    return Err(Error::Setup(format!(
                        "admin {i} is invalid [{no_client},{no_admin}]"
                    )));
                }
            }
        }
        Ok(())
    }
}

fn check_ca_form(ca: &Certificate) -> Result<(), Error> {
    let number = ca.serial_hex();
    if !ca.is_ca() {
        let why = format!("CA Certificate did not have the CA attribute, (SN: {number})");
        return Err(Error::Setup(why));
    }
    if ca.subject_key_id().is_none() {
        let why = Error::Setup("subjectKeyIdentifier not found in certificate".into());
        return Err(why.within(format!(
            "CA Certificate problem with Subject Key Identifier extension, (SN: {number})"
        )));
    }
    Ok(())
}
