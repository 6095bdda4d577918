//! `sutura fhir export` and `sutura fhir enrich`: one NDJSON file for each resource type, as a Bulk Data export has.

use std::sync::Arc;

use serde_json::json;
use sutura_core::ReadStats;
use sutura_fhir::{
    bundle::{BundleError, ExportOptions, Manifest, NdjsonExport},
    enrich::{self, Enricher, PatientIndex},
    json::Parser,
    validate::{ProfileStore, Validator},
};

use super::{
    places::require_folder,
    refusals::Refusals,
    resources::{Done, Reading, Resource, Take, account, account_json, each, findings_json, note_lost},
    validate::note_packages,
};
use crate::{
    args::fhir_resources::{FhirEnrichArgs, FhirExportArgs, Folder},
    commands::profiles,
    failure::{CLEAN, Failure, Outcome, TOO_MANY_REJECTS, chain},
    output::{self, Console},
};

/// Runs `export`.
pub(crate) fn export(args: &FhirExportArgs, console: Console) -> Outcome {
    super::require_leave(&args.folder.allow)?;
    require_folder(&args.folder.output)?;
    let work = Export { export: open(&args.folder)?, refusals: Refusals::default() };
    let Done { work, stats, .. } = each(&args.paths, reading(&args.folder, false), work, console)?;
    let manifest = work.export.finish().map_err(failure)?;
    report(&args.folder, &stats, &manifest, &work.refusals, None, console)
}

/// Runs `enrich`: everything is read twice, because what is said of a person may stand anywhere.
pub(crate) fn enrich(args: &FhirEnrichArgs, console: Console) -> Outcome {
    super::require_leave(&args.folder.allow)?;
    require_folder(&args.folder.output)?;
    let options = enrich::Options {
        validate: !args.no_validation,
        default_country: args.default_country.clone(),
        service_bases: args.service_bases.clone(),
        ..enrich::Options::new(args.reference_date)
    };
    let store = profiles(&args.packages)?;
    if let Some(store) = &store {
        note_packages(&store.problems(), &store.missing_packages(), console);
    }
    let index = PatientIndex::new().with_service_bases(args.service_bases.clone());
    let index = each(&args.paths, reading(&args.folder, true), Index { index, parser: Parser::default() }, console)?.work.index;
    let persons = index.len();
    let mut enricher = Enricher::new(options).with_patients(Arc::new(index));
    if let Some(store) = store.filter(|_| !args.no_validation) {
        enricher = enricher.with_validator(Validator::default().with_profiles(ProfileStore::over(store)));
    }
    let work = Enrich {
        enricher,
        parser: Parser::default(),
        text: Vec::new(),
        outcome: enrich::Outcome::default(),
        to: Export { export: open(&args.folder)?, refusals: Refusals::default() },
    };
    let Done { work, stats, .. } = each(&args.paths, reading(&args.folder, false), work, console)?;
    let manifest = work.to.export.finish().map_err(failure)?;
    let done = Enriched { persons, outcome: work.outcome };
    report(&args.folder, &stats, &manifest, &work.to.refusals, Some(&done), console)
}

fn reading(folder: &Folder, again: bool) -> Reading {
    Reading { output: Some(folder.output.clone()), again, ..Reading::default() }
}

fn open(folder: &Folder) -> Outcome<NdjsonExport> {
    let options =
        ExportOptions { gzip: folder.gzip, overwrite: folder.overwrite, purpose: folder.allow.purpose.clone(), ..ExportOptions::default() };
    NdjsonExport::create(&folder.output, options).map_err(failure)
}

fn failure(error: BundleError) -> Failure {
    match error {
        BundleError::Exists(_) => Failure::configuration(format!("{}; --overwrite allows it", chain(&error))),
        other => Failure::failed(chain(&other)),
    }
}

struct Export {
    export: NdjsonExport,
    refusals: Refusals,
}

impl Take for Export {
    fn take(&mut self, resource: Resource<'_>) -> Outcome<()> {
        self.export.push(resource.json.as_bytes()).or_else(|error| self.refusals.take(&error, resource))
    }
}

struct Index {
    index: PatientIndex,
    parser: Parser,
}

impl Take for Index {
    fn take(&mut self, resource: Resource<'_>) -> Outcome<()> {
        // The reader has parsed it before.
        let document = self.parser.parse(resource.json.as_bytes()).map_err(Failure::failed)?;
        self.index.add_at(document.root(), resource.full_url).map_err(Failure::failed)
    }
}

struct Enrich {
    enricher: Enricher,
    parser: Parser,
    text: Vec<u8>,
    outcome: enrich::Outcome,
    to: Export,
}

impl Take for Enrich {
    fn take(&mut self, resource: Resource<'_>) -> Outcome<()> {
        self.text.clear();
        let document = self.parser.parse(resource.json.as_bytes()).map_err(Failure::failed)?;
        let outcome = self.enricher.enrich_at(document.root(), resource.full_url, &mut self.text).map_err(Failure::failed)?;
        match self.to.export.push(&self.text) {
            Ok(()) => self.outcome += outcome,
            Err(error) => {
                self.to.refusals.take(&error, resource)?;
                // It was seen; what is not written is not enriched.
                self.outcome.resources += outcome.resources;
            }
        }
        Ok(())
    }
}

/// What enrichment did.
struct Enriched {
    persons: usize,
    outcome: enrich::Outcome,
}

fn report(
    folder: &Folder,
    stats: &ReadStats,
    manifest: &Manifest,
    refusals: &Refusals,
    enriched: Option<&Enriched>,
    console: Console,
) -> Outcome {
    if folder.json {
        let mut value = json!({
            "read": account_json(stats), "findings": findings_json(stats), "refused": refusals.to_json(), "manifest": manifest,
            "purpose": folder.allow.purpose, "folder": folder.output,
        });
        if let (Some(done), Some(members)) = (enriched, value.as_object_mut()) {
            members.insert("enriched".to_owned(), json!({ "persons": done.persons, "outcome": done.outcome }));
        }
        output::print_json(&value)?;
    } else {
        console.note(&account(stats));
        refusals.note(console);
        if let Some(done) = enriched {
            let outcome = &done.outcome;
            console.note(&format!(
                "{} of {} resources enriched with {} extensions; {} persons known; {} values judged, {} not",
                outcome.enriched, outcome.resources, outcome.extensions, done.persons, outcome.assessed, outcome.not_assessed
            ));
        }
        for file in &manifest.output {
            console.note(&format!("  {}: {} resources", file.url, file.count));
        }
        console.note(&format!("{} resources in {}", manifest.resources, folder.output.display()));
    }
    let lost = note_lost(stats, console);
    Ok(if refusals.total() == 0 && stats.rejected == 0 && !lost { CLEAN } else { TOO_MANY_REJECTS })
}
