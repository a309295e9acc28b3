//! C1, C3, C5, C9: updates of a channel's configuration as whoever makes them is told of them.

use std::path::Path;

use carecord::configuring::{compute_update, dangers, envelope, missing, sign};
use carecord_ca::layout::{OrganisationFolder, Tree};
use carecord_ca::{Organisation, Person, Validity};
use carecord_channel::Bundle;
use carecord_channel::genesis::{ChannelSpec, OrganizationSpec, signature};
use carecord_msp::{Signer, SigningIdentity, keystore};
use carecord_proto::common::{Config, ConfigGroup, ConfigPolicy, Envelope};
use carecord_proto::msp::MspConfig;
use prost::Message;

const NOW: i64 = 1_790_000_000;

/// What is said of the update that `edit` makes, submitted by A.
fn said(config: &Config, edit: impl FnOnce(&mut ConfigGroup)) -> Vec<String> {
    let mut next = config.clone();
    edit(next.channel_group.as_mut().unwrap());
    let bundle = |config| Bundle::compile("care", config).unwrap();
    dangers(&bundle(config), &bundle(&next), "AMSP", &[])
}

fn application(root: &mut ConfigGroup) -> &mut ConfigGroup {
    root.groups.get_mut("Application").unwrap()
}

#[test]
fn c9_an_update_that_locks_somebody_out_is_named_before_it_is_submitted() {
    let folder = tempfile::tempdir().unwrap();
    let config = channel(folder.path()).0.config().clone();
    type Edit = fn(&mut ConfigGroup);
    let cases: [(Edit, &[&str]); 6] = [
        (|root| drop(application(root).groups.remove("C")), &[]),
        (
            |root| drop(application(root).groups.remove("A")),
            &["your own organisation AMSP would leave Application"],
        ),
        (
            |root| application(root).groups.clear(),
            &[
                "your own organisation AMSP would leave",
                "no organisation would be left in Application",
            ],
        ),
        (
            |root| {
                let rule = signature("AND('BMSP.admin', 'GoneMSP.admin')").unwrap();
                let own = application(root).groups.get_mut("B").unwrap();
                let admins = own.policies.get_mut("Admins").unwrap();
                *admins = ConfigPolicy { policy: Some(rule), ..admins.clone() };
            },
            &["nobody could change /Channel/Application/B any more"],
        ),
        (
            |root| {
                let rule = signature("AND('AMSP.admin', 'GoneMSP.admin')").unwrap();
                let admins = application(root).policies.get_mut("Admins").unwrap();
                *admins = ConfigPolicy { policy: Some(rule), ..admins.clone() };
            },
            &["nobody could satisfy /Channel/Application/Admins any more"],
        ),
        (
            |root| {
                "/Channel/Nowhere"
                    .clone_into(&mut root.groups.get_mut("Orderer").unwrap().mod_policy);
            },
            &["nobody could change /Channel/Orderer any more"],
        ),
    ];
    for (edit, expected) in cases {
        let said = said(&config, edit);
        for part in expected {
            assert!(said.iter().any(|line| line.contains(part)), "{part:?} is not in {said:#?}");
        }
        assert_eq!(said.is_empty(), expected.is_empty(), "{said:#?}");
    }
}

#[test]
fn c9_whoever_would_no_longer_be_an_administrator_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (bundle, admins) = channel(folder.path());
    let signer = bundle.msps().identity(&admins[0].serialized()).unwrap();
    // Another CA in the place of A's own: the last administrator's certificate is nobody's any more.
    let other = tempfile::tempdir().unwrap();
    let (msp, _) = member(other.path(), "A");
    let mut next = bundle.config().clone();
    let own = application(next.channel_group.as_mut().unwrap()).groups.get_mut("A").unwrap();
    own.values.get_mut("MSP").unwrap().value = msp.encode_to_vec().into();
    let after = Bundle::compile("care", &next).unwrap();
    let said = dangers(&bundle, &after, "AMSP", &[signer]);
    let expected = "Admin@a.test of AMSP, who signs this, would no longer be an administrator";
    assert_eq!(said, [expected]);
}

