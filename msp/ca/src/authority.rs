//! One CA: a key, a self-signed certificate, and what it issues.

use std::collections::BTreeMap;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SerialNumber,
};
use zeroize::Zeroizing;

use crate::key::private_pem;
use crate::low_s::LowSKey;
use crate::organisation::Subject;
use crate::pseudonym::random;
use crate::{Error, KeyKind, Validity, attributes};

/// Random bytes of a serial number: RFC 5280 allows 20 and wants it positive.
const SERIAL_BYTES: usize = 16;

/// Which NodeOU stands in a certificate's subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeRole {
    /// A person or a program that sends transactions.
    Client,
    /// A peer.
    Peer,
    /// Somebody who may administer the organisation.
    Admin,
    /// An ordering node.
    Orderer,
}

/// What a certificate shall say.
#[derive(Debug, Clone)]
pub struct Request {
    /// Common name of the subject.
    pub common_name: String,
    /// NodeOU of an identity certificate; of TLS certificates only administrators' have one.
    pub role: Option<NodeRole>,
    /// Whether it is for TLS.
    pub tls: bool,
    /// Content of Fabric-CA's attribute extension; nothing is written if empty.
    pub attributes: BTreeMap<String, String>,
    /// Host names and addresses that a TLS certificate answers for.
    pub hosts: Vec<String>,
    /// Leaves country, town and organisation out of the subject, as a patient's certificate must.
    pub anonymous: bool,
    /// Curve of the key that is made for the subject.
    pub key: KeyKind,
    /// When it holds; cut to the CA's own validity.
    pub validity: Validity,
}

/// A certificate and the key that was made for it.
#[derive(Clone)]
pub struct Issued {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// The private key, PKCS#8 PEM.
    pub key_pem: Zeroizing<String>,
}

/// A CA that is ready to issue.
pub struct Authority {
    name: String,
    subject: Subject,
    validity: Validity,
    certificate_pem: String,
    key_pem: Zeroizing<String>,
    issuer: Issuer<'static, LowSKey>,
}

// === impl NodeRole ===

impl NodeRole {
    /// The organizational unit that stands for the role.
    pub fn ou(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Peer => "peer",
            Self::Admin => "admin",
            Self::Orderer => "orderer",
        }
    }
}

// === impl Authority ===

impl Authority {
    /// A new self-signed CA named `common_name`.
    pub fn create(common_name: &str, subject: &Subject, validity: Validity) -> Result<Self, Error> {
        let failed = |source| Error::Issue { subject: common_name.to_owned(), source };
        let mut params = base_params(common_name, None, subject, validity)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
        ];
        let key = KeyKind::P256.generate(common_name)?;
        let key_pem = private_pem(&key);
        let key = LowSKey(key);
        let certificate = params.self_signed(&key).map_err(failed)?;
        Ok(Self {
            name: common_name.to_owned(),
            subject: subject.clone(),
            validity,
            certificate_pem: certificate.pem(),
            key_pem,
            issuer: Issuer::new(params, key),
        })
    }

    /// A CA that was written by [`crate::layout`] earlier, so that people can be enrolled later.
    pub fn load(name: &str, certificate_pem: &str, key_pem: &str) -> Result<Self, Error> {
        let unusable = |reason: String| Error::Authority { name: name.to_owned(), reason };
        let der = pem::parse(certificate_pem).map_err(|error| unusable(error.to_string()))?;
        let (_, parsed) = x509_parser::parse_x509_certificate(der.contents())
            .map_err(|error| unusable(error.to_string()))?;
        let key = KeyPair::from_pem(key_pem).map_err(|error| unusable(error.to_string()))?;
        if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err(unusable("the key does not belong to the certificate".to_owned()));
        }
        let validity = Validity {
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
        };
        let subject = Subject::of_name(parsed.subject());
        let issuer = Issuer::from_ca_cert_pem(certificate_pem, LowSKey(key))
            .map_err(|error| unusable(error.to_string()))?;
        Ok(Self {
            name: name.to_owned(),
            subject,
            validity,
            certificate_pem: certificate_pem.to_owned(),
            key_pem: Zeroizing::new(key_pem.to_owned()),
            issuer,
        })
    }

    /// Common name of the CA.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The CA's certificate, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The CA's private key, PKCS#8 PEM, for its folder.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// Makes a key and issues a certificate that says what `request` says.
    pub fn issue(&self, request: &Request) -> Result<Issued, Error> {
        let key = request.key.generate(&request.common_name)?;
        let certificate = self.certify(request, &key)?;
        Ok(Issued { certificate_pem: certificate.pem(), key_pem: private_pem(&key) })
    }

    fn certify(&self, request: &Request, key: &KeyPair) -> Result<Certificate, Error> {
        let failed = |source| Error::Issue { subject: request.common_name.clone(), source };
        let validity = request.validity.within(self.validity);
        let nobody = Subject::default();
        let subject = if request.anonymous { &nobody } else { &self.subject };
        let mut params = base_params(&request.common_name, request.role, subject, validity)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if request.tls {
            params.extended_key_usages =
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        }
        params.subject_alt_names =
            CertificateParams::new(request.hosts.clone()).map_err(failed)?.subject_alt_names;
        params.custom_extensions.extend(attributes::extension(&request.attributes));
        params.signed_by(key, &self.issuer).map_err(failed)
    }
}

fn base_params(
    common_name: &str,
    role: Option<NodeRole>,
    subject: &Subject,
    validity: Validity,
) -> Result<CertificateParams, Error> {
    let mut serial = random::<SERIAL_BYTES>()?;
    serial[0] = serial[0] & 0x7f | 0x40;
    let mut name = DistinguishedName::new();
    subject.push_to(&mut name);
    if let Some(role) = role {
        name.push(DnType::OrganizationalUnitName, role.ou());
    }
    name.push(DnType::CommonName, common_name);
    let mut params = CertificateParams::default();
    params.not_before = validity.start()?;
    params.not_after = validity.end()?;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.distinguished_name = name;
    Ok(params)
}
