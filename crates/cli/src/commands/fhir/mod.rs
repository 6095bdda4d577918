//! `sutura fhir ...`: one file a command.

mod view;

use crate::{args::fhir::FhirCommand, failure::Outcome, output::Console};

/// Runs a command; answers its exit code.
pub(crate) fn run(command: &FhirCommand, console: Console) -> Outcome {
    match command {
        FhirCommand::View(args) => view::run(args, console),
    }
}
