//! The `testbed` binary: a clap enum and one match.

use clap::{Parser, Subcommand};
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
    Stripe(StripeArgs),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Stripe(args) => args.run().await?,
    }
    Ok(())
}
