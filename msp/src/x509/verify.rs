//! The search for chains from a certificate to a root, in Go's order and with Go's limits.

use std::sync::Arc;

use super::{Certificate, Error};

/// Signatures that one search may check before it is given up.
const MAX_SIGNATURE_CHECKS: u32 = 100;

/// A certificate and its issuers up to a root.
pub(crate) type Chain = Vec<Arc<Certificate>>;

/// Certificates that may stand in a chain; the same one twice counts once.
#[derive(Debug, Clone, Default)]
pub(crate) struct CertPool(Vec<Arc<Certificate>>);

impl CertPool {
    pub(crate) fn add(&mut self, certificate: Arc<Certificate>) {
        if !self.contains(&certificate) {
            self.0.push(certificate);
        }
    }

    pub(crate) fn contains(&self, certificate: &Certificate) -> bool {
        self.0.iter().any(|c| **c == *certificate)
    }

    /// Those whose subject is the certificate's issuer, the most plausible first.
    fn potential_parents(&self, child: &Certificate) -> Vec<&Arc<Certificate>> {
        let wanted = &child.extensions.authority_key_id;
        let rank = |parent: &Certificate| {
            let own = &parent.extensions.subject_key_id;
            match (own == wanted, own.is_empty() != wanted.is_empty()) {
                (true, _) => 0,
                (false, true) => 1,
                (false, false) => 2,
            }
        };
        let mut parents: Vec<_> =
            self.0.iter().filter(|c| c.raw_subject == child.raw_issuer).collect();
        parents.sort_by_key(|parent| rank(parent));
        parents
    }
}

/// The trusted and the connecting certificates of one search, and the moment for which it is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search<'a> {
    pub(crate) roots: &'a CertPool,
    pub(crate) intermediates: &'a CertPool,
    /// Unix seconds.
    pub(crate) at: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Leaf,
    Intermediate,
    Root,
}

impl Search<'_> {
    /// All chains of `leaf` that are good for serving TLS, the purpose that Go asks for by default.
    pub(crate) fn chains(&self, leaf: &Arc<Certificate>) -> Result<Vec<Chain>, Error> {
        self.chains_good_for(leaf, good_for_serving)
    }

    /// All chains of `leaf` that are good for serving TLS or for calling with it.
    pub(crate) fn tls_chains(&self, leaf: &Arc<Certificate>) -> Result<Vec<Chain>, Error> {
        self.chains_good_for(leaf, |chain| good_for_serving(chain) || good_for_calling(chain))
    }

    fn chains_good_for(
        &self,
        leaf: &Arc<Certificate>,
        purpose: impl Fn(&[Arc<Certificate>]) -> bool,
    ) -> Result<Vec<Chain>, Error> {
        self.check(leaf, Position::Leaf, &[])?;
        let mut chains = if self.roots.contains(leaf) {
            vec![vec![leaf.clone()]]
        } else {
            self.build(std::slice::from_ref(leaf), &mut 0)?
        };
        chains.retain(|chain| purpose(chain));
        if chains.is_empty() {
            return Err(Error::IncompatibleKeyUsage);
        }
        let mut refused = None;
        chains.retain(|chain| match check_name_constraints(chain) {
            Ok(()) => true,
            Err(why) => {
                refused = Some(why);
                false
            }
        });
        match refused {
            Some(why) if chains.is_empty() => Err(why),
            _ => Ok(chains),
        }
    }

    fn build(&self, so_far: &[Arc<Certificate>], checks: &mut u32) -> Result<Vec<Chain>, Error> {
        let Some(child) = so_far.last() else { return Ok(Vec::new()) };
        let mut chains = Vec::new();
        let mut failure = None;
        let mut hint = None;
        let candidates =
            [(Position::Root, self.roots), (Position::Intermediate, self.intermediates)];
        for (position, pool) in candidates {
            for candidate in pool.potential_parents(child) {
                if already_in_chain(candidate, so_far) {
                    continue;
                }
                *checks += 1;
                if *checks > MAX_SIGNATURE_CHECKS {
                    failure = Some(Error::TooManySignatureChecks);
                    continue;
                }
                let checked = child
                    .check_signature_from(candidate)
                    .and_then(|()| self.check(candidate, position, so_far));
                if let Err(why) = checked {
                    failure = is_validity_failure(&why).then(|| why.clone()).or(failure);
                    hint.get_or_insert_with(|| unknown_authority_hint(&why, candidate));
                    continue;
                }
                failure = None;
                let longer = [so_far, std::slice::from_ref(candidate)].concat();
                if position == Position::Root {
                    chains.push(longer);
                    continue;
                }
                match self.build(&longer, checks) {
                    Ok(found) => chains.extend(found),
                    Err(why) => failure = Some(why),
                }
            }
        }
        if chains.is_empty() {
            return Err(failure.unwrap_or(Error::UnknownAuthority { hint }));
        }
        Ok(chains)
    }

    /// What one certificate must fulfil at its place in the chain.
    fn check(
        &self,
        certificate: &Certificate,
        position: Position,
        below: &[Arc<Certificate>],
    ) -> Result<(), Error> {
        if certificate.extensions.unhandled_critical {
            return Err(Error::UnhandledCriticalExtension);
        }
        let at = self.at;
        if at < certificate.not_before {
            return Err(Error::Expired { at, relation: "before", limit: certificate.not_before });
        }
        if at > certificate.not_after {
            return Err(Error::Expired { at, relation: "after", limit: certificate.not_after });
        }
        if position == Position::Intermediate && !certificate.is_ca() {
            return Err(Error::NotAuthorizedToSign);
        }
        let limit = certificate.extensions.basic_constraints.and_then(|b| b.max_path_len);
        let intermediates = below.len().saturating_sub(1) as u64;
        if limit.is_some_and(|limit| intermediates > limit) {
            return Err(Error::TooManyIntermediates);
        }
        Ok(())
    }
}

