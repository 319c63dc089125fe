//! `bookend booking show | list | amend | accept | audit`.

mod audit;
mod describe;
mod expected;
mod known;
mod list;
mod show;

use crate::args::{BookingCommand, Global};
use crate::failure::Failure;

pub(crate) fn run(global: &Global, command: BookingCommand) -> Result<(), Failure> {
    match command {
        BookingCommand::Show { id } => show::run(global, &id),
        BookingCommand::List(filter) => list::run(global, &filter),
        BookingCommand::Amend(args) => expected::amend(global, &args),
        BookingCommand::Accept(args) => expected::accept(global, &args),
        BookingCommand::Audit(args) => audit::run(global, &args),
    }
}
