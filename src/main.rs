//! The `kaibo` program: arguments, logging, then window or command line.

use std::process::ExitCode;

use clap::Parser as _;
use kaibo::cli::{self, Cli};

fn main() -> ExitCode {
    cli::hide_secrets();
    let cli = Cli::parse();
    kaibo::logging::init(cli.verbose);
    kaibo::crash::install(kaibo::crash::default_folder());
    if let Ok(program) = std::env::current_exe() {
        kaibo::encode::probe::use_program(program);
    }
    cli::run(cli).into()
}
