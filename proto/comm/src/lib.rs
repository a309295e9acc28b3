//! gRPC between processes: generated services, servers and reconnecting dial over mutual TLS, limits.

#[allow(missing_docs, clippy::all, rustdoc::all)]
mod generated {
    pub mod orderer {
        tonic::include_proto!("orderer");
    }
    pub mod protos {
        tonic::include_proto!("protos");
    }
    pub mod gateway {
        tonic::include_proto!("gateway");
    }
    pub mod cluster {
        tonic::include_proto!("carecord.orderer");
    }
    pub mod vault {
        tonic::include_proto!("carecord.vault");
    }
}

pub use generated::*;
