//! `bookend secrets status | roll`.

mod carry_out;
mod roll;
mod status;

use crate::args::{Global, SecretsCommand};
use crate::failure::Failure;
use crate::ingestors::IngestorError;

pub(crate) fn run(global: &Global, command: SecretsCommand) -> Result<(), Failure> {
    match command {
        SecretsCommand::Status(args) => status::run(global, &args),
        SecretsCommand::Roll(args) => roll::run(global, &args),
    }
}

fn ingestors(source: IngestorError) -> Failure {
    Failure::Ingestors { source }
}
