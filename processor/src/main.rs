//! The processor: folds `stripe.events` into Postgres.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use processor::{app, config::ProcessorArgs};
use shared::config::{DatabaseArgs, EX_CONFIG, ExposeSecret, read_secret};
use shared::error::chain;

#[derive(Parser)]
#[command(
    name = "processor",
    version,
    about = "Folds stripe.events into Postgres"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fold events until told to stop (the default)
    Run(Box<ProcessorArgs>),
    /// Check the settings and show them, secrets masked; change nothing
    CheckConfig(Box<ProcessorArgs>),
    /// Bring the schema up to date; needs only the database
    Migrate(DatabaseArgs),
}

fn main() -> ExitCode {
    match Cli::parse_from(shared::config::with_default_command("run")).command {
        Command::Run(args) => match args.validate() {
            Err(refused) => fail(EX_CONFIG, &refused.to_string()),
            Ok(config) => match app::run(&config) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) if error.is::<app::StartError>() => {
                    fail(EX_CONFIG, &format!("{error:#}"))
                }
                Err(error) => fail(1, &format!("{error:#}")),
            },
        },
        Command::CheckConfig(args) => {
            println!("{args:#?}");
            args.validate().map_or_else(
                |refused| fail(EX_CONFIG, &refused.to_string()),
                |_| ExitCode::SUCCESS,
            )
        }
        Command::Migrate(args) => migrate(&args),
    }
}

fn migrate(args: &DatabaseArgs) -> ExitCode {
    let file = args.database_url_file.as_deref();
    let url = match read_secret("DATABASE_URL", args.database_url.as_deref(), file) {
        Ok(url) => url,
        Err(error) => return fail(EX_CONFIG, &chain(&error)),
    };
    match shared::db::migrate(url.expose_secret()) {
        Ok(ran) => {
            println!("{ran} migration(s) applied; the schema is up to date");
            ExitCode::SUCCESS
        }
        Err(error) => fail(1, &chain(&error)),
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("processor: {message}");
    ExitCode::from(code)
}
