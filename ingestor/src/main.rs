//! The ingestor: verifies Stripe's signature and appends the event to Kafka.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ingestor::app::{self, UnfitTopics};
use ingestor::config::IngestorArgs;
use shared::config::EX_CONFIG;

#[derive(Parser)]
#[command(
    name = "ingestor",
    version,
    about = "Verifies Stripe's signature and appends the event to Kafka"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until told to stop (the default)
    Run(Box<IngestorArgs>),
    /// Check the settings and show them, secrets masked; change nothing
    CheckConfig(Box<IngestorArgs>),
}

fn main() -> ExitCode {
    let (args, only_check) =
        match Cli::parse_from(shared::config::with_default_command("run")).command {
            Command::Run(args) => (args, false),
            Command::CheckConfig(args) => (args, true),
        };
    match args.validate() {
        Err(refused) => fail(EX_CONFIG, &refused.to_string()),
        Ok(config) if only_check => {
            println!("{config:#?}");
            ExitCode::SUCCESS
        }
        Ok(config) => match app::run(&config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) if error.is::<UnfitTopics>() => fail(EX_CONFIG, &format!("{error:#}")),
            Err(error) => fail(1, &format!("{error:#}")),
        },
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("ingestor: {message}");
    ExitCode::from(code)
}
