//! Makes Rust of the gRPC service in `proto`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(["proto/account.proto"], ["proto"])?;
    // The program listens by axum, and its tests need no connection.
    tonic_prost_build::configure().build_transport(false).compile_fds(files)?;
    Ok(())
}
