//! The `testbed` binary: a clap enum and one match.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use testbed::bench::BenchArgs;
use testbed::bench::ingest::floor::FloorArgs;
use testbed::demo::DemoArgs;
use testbed::exec::ExecArgs;
use testbed::send::SendArgs;
use testbed::stripe::cli::StripeArgs;
use testbed::up::UpArgs;

/// What development and demonstration need around the services.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Bench(BenchArgs),
    Demo(DemoArgs),
    Exec(ExecArgs),
    #[command(hide = true)]
    Floor(FloorArgs),
    Send(SendArgs),
    Stripe(StripeArgs),
    Up(UpArgs),
    /// Stops what `up` started.
    Down,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Bench(args) => return Ok(ExitCode::from(u8::from(!args.run().await?))),
        Command::Demo(args) => return Ok(ExitCode::from(args.run().await?)),
        Command::Exec(args) => return Ok(ExitCode::from(args.run().await?)),
        Command::Floor(args) => args.run().await?,
        Command::Send(args) => args.run().await?,
        Command::Up(args) => return Ok(ExitCode::from(args.run().await?)),
        Command::Down => return Ok(ExitCode::from(testbed::up::down()?)),
        Command::Stripe(args) => args.run().await?,
    }
    Ok(ExitCode::SUCCESS)
}
