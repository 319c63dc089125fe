//! The `testbed` binary: a clap enum and one match.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use testbed::exec::ExecArgs;
use testbed::stripe::cli::StripeArgs;

/// What development and demonstration need around the services.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Exec(ExecArgs),
    Stripe(StripeArgs),
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Exec(args) => return Ok(ExitCode::from(args.run().await?)),
        Command::Stripe(args) => args.run().await?,
    }
    Ok(ExitCode::SUCCESS)
}
