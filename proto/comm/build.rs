//! Compiles the services of the interface texts; their messages are those of `carecord-proto`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "orderer.proto",
        "peer.proto",
        "gateway.proto",
        "cluster.proto",
        "vault.proto",
        "privdata.proto",
    ];
    let descriptors = protox::compile(files, ["../fabric", "../carecord"])?;
    tonic_prost_build::configure()
        .build_transport(false)
        .extern_path(".common", "::carecord_proto::common")
        .extern_path(".orderer", "::carecord_proto::orderer")
        .extern_path(".protos", "::carecord_proto::protos")
        .extern_path(".gateway", "::carecord_proto::gateway")
        .extern_path(".rwset", "::carecord_proto::rwset")
        .extern_path(".carecord", "::carecord_proto::carecord")
        .compile_fds(descriptors)?;
    println!("cargo::rerun-if-changed=../fabric");
    println!("cargo::rerun-if-changed=../carecord");
    Ok(())
}
