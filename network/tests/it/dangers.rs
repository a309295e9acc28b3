//! C9: what an update would take from somebody is said, and only what it would.

use std::path::Path;

use carecord::configuring::dangers;
use carecord_ca::layout::{OrganisationFolder, Tree};
use carecord_ca::{Organisation, Validity};
use carecord_channel::Bundle;
use carecord_channel::genesis::{ChannelSpec, OrganizationSpec, signature};
use carecord_msp::keystore;
use carecord_proto::common::{Config, ConfigGroup, ConfigPolicy};
use carecord_proto::etcdraft::Consenter;
use carecord_proto::msp::{FabricMspConfig, MspConfig};
use prost::Message;

const NOW: i64 = 1_790_000_000;

fn msp(folder: &Path, name: &str, msp_id: &str) -> MspConfig {
    let domain = format!("{}.test", name.to_lowercase());
    let organisation = Organisation::create(&domain, None, Validity::days_from(NOW, 10)).unwrap();
    let own = OrganisationFolder::new(folder, Tree::Peers, &domain).unwrap();
    own.write(&organisation).unwrap();
    keystore::load_msp_config(&own.msp(), msp_id).unwrap()
}

/// A channel of three members and one organisation that orders.
fn config(folder: &Path) -> Config {
    let mut spec = ChannelSpec::new("care");
    for name in ["A", "B", "C"] {
        let msp_id = format!("{name}MSP");
        let msp = msp(folder, name, &msp_id);
        spec.application
            .organizations
            .push(OrganizationSpec::application(name, &msp_id, msp, Vec::new()).unwrap());
    }
    let endpoints = vec!["127.0.0.1:7050".to_owned()];
    let msp = msp(folder, "O", "OMSP");
    spec.orderer.organizations.push(OrganizationSpec::orderer("O", "OMSP", msp, endpoints).unwrap());
    spec.orderer.addresses = vec!["127.0.0.1:7050".to_owned()];
    spec.orderer.consenters = vec![Consenter { port: 7050, host: "o".to_owned(), ..Default::default() }];
    spec.config()
}

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
    let config = config(folder.path());
    type Edit = fn(&mut ConfigGroup);
    let cases: [(Edit, &[&str]); 6] = [
        (|root| drop(application(root).groups.remove("C")), &[]),
        (
            |root| drop(application(root).groups.remove("A")),
            &["your own organisation AMSP would leave Application"],
        ),
        (
            |root| application(root).groups.clear(),
            &["your own organisation AMSP would leave", "no organisation would be left in Application"],
        ),
        (|root| take_admins(application(root).groups.get_mut("B").unwrap()), &[
            "BMSP would have no administrator any more",
            "nobody could change /Channel/Application/B any more",
        ]),
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
                "/Channel/Nowhere".clone_into(&mut root.groups.get_mut("Orderer").unwrap().mod_policy);
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

/// An MSP without administrators: none named, and no OU that means one.
fn take_admins(organisation: &mut ConfigGroup) {
    let value = organisation.values.get_mut("MSP").unwrap();
    let mut outer = MspConfig::decode(value.value.clone()).unwrap();
    let mut inner = FabricMspConfig::decode(outer.config.clone()).unwrap();
    inner.admins.clear();
    inner.fabric_node_ous.as_mut().unwrap().admin_ou_identifier = None;
    outer.config = inner.encode_to_vec().into();
    value.value = outer.encode_to_vec().into();
}
