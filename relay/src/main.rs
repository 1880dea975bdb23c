//! `vigie`, the one binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    vigie_relay::cli::main()
}
