//! The `carecord-acceptance` binary: every claim as a check.

use std::process::ExitCode;

fn main() -> ExitCode {
    carecord::acceptance::main()
}
