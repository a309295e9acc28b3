//! Proof of who sends a request: a certificate, and a signature by its key over the request.
//!
//! `authorization: base64(certificate PEM) "." base64(signature)`, the signature over
//! `METHOD.base64(uri).base64(body).base64(certificate PEM)`; Fabric-CA before 1.4 left method and uri out.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519,
    UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use carecord_msp::Signer;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 16 << 10;

/// What a token is about.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// Path and query, as they were sent.
    pub uri: &'a str,
    /// The body's bytes.
    pub body: &'a [u8],
}

/// A token whose signature holds; whether its certificate is anybody's is another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// What the token is remembered by: the same for every encoding of the same signature.
    pub hash: [u8; 32],
}

/// Makes a token for `request`.
pub fn make(
    signer: &dyn Signer,
    certificate_pem: &str,
    request: Request<'_>,
) -> Result<String, carecord_msp::Error> {
    let certificate = STANDARD.encode(certificate_pem);
    let signature = signer.sign(signed_text(request, &certificate).as_bytes())?;
    Ok(format!("{certificate}.{}", STANDARD.encode(signature)))
}

/// Checks the signature of `token`; `old_form` also takes one over the body alone.
pub fn verify(token: &str, request: Request<'_>, old_form: bool) -> Result<Token, &'static str> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err("the token is too long");
    }
    let (certificate, signature) =
        token.split_once('.').ok_or("invalid token format; expecting 2 parts separated by '.'")?;
    let pem = STANDARD.decode(certificate).map_err(|_| "the certificate is no base64")?;
    let signature = STANDARD.decode(signature).map_err(|_| "the signature is no base64")?;
    let block = pem::parse(pem).map_err(|_| "the certificate is no PEM")?;
    let (rest, parsed) = X509Certificate::from_der(block.contents())
        .map_err(|_| "the certificate cannot be parsed")?;
    if !rest.is_empty() {
        return Err("bytes follow the certificate");
    }
    let key = parsed.public_key();
    let holds = |text: &str| verifies(&key.subject_public_key.data, text.as_bytes(), &signature);
    let old = || holds(&format!("{}.{certificate}", STANDARD.encode(request.body)));
    if !(holds(&signed_text(request, certificate)) || old_form && old()) {
        return Err("token signature validation failed");
    }
    let nonce = nonce(&signature).ok_or("the signature cannot be read")?;
    let hash = Sha256::new().chain_update(key.raw).chain_update(nonce).finalize().into();
    Ok(Token { certificate: block.into_contents(), hash })
}

fn signed_text(request: Request<'_>, certificate: &str) -> String {
    let uri = STANDARD.encode(request.uri);
    let body = STANDARD.encode(request.body);
    format!("{}.{uri}.{body}.{certificate}", request.method)
}

/// The key's bytes tell its kind: 65 on P-256, 97 on P-384, 32 for Ed25519.
fn verifies(key: &[u8], text: &[u8], signature: &[u8]) -> bool {
    match key.len() {
        65 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key).verify(text, signature).is_ok(),
        97 => p384_verifies(key, text, signature),
        32 => UnparsedPublicKey::new(&ED25519, key).verify(text, signature).is_ok(),
        _ => false,
    }
}

/// Fabric's tools hash with SHA-256 whatever the curve; others go by the curve.
fn p384_verifies(key: &[u8], text: &[u8], signature: &[u8]) -> bool {
    [&ECDSA_P384_SHA256_ASN1, &ECDSA_P384_SHA384_ASN1]
        .into_iter()
        .any(|algorithm| UnparsedPublicKey::new(algorithm, key).verify(text, signature).is_ok())
}

/// The part of a signature that a third party cannot change: of ECDSA's two numbers the first (the second has a twin),
/// of an Ed25519 signature the first half.
fn nonce(signature: &[u8]) -> Option<&[u8]> {
    match signature {
        // A short-form sequence whose first element is an integer; that it verified says it is well-formed.
        [0x30, length, 0x02, r_length, rest @ ..] if *length < 0x80 => {
            rest.get(..usize::from(*r_length))
        }
        _ => signature.get(..32),
    }
}

#[cfg(test)]
mod tests {
    use carecord_msp::SigningIdentity;

    use super::*;
    use crate::{Authority, KeyKind, Organisation, Person, Validity};

    const REQUEST: Request<'_> =
        Request { method: "POST", uri: "/api/v1/register?ca=x", body: b"{\"id\":\"a\"}" };

    fn person(key: KeyKind) -> (String, SigningIdentity) {
        let validity = Validity::days_from(1_700_000_000, 10);
        let organisation = Organisation::create("a.test", None, validity).unwrap();
        let person = Person { name: "p".into(), role: None, admin: false, key };
        let issued = organisation.person(&person, "p", validity).unwrap();
        let (certificate, key) = (issued.certificate_pem, issued.key_pem);
        let signer = SigningIdentity::from_pem("M", certificate.as_bytes(), key.as_bytes());
        (certificate, signer.unwrap())
    }

    #[test]
    fn a_token_holds_for_its_request_and_no_other() {
        for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519] {
            let (certificate, signer) = person(kind);
            let token = make(&signer, &certificate, REQUEST).unwrap();
            verify(&token, REQUEST, false).unwrap();
            for other in [
                Request { method: "PUT", ..REQUEST },
                Request { uri: "/api/v1/register", ..REQUEST },
                Request { body: b"{}", ..REQUEST },
            ] {
                assert!(verify(&token, other, false).is_err(), "{kind:?} {other:?}");
                assert!(verify(&token, other, true).is_err(), "{kind:?} {other:?}");
            }
        }
    }

    #[test]
    fn the_old_form_is_taken_only_where_it_is_allowed() {
        let (certificate, signer) = person(KeyKind::P256);
        let encoded = STANDARD.encode(&certificate);
        let text = format!("{}.{encoded}", STANDARD.encode(REQUEST.body));
        let signature = STANDARD.encode(signer.sign(text.as_bytes()).unwrap());
        let token = format!("{encoded}.{signature}");
        assert!(verify(&token, REQUEST, false).is_err());
        verify(&token, REQUEST, true).unwrap();
    }

    #[test]
    fn the_twin_of_a_signature_is_remembered_as_the_same() {
        let (certificate, signer) = person(KeyKind::P256);
        let token = make(&signer, &certificate, REQUEST).unwrap();
        let (encoded, signature) = token.split_once('.').unwrap();
        let der = STANDARD.decode(signature).unwrap();
        let low = p256::ecdsa::Signature::from_der(&der).unwrap();
        let twin = p256::ecdsa::Signature::from_scalars(low.r(), -low.s()).unwrap();
        let twin = format!("{encoded}.{}", STANDARD.encode(twin.to_der()));
        assert_ne!(twin, token);
        let hash = |token: &str| verify(token, REQUEST, false).unwrap().hash;
        assert_eq!(hash(&twin), hash(&token));
    }

    #[test]
    fn garbage_is_no_token() {
        let authority =
            Authority::create("ca", &Default::default(), Validity::days_from(0, 1)).unwrap();
        let certificate = STANDARD.encode(authority.certificate_pem());
        for token in [
            "",
            ".",
            "a.b",
            "Basic YTpi",
            &format!("{certificate}."),
            &format!("{certificate}.AAAA"),
            &"x".repeat(20_000),
        ] {
            assert!(verify(token, REQUEST, true).is_err(), "{token:.40}");
        }
    }
}
