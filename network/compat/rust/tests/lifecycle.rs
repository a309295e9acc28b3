//! The lifecycle client of the crate `fabric-sdk`, unmodified: package to call, as an administrator's program does it.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use carecord_compat_rust::{CHANNEL, Failure, Network};
use fabric_sdk::fabric::lifecycle::{
    ApproveChaincodeDefinitionForMyOrgArgs, ChaincodeSource, CheckCommitReadinessArgs,
    CommitChaincodeDefinitionArgs, chaincode_source,
};
use flate2::{Compression, write::GzEncoder};

const VALID: i32 = 0;

fn packed(files: &[(&str, &[u8])]) -> Result<Vec<u8>, Failure> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *bytes)?;
    }
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(&archive.into_inner()?)?;
    Ok(packer.finish()?)
}

fn package(kind: &str, label: &str, file: &str, json: &str) -> Result<Vec<u8>, Failure> {
    let metadata = format!(r#"{{"type":"{kind}","label":"{label}","path":""}}"#);
    let code = packed(&[(file, json.as_bytes())])?;
    packed(&[("metadata.json", metadata.as_bytes()), ("code.tar.gz", &code)])
}

/// Letters and digits that no other run uses.
fn unique() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    format!("sdk{}", now.as_nanos())
}

#[tokio::test]
async fn a_definition_goes_from_package_to_commit() -> Result<(), Failure> {
    let network = Network::read()?;
    let admins = [network.admin("HospitalA").await?, network.admin("HospitalB").await?];
    let name = unique();
    let bytes = package("carecord", &name, "chaincode.json", r#"{"name":"bench"}"#)?;
    let mut package_id = String::new();
    for admin in &admins {
        let lifecycle = admin.get_lifecycle_client();
        package_id = lifecycle.install_chaincode(bytes.clone()).await?.package_id;
        let all = lifecycle.query_installed_chaincodes().await?.installed_chaincodes;
        assert!(all.iter().any(|found| found.package_id == package_id));
        let one = lifecycle.query_installed_chaincode(package_id.clone()).await?;
        assert_eq!(one.label, name);
        assert_eq!(lifecycle.get_installed_chaincode_package(package_id.clone()).await?, bytes);
    }
    let local = chaincode_source::Local { package_id };
    let source = ChaincodeSource { r#type: Some(chaincode_source::Type::LocalPackage(local)) };
    for admin in &admins {
        let lifecycle = admin.get_lifecycle_client();
        let approve = ApproveChaincodeDefinitionForMyOrgArgs {
            name: name.clone(),
            version: "1.0".into(),
            sequence: 1,
            source: Some(source.clone()),
            ..Default::default()
        };
        let approved = lifecycle.approve_chaincode_definition(CHANNEL, approve).await?;
        assert_eq!(approved.result, VALID);
        let told = lifecycle.query_approved_chaincode_definition(CHANNEL, name.clone(), 1).await?;
        assert_eq!(told.source, Some(source.clone()));
    }
    let lifecycle = admins[0].get_lifecycle_client();
    let ready = CheckCommitReadinessArgs {
        name: name.clone(),
        version: "1.0".into(),
        sequence: 1,
        ..Default::default()
    };
    // The other organisation's approval may still be on its way to this peer.
    let mut tries = 0;
    while !lifecycle
        .check_commit_readiness(CHANNEL, ready.clone())
        .await?
        .approvals
        .values()
        .all(|it| *it)
    {
        tries += 1;
        assert!(tries < 100, "both have approved");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let commit = CommitChaincodeDefinitionArgs {
        name: name.clone(),
        version: "1.0".into(),
        sequence: 1,
        ..Default::default()
    };
    let committed = lifecycle.commit_chaincode_definition(CHANNEL, commit, &[&admins[1]]).await?;
    assert_eq!(committed.result, VALID);
    let told = lifecycle.query_chaincode_definition(CHANNEL, name.clone()).await?;
    assert!(told.approvals.values().all(|approved| *approved));
    let all = lifecycle.query_chaincode_definitions(CHANNEL).await?.chaincode_definitions;
    assert!(all.iter().any(|found| found.name == name));
    Ok(())
}

#[tokio::test]
async fn what_a_peer_cannot_build_is_refused_with_the_reason() -> Result<(), Failure> {
    let admin = Network::read()?.admin("HospitalA").await?;
    let go = package("golang", &unique(), "src/main.go", "package main")?;
    let refused = admin.get_lifecycle_client().install_chaincode(go).await;
    let text = refused.expect_err("nothing is built").to_string();
    assert!(text.contains("this peer builds no chaincode of type 'golang'"), "{text}");
    Ok(())
}

#[tokio::test]
async fn channels_and_their_configuration_are_told() -> Result<(), Failure> {
    let admin = Network::read()?.admin("HospitalA").await?;
    let cscc = admin.get_cscc_client();
    let channels = cscc.get_channels().await?.channels;
    assert!(channels.iter().any(|channel| channel.channel_id == CHANNEL));
    let config = cscc.get_channel_config(CHANNEL).await?;
    let groups = config.channel_group.map(|group| group.groups).unwrap_or_default();
    assert!(groups.contains_key("Application"));
    assert!(cscc.get_config_block(CHANNEL).await?.header.is_some());
    Ok(())
}
