//! Certificates and keys of people who do not exist.

use std::sync::Arc;

use bytes::Bytes;
use carecord_proto::msp::SerializedIdentity;
use prost::Message;
use rcgen::{
    CertificateParams, CustomExtension, DnType, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SigningKey,
};

use crate::{Caller, ROLE_ATTRIBUTE};

/// The kinds of keys that a member can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA over P-256.
    P256,
    /// ECDSA over P-384.
    P384,
    /// Ed25519.
    Ed25519,
}

/// A member of an organisation with a self-signed certificate; what the peer's MSP checks is not the chaincode's matter.
#[derive(Clone)]
pub struct TestIdentity {
    creator: Bytes,
    key: Arc<KeyPair>,
    caller: Caller,
}

impl TestIdentity {
    /// A P-256 identity whose certificate states a role.
    pub fn new(msp_id: &str, role: &str) -> Self {
        Self::with(msp_id, Some(role), KeyKind::P256)
    }

    /// An identity with or without a role, with a key of this kind.
    pub fn with(msp_id: &str, role: Option<&str>, kind: KeyKind) -> Self {
        let algorithm = match kind {
            KeyKind::P256 => &PKCS_ECDSA_P256_SHA256,
            KeyKind::P384 => &PKCS_ECDSA_P384_SHA384,
            KeyKind::Ed25519 => &PKCS_ED25519,
        };
        let key = KeyPair::generate_for(algorithm).expect("the algorithm is supported");
        let key = Arc::new(key);
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "a random pseudonym");
        if let Some(role) = role {
            let attributes = serde_json::json!({"attrs": {ROLE_ATTRIBUTE: role}}).to_string();
            params.custom_extensions.push(CustomExtension::from_oid_content(
                &[1, 2, 3, 4, 5, 6, 7, 8, 1],
                attributes.into_bytes(),
            ));
        }
        let pem = params.self_signed(&*key).expect("a self-signed certificate").pem();
        let identity =
            SerializedIdentity { mspid: msp_id.to_owned(), id_bytes: pem.into_bytes().into() };
        let creator: Bytes = identity.encode_to_vec().into();
        let caller = Caller::from_creator(&creator).expect("our own certificate");
        Self { creator, key, caller }
    }

    /// A member whose certificate a CA has issued: serialized identity and key.
    pub fn issued(creator: Bytes, key_pem: &str) -> Self {
        let key = Arc::new(KeyPair::from_pem(key_pem).expect("a key"));
        let caller = Caller::from_creator(&creator).expect("a certificate");
        Self { creator, key, caller }
    }

    /// The creator bytes of its transactions.
    pub fn creator(&self) -> &Bytes {
        &self.creator
    }

    /// What a chaincode learns of it.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Signs with the certificate's key (P-384 over SHA-384, which is how rcgen signs).
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(message).expect("signing in memory")
    }

    /// The private key, PKCS#8 DER.
    pub fn private_key(&self) -> Vec<u8> {
        self.key.serialize_der()
    }
}
