//! The command line: what each command does and how it ends.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand};
use shared::config::EX_CONFIG;
use shared::ids::AccountId;
use shared::windows::{self, Window};
use shared::{runtime, telemetry};

use crate::backfill::{self, command::BackfillArgs};
use crate::budget::Purpose;
use crate::config::{Config, Settings};
use crate::store::sweeps::{Kind, Outcome};
use crate::sweep::SweepError;
use crate::sweep::window::Report;
use crate::verify::Verdict;
use crate::{parts, service};

/// What was asked for can't be told.
const PRECONDITION: u8 = 6;
/// Something differs that somebody has to look at.
const DRIFT: u8 = 7;
/// The processor did not catch up in time, so nothing can be said.
const TIMED_OUT: u8 = 124;

/// Compares Stripe's record with the ledger and publishes what is missing.
#[derive(Parser)]
#[command(name = "reconciler", version)]
pub struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Sweeps by the clock until it is stopped (the default).
    Run,
    /// Checks the settings, and nothing else.
    CheckConfig,
    /// Sweeps a window once; without one, what the tail's cursor has not covered.
    Sweep(Span),
    /// Compares a window and changes nothing; without one, all that Stripe lists.
    Verify(Span),
    /// Fills an empty system: all listed events, then the objects that are older.
    Backfill(BackfillArgs),
}

/// A window; its ends are clipped to what Stripe lists, and to SWEEP_LAG before now.
#[derive(Args, Clone, Copy)]
struct Span {
    /// RFC 3339; the first second compared.
    #[arg(long)]
    from: Option<DateTime<Utc>>,
    /// RFC 3339; the first second no longer compared.
    #[arg(long)]
    to: Option<DateTime<Utc>>,
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return unparsed(&error),
    };
    let config = match cli.settings.check() {
        Ok(config) => config,
        Err(refused) => {
            eprintln!("{refused}");
            return ExitCode::from(EX_CONFIG);
        }
    };
    let started = telemetry::init("reconciler", &config.common).map_err(anyhow::Error::from);
    let outcome = started.and_then(|telemetry| {
        let command = cli.command.unwrap_or(Command::Run);
        tokio::runtime::Runtime::new()?.block_on(perform(command, config, &telemetry))
    });
    outcome.unwrap_or_else(|error| {
        tracing::error!(error = format!("{error:#}"), "the reconciler ends");
        eprintln!("reconciler: {error:#}");
        ExitCode::FAILURE
    })
}

/// A setting that is missing or unreadable is a bad configuration; anything else bad usage.
fn unparsed(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    // Nobody reads it where it can't be printed.
    drop(error.print());
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        ErrorKind::MissingRequiredArgument
        | ErrorKind::InvalidValue
        | ErrorKind::ValueValidation => ExitCode::from(EX_CONFIG),
        _ => ExitCode::from(2),
    }
}

async fn perform(
    command: Command,
    config: Config,
    telemetry: &telemetry::Telemetry,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::CheckConfig => {
            println!("the configuration is good");
            Ok(ExitCode::SUCCESS)
        }
        Command::Run => {
            let ops = runtime::start_ops(config.common.ops_addr, telemetry.registry())?;
            tracing::info!(
                version = env!("CARGO_PKG_VERSION"),
                ?config,
                "the reconciler starts"
            );
            service::run(config, ops.health, ops.stop).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Sweep(span) => sweep(&config, span).await,
        Command::Verify(span) => verify(&config, span).await,
        Command::Backfill(args) => backfill::command::run(&config, args).await,
    }
}

async fn sweep(config: &Config, span: Span) -> anyhow::Result<ExitCode> {
    parts::check_topic(config).await?;
    let producer = parts::producer(config).await?;
    let engine = parts::engine(config, &producer).await?;
    let engine = engine.for_purpose(Purpose::Operator);
    let (mut reports, mut failed): (Vec<Report>, _) = (Vec::new(), None);
    for account in parts::accounts(config, &engine.reader.store).await? {
        let swept = match span.is_open() {
            true => engine.tail(account.as_ref()).await,
            false => match span.window(engine.reader.client.now().await?, config) {
                Some(window) => {
                    engine
                        .sweep(Kind::Window, account.as_ref(), window, None)
                        .await
                }
                None => Ok(Vec::new()),
            },
        };
        match swept {
            Ok(swept) => reports.extend(swept),
            Err(error) if error.is_lost() => return Err(error.into()),
            Err(error) => {
                let of = account
                    .as_ref()
                    .map_or("our own account", AccountId::as_str);
                eprintln!("{of}: {}", shared::error::chain(&error));
                failed.get_or_insert(error);
            }
        }
    }
    print_reports(&reports);
    if let Some(error) = failed {
        return Err(error.into());
    }
    let outcomes = || reports.iter().map(|report| report.outcome);
    Ok(if outcomes().any(|outcome| outcome == Outcome::Failed) {
        ExitCode::FAILURE
    } else if outcomes().any(|outcome| outcome == Outcome::Open) {
        ExitCode::from(TIMED_OUT)
    } else if outcomes().any(|outcome| outcome == Outcome::Planned) {
        // Somebody has to look, and to approve.
        ExitCode::from(DRIFT)
    } else {
        ExitCode::SUCCESS
    })
}

fn print_reports(reports: &[Report]) {
    for report in reports {
        println!("{report}");
    }
    let sum = |of: fn(&Report) -> usize| reports.iter().map(of).sum::<usize>();
    println!(
        "windows {}  listed {}  missing {}  repaired {}",
        reports.len(),
        sum(|report| report.counts.listed),
        sum(|report| report.counts.missing),
        sum(|report| report.counts.repaired),
    );
}

async fn verify(config: &Config, span: Span) -> anyhow::Result<ExitCode> {
    let mut reader = parts::reader(config).await?;
    reader.client = reader.client.for_purpose(Purpose::Operator);
    reader.store.read_only().await?;
    let now = reader.client.now().await.map_err(SweepError::from)?;
    let Some(window) = span.window(now, config) else {
        eprintln!("unknown: nothing of this window can be compared");
        println!(
            r#"{{"v":1,"verdict":"unknown","stripe_count":0,"ledger_count":0,"findings":[]}}"#
        );
        return Ok(ExitCode::from(PRECONDITION));
    };
    let accounts = parts::accounts(config, &reader.store).await?;
    let verified = reader.verify(&accounts, window).await?;
    eprintln!("{verified}");
    println!("{}", verified.json(window)?);
    Ok(match (verified.lag, verified.verdict()) {
        (Some(_), _) => ExitCode::from(TIMED_OUT),
        (None, Verdict::Drift) => ExitCode::from(DRIFT),
        (None, Verdict::Complete) => ExitCode::SUCCESS,
        (None, Verdict::Unknown) => ExitCode::from(PRECONDITION),
    })
}

impl Span {
    fn is_open(self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// What of it can be compared at Stripe's `now`: whole seconds, a begun one included.
    fn window(self, now: i64, config: &Config) -> Option<Window> {
        let begun = |at: DateTime<Utc>| {
            let part = i64::from(at.timestamp_subsec_nanos() > 0);
            at.timestamp().saturating_add(part)
        };
        windows::clip(
            self.from.map(|from| from.timestamp()),
            self.to.map(begun),
            now,
            config.limits.lag_s,
        )
    }
}
