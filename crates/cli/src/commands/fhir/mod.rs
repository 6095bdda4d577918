//! `sutura fhir ...`: one file a command.

mod bundle;
mod export;
pub(super) mod places;
mod refusals;
pub(super) mod resources;
mod test_views;
mod validate;
mod view;

use crate::{
    args::{AllowPhi, fhir::FhirCommand},
    failure::{Failure, Outcome},
    output::Console,
};

/// Runs a command; answers its exit code.
pub(crate) fn run(command: &FhirCommand, console: Console) -> Outcome {
    match command {
        FhirCommand::View(args) => view::run(args, console),
        FhirCommand::Validate(args) => validate::run(args, console),
        FhirCommand::Bundle(args) => bundle::run(args, console),
        FhirCommand::Export(args) => export::export(args, console),
        FhirCommand::Enrich(args) => export::enrich(args, console),
        FhirCommand::TestViews(args) => test_views::run(args, console),
    }
}

/// Whole resources hold identifying data: they are written only with leave and a purpose.
pub(super) fn require_leave(allow: &AllowPhi) -> Outcome<()> {
    if allow.stated_purpose()?.is_none() {
        let message = "the output holds whole resources, so identifying data; allow it with --allow-phi --purpose 'why it is needed'";
        return Err(Failure::configuration(message));
    }
    Ok(())
}
