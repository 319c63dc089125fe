//! `bookend`, the operators' command line: what is in the ledger, why a booking is as it is, and
//! what to do about what fails.
//!
//! *Invariant:* ledger, objects, bookings, outbox, parked events and dead letters have one writer,
//! and this is not it. What it asks, it asks in one read-only transaction. What it writes are the
//! notes of what people do (`operator_actions` and their items), what they want of consumption
//! (`consumer_control`, the approval of a repair plan, an endpoint that is accepted) and the shadow
//! tables of a refold; everything else that an operator wishes travels as a record through the log.
//! In Kafka it joins no group and commits nothing.
//!
//! Data goes to standard output, everything else to standard error. It opens no listener. Three
//! commands call Stripe: `doctor` tries the reconciler's key with one call that reads,
//! `endpoint ensure` and `secrets roll` use the operator's own.

mod action;
mod args;
mod commands;
mod cursor;
mod database;
mod doctor;
mod endpoint;
mod failure;
mod finding_kind;
mod history;
mod ingestors;
mod kafka;
mod ledger;
mod output;
mod refold;
mod replay;
mod roll;
mod secrets;
mod settings;
mod text;

use crate::args::{Cli, Command};
use crate::failure::Failure;

fn main() -> std::process::ExitCode {
    let cli = args::parse();
    match run(cli) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bookend: {}", text::printable(&failure.explain()));
            std::process::ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { global, command } = cli;
    match command {
        Command::Event { command } => commands::event::run(&global, command),
        Command::Booking { command } => commands::booking::run(&global, command),
        Command::Object { command } => commands::object::run(&global, command),
        Command::Finding { command } => commands::finding::run(&global, command),
        Command::Dead { command } => commands::dead::run(&global, command),
        Command::Parked { command } => commands::parked::run(&global, command),
        Command::Consumer { command } => commands::consumer::run(&global, command),
        Command::Sweep { command } => commands::sweep::run(&global, command),
        Command::Endpoint { command } => commands::endpoint::run(&global, command),
        Command::Secrets { command } => commands::secrets::run(&global, command),
        Command::Action { command } => commands::action::run(&global, command),
        Command::Lag(lag) => commands::lag::run(&global, &lag),
        Command::Refold(refold) => commands::refold::run(&global, &refold),
        Command::Replay(replay) => commands::replay::run(&global, &replay),
        Command::Erase(erase) => commands::erase::run(&global, &erase),
        Command::Retention { command } => commands::retention::run(&global, command),
        Command::Doctor(doctor) => commands::doctor::run(&global, &doctor),
    }
}
