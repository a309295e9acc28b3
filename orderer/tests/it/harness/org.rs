//! An organisation with its authorities and people.

use std::sync::Arc;

use bytes::Bytes;
use carecord_ca::{
    Edition, Issued, IssuedRecord, Issuing, Organisation, Person, Revocation, Validity,
};
use carecord_msp::{Signer, SigningIdentity, keystore};
use carecord_proto::msp::{MspConfig, SerializedIdentity};
use prost::Message;

use super::{now, validity};

/// An organisation with its authorities.
pub(crate) struct Org {
    pub(crate) msp_id: &'static str,
    pub(super) authority: Organisation,
}

impl Org {
    pub(crate) fn new(msp_id: &'static str, domain: &str) -> Self {
        let authority = Organisation::create(domain, None, validity()).unwrap();
        Self { msp_id, authority }
    }

    pub(crate) fn msp(&self) -> MspConfig {
        let ca = self.authority.ca().certificate_pem().as_bytes().to_vec();
        let tls_ca = self.authority.tls_ca().certificate_pem().as_bytes().to_vec();
        let ous = keystore::default_node_ous(&ca);
        keystore::msp_config_from(self.msp_id, &[ca.into()], &[tls_ca.into()], Some(ous))
    }

    pub(crate) fn user(&self, validity: Validity) -> Arc<dyn Signer> {
        self.person("u", false, validity)
    }

    pub(crate) fn admin(&self) -> Arc<dyn Signer> {
        self.person("admin", true, validity())
    }

    pub(super) fn person(&self, name: &str, admin: bool, validity: Validity) -> Arc<dyn Signer> {
        let person = Person { name: name.into(), role: None, admin, key: Default::default() };
        let issued = self.authority.person(&person, name, validity).unwrap();
        self.signer(&issued)
    }

    /// A TLS certificate of this organisation for `localhost`, PEM.
    pub(crate) fn tls_certificate(&self, validity: Validity) -> Bytes {
        let issued = self.authority.tls("orderer", &["localhost".to_owned()], validity).unwrap();
        issued.certificate_pem.into_bytes().into()
    }

    /// A revocation list, PEM, with the certificate of `revoked` on it.
    pub(crate) fn revocation_list(&self, revoked: &Arc<dyn Signer>) -> String {
        let ca = self.authority.ca();
        let issuing = Issuing::new(ca.certificate_pem(), "", ca.key_pem()).unwrap();
        let identity = SerializedIdentity::decode(revoked.serialized()).unwrap();
        let pem = String::from_utf8(identity.id_bytes.to_vec()).unwrap();
        let record = IssuedRecord {
            serial: serial(&pem),
            aki: String::new(),
            id: "u".to_owned(),
            profile: String::new(),
            pem,
            not_before: 0,
            not_after: i64::MAX,
            revoked: Some(Revocation { at: now(), reason: 0 }),
        };
        let edition = Edition { number: 1, made_at: now() - 1, next_at: now() + 1000 };
        issuing.revocation_list(&[record], edition).unwrap()
    }

    pub(super) fn signer(&self, issued: &Issued) -> Arc<dyn Signer> {
        let (certificate, key) = (issued.certificate_pem.as_bytes(), issued.key_pem.as_bytes());
        Arc::new(SigningIdentity::from_pem(self.msp_id, certificate, key).unwrap())
    }

    pub(super) fn roots(&self) -> [String; 1] {
        [self.authority.tls_ca().certificate_pem().to_owned()]
    }
}

/// The number of a certificate, which stands behind two lengths of two bytes and the version.
fn serial(certificate: &str) -> String {
    let der = pem::parse(certificate).unwrap().into_contents();
    assert_eq!(&der[8..14], [0xa0, 3, 2, 1, 2, 2]);
    let number = &der[15..15 + usize::from(der[14])];
    number.iter().map(|byte| format!("{byte:02x}")).collect()
}
