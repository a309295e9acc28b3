//! Compiles the messages of the interface texts, without an installed `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "common.proto",
        "etcdraft.proto",
        "gateway.proto",
        "google/rpc/status.proto",
        "kvrwset.proto",
        "lifecycle.proto",
        "msp.proto",
        "orderer.proto",
        "peer.proto",
        "queryresult.proto",
        "rwset.proto",
        "cluster.proto",
        "ledger.proto",
        "vault.proto",
        "privdata.proto",
    ];
    let descriptors = protox::compile(files, ["fabric", "carecord"])?;
    prost_build::Config::new().bytes(["."]).btree_map(["."]).compile_fds(descriptors)?;
    println!("cargo::rerun-if-changed=fabric");
    println!("cargo::rerun-if-changed=carecord");
    Ok(())
}
