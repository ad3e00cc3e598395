//! The command `session`. Its code is the module `cli` of the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    session_runtime::cli::main()
}