/// Failures of a signing CA itself end the search with their own text; a signature that does not hold only hints.
fn is_validity_failure(why: &Error) -> bool {
    matches!(
        why,
        Error::Expired { .. }
            | Error::UnhandledCriticalExtension
            | Error::NotAuthorizedToSign
            | Error::TooManyIntermediates
    )
}

fn unknown_authority_hint(why: &Error, candidate: &Certificate) -> String {
    let name = match candidate.subject.common_name() {
        "" => candidate.subject.to_string(),
        name => name.to_string(),
    };
    format!(
        " (possibly because of {:?} while trying to verify candidate authority certificate {name:?})",
        why.to_string()
    )
}

/// The same subject, key and alternative names: a certificate of the same CA under other bytes.
fn already_in_chain(candidate: &Certificate, chain: &[Arc<Certificate>]) -> bool {
    let names = |c: &Certificate| c.extensions.standard(17).map(|e| e.value.clone());
    chain.iter().any(|c| {
        c.raw_subject == candidate.raw_subject
            && c.raw_key == candidate.raw_key
            && names(c) == names(candidate)
    })
}

fn good_for_serving(chain: &[Arc<Certificate>]) -> bool {
    chain.iter().all(|certificate| {
        let usage = certificate.extensions.extended_key_usage;
        !usage.restricted || usage.server_auth_or_any
    })
}

fn good_for_calling(chain: &[Arc<Certificate>]) -> bool {
    chain.iter().all(|certificate| {
        let usage = certificate.extensions.extended_key_usage;
        !usage.restricted || usage.client_auth_or_any
    })
}

fn check_name_constraints(chain: &[Arc<Certificate>]) -> Result<(), Error> {
    for (i, certificate) in chain.iter().enumerate() {
        let Some(constraints) = &certificate.extensions.name_constraints else { continue };
        let mut comparisons = 0;
        for below in &chain[..i] {
            constraints.allow(&below.extensions.alternative_names, &mut comparisons)?;
        }
    }
    Ok(())
}