/// A member with its administrator, whose keys the test has.
fn member(folder: &Path, name: &str) -> (MspConfig, SigningIdentity) {
    let (domain, msp_id) = (format!("{}.test", name.to_lowercase()), format!("{name}MSP"));
    let validity = Validity::days_from(NOW, 10);
    let organisation = Organisation::create(&domain, None, validity).unwrap();
    let own = OrganisationFolder::new(folder, Tree::Peers, &domain).unwrap();
    own.write(&organisation).unwrap();
    let admin =
        Person { name: "Admin".to_owned(), role: None, admin: true, key: Default::default() };
    let issued = organisation.person(&admin, &format!("Admin@{domain}"), validity).unwrap();
    let (certificate, key) = (issued.certificate_pem.as_bytes(), issued.key_pem.as_bytes());
    let signer = SigningIdentity::from_pem(&msp_id, certificate, key).unwrap();
    (keystore::load_msp_config(&own.msp(), &msp_id).unwrap(), signer)
}

/// A channel of three members, and their administrators.
fn channel(folder: &Path) -> (Bundle, Vec<SigningIdentity>) {
    let mut spec = ChannelSpec::new("care");
    let mut admins = Vec::new();
    for name in ["A", "B", "C"] {
        let (msp, admin) = member(folder, name);
        let msp_id = format!("{name}MSP");
        let organization = OrganizationSpec::application(name, &msp_id, msp, Vec::new()).unwrap();
        spec.application.organizations.push(organization);
        admins.push(admin);
    }
    let (msp, _) = member(folder, "O");
    let endpoints = vec!["127.0.0.1:7050".to_owned()];
    spec.orderer
        .organizations
        .push(OrganizationSpec::orderer("O", "OMSP", msp, endpoints).unwrap());
    (Bundle::compile("care", &spec.config()).unwrap(), admins)
}

/// An update of the members' section, signed by `signers`.
fn update(bundle: &Bundle, signers: &[&SigningIdentity]) -> Envelope {
    let mut next = bundle.config().clone();
    application(next.channel_group.as_mut().unwrap()).groups.remove("C");
    let update = compute_update("care", bundle.config(), &next).unwrap();
    let signatures = signers.iter().map(|signer| sign(*signer, &update).unwrap()).collect();
    envelope("care", signers[0], update, signatures).unwrap()
}

#[test]
fn c3_who_has_not_signed_is_named_and_nobody_counts_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (bundle, admins) = channel(folder.path());
    let (a, b) = (&admins[0], &admins[1]);
    for signers in [vec![a], vec![a, a, a]] {
        let update = update(&bundle, &signers);
        let error = bundle.propose_update(&update).unwrap_err();
        let failure = missing(&bundle, &update, &error);
        assert_eq!(failure.code(), "CR-CFG-003");
        let said = failure.to_string();
        assert!(
            said.contains("1 sub-policies were satisfied, but this policy requires 2"),
            "{said}"
        );
        assert!(said.contains("signed as admin by A; not signed by B, C"), "{said}");
    }
    assert!(bundle.propose_update(&update(&bundle, &[a, b])).is_ok());
}

#[test]
fn c1_an_update_that_was_applied_is_a_conflict_the_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let (bundle, admins) = channel(folder.path());
    let update = update(&bundle, &[&admins[0], &admins[1]]);
    let (config, _) = bundle.propose_update(&update).unwrap();
    let next = bundle.next_bundle(&config).unwrap();
    let error = next.propose_update(&update).unwrap_err();
    let failure = missing(&next, &update, &error);
    assert_eq!(failure.code(), "CR-CFG-002");
    assert!(failure.cause().contains("to be at version") || failure.cause().contains("at version"));
}

#[test]
fn c5_a_block_whose_configuration_is_not_what_its_update_yields_halts_who_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let (bundle, admins) = channel(folder.path());
    let (honest, _) = bundle.propose_update(&update(&bundle, &[&admins[0], &admins[1]])).unwrap();
    assert!(bundle.next_bundle(&honest).is_ok());
    let mut forged = honest.clone();
    let root = forged.config.as_mut().unwrap().channel_group.as_mut().unwrap();
    application(root).groups.remove("B");
    let said = bundle.next_bundle(&forged).unwrap_err().to_string();
    assert!(
        said.contains("ConfigEnvelope LastUpdate did not produce the supplied config result"),
        "{said}"
    );
    let mut later = honest;
    later.config.as_mut().unwrap().sequence += 1;
    assert!(
        bundle
            .next_bundle(&later)
            .unwrap_err()
            .to_string()
            .contains("cannot validate config at sequence 2")
    );
}
