//! Organisations, certificates and identities made for one test.

use std::sync::Arc;

use bytes::Bytes;
use carecord_msp::{Error, Msp, MspManager, MspVersion, SigningIdentity, encode_pem};
use carecord_proto::msp::{FabricMspConfig, MspConfig, SerializedIdentity};
use prost::Message;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData, RevokedCertParams,
    SerialNumber, SignatureAlgorithm, date_time_ymd,
};

pub(crate) const ORG1: &str = "Org1MSP";

/// A certificate authority.
pub(crate) struct Ca {
    pub(crate) params: CertificateParams,
    pub(crate) key: KeyPair,
    pub(crate) der: Vec<u8>,
}

/// Parameters of a certificate that lives from 2026 to 2046.
pub(crate) fn params(common_name: &str, ous: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    for ou in ous {
        params.distinguished_name.push(DnType::OrganizationalUnitName, *ou);
    }
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2046, 1, 1);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params.key_identifier_method = KeyIdMethod::Sha256;
    params
}

/// Parameters of a CA.
pub(crate) fn ca_params(common_name: &str) -> CertificateParams {
    let mut params = params(common_name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = false;
    params
}

pub(crate) fn p256() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap()
}

impl Ca {
    pub(crate) fn root(common_name: &str) -> Ca {
        Self::root_with(ca_params(common_name), &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    pub(crate) fn root_with(
        params: CertificateParams,
        algorithm: &'static SignatureAlgorithm,
    ) -> Ca {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Ca { params, key, der }
    }

    /// A CA below this one.
    pub(crate) fn intermediate(&self, common_name: &str) -> Ca {
        let (params, key) = (ca_params(common_name), p256());
        let der = self.issue(&params, &key);
        Ca { params, key, der }
    }

    pub(crate) fn issue(&self, params: &CertificateParams, key: &impl PublicKeyData) -> Vec<u8> {
        let issuer = Issuer::from_params(&self.params, &self.key);
        params.signed_by(key, &issuer).unwrap().der().to_vec()
    }

    /// A certificate of somebody with these OUs, and its key.
    pub(crate) fn leaf(&self, common_name: &str, ous: &[&str]) -> (Vec<u8>, KeyPair) {
        let key = p256();
        (self.issue(&params(common_name, ous), &key), key)
    }

    /// A revocation list that names these serial numbers.
    pub(crate) fn crl(&self, serials: &[&[u8]]) -> Bytes {
        let revoked = |serial: &&[u8]| RevokedCertParams {
            serial_number: SerialNumber::from_slice(serial),
            revocation_time: date_time_ymd(2026, 2, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 2, 1),
            next_update: date_time_ymd(2026, 3, 1),
            crl_number: SerialNumber::from_slice(&[1]),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let issuer = Issuer::from_params(&self.params, &self.key);
        params.signed_by(&issuer).unwrap().der().to_vec().into()
    }

    pub(crate) fn pem(&self) -> Bytes {
        pem(&self.der).into()
    }
}

pub(crate) fn pem(der: &[u8]) -> String {
    encode_pem("CERTIFICATE", der)
}

/// The bytes by which a certificate is shown as a creator or endorser.
pub(crate) fn serialized(msp_id: &str, pem: impl Into<Bytes>) -> Vec<u8> {
    SerializedIdentity { mspid: msp_id.into(), id_bytes: pem.into() }.encode_to_vec()
}

/// The configuration of an organisation whose roles are told by OUs that its first root certifies.
pub(crate) fn node_ou_config(roots: &[&Ca]) -> FabricMspConfig {
    FabricMspConfig {
        name: ORG1.into(),
        root_certs: roots.iter().map(|ca| ca.pem()).collect(),
        fabric_node_ous: Some(carecord_msp::keystore::default_node_ous(&roots[0].pem())),
        ..FabricMspConfig::default()
    }
}

pub(crate) fn msp_of(config: &FabricMspConfig, version: MspVersion) -> Result<Msp, Error> {
    let config = MspConfig { r#type: 0, config: config.encode_to_vec().into() };
    Msp::new(&config, version)
}

pub(crate) fn manager_of(config: &FabricMspConfig, version: MspVersion) -> MspManager {
    MspManager::new(vec![Arc::new(msp_of(config, version).unwrap())])
}

/// The manager of a channel with one organisation of node OUs under `root`.
pub(crate) fn manager(root: &Ca) -> MspManager {
    manager_of(&node_ou_config(&[root]), MspVersion::V1_4_3)
}

pub(crate) fn signer(der: &[u8], key: &KeyPair) -> SigningIdentity {
    SigningIdentity::from_pem(ORG1, pem(der).as_bytes(), key.serialize_pem().as_bytes()).unwrap()
}
