//! `sutura fhir bundle`: resources into Bundles.

use std::{fs, path::Path, sync::Arc};

use serde_json::json;
use sutura_core::ReadStats;
use sutura_fhir::bundle::{BundleError, BundleFolder, BundleKind, BundleParts, Entry, Options, ReferenceIndex, Requests, SearchMode};

use super::{
    places::require_folder,
    refusals::Refusals,
    resources::{Done, Reading, Resource, Take, account, account_json, each, findings_json, note_lost},
};
use crate::{
    args::fhir_resources::{BundleType, FhirBundleArgs, RequestKind},
    failure::{CLEAN, Failure, Outcome, TOO_MANY_REJECTS},
    output::{self, Console},
};

/// Runs the command.
pub(crate) fn run(args: &FhirBundleArgs, console: Console) -> Outcome {
    super::require_leave(&args.allow)?;
    require_folder(&args.output)?;
    let kind = match args.kind {
        BundleType::Collection => BundleKind::Collection,
        BundleType::Transaction => BundleKind::Transaction,
        BundleType::Batch => BundleKind::Batch,
        BundleType::Searchset => BundleKind::Searchset,
    };
    let options = Options {
        base: args.base.clone(),
        requests: match args.requests {
            RequestKind::Put => Requests::PutById,
            RequestKind::Create => Requests::Create,
            RequestKind::ConditionalCreate => Requests::ConditionalCreate,
        },
        max_entries: args.max_entries,
        rewrite_references: args.rewrite_references,
        timestamp: args.timestamp.clone(),
        search_url: args.search_url.clone(),
        total: args.total,
        ..Options::default()
    };
    let reading = || Reading { output: Some(args.output.clone()), ..Reading::default() };
    // The options are checked before anything is read or made.
    let empty = ReferenceIndex::new(kind, &options).map_err(Failure::configuration)?;
    let index = if options.needs_index(kind) {
        let first = each(&args.paths, Reading { again: true, ..reading() }, Index(empty), console)?;
        Some(Arc::new(first.work.0))
    } else {
        None
    };
    refuse_existing(&args.output, args.overwrite)?;
    let folder =
        BundleFolder::new(&args.output, args.overwrite).map_err(|error| Failure::io(&args.output.display().to_string(), &error))?;
    let parts = BundleParts::new(folder, kind, options, index).map_err(failure)?;
    let Done { work, stats, .. } = each(&args.paths, reading(), Write { parts, refusals: Refusals::default() }, console)?;
    let (files, summary) = work.parts.finish().map_err(failure)?;
    report(args, &stats, files, &summary, &work.refusals, console)?;
    let lost = note_lost(&stats, console);
    Ok(if work.refusals.total() == 0 && stats.rejected == 0 && !lost { CLEAN } else { TOO_MANY_REJECTS })
}

/// A folder that holds Bundles already is not mixed with others.
fn refuse_existing(folder: &Path, overwrite: bool) -> Outcome<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    let is_bundle = |name: &str| name.strip_suffix(".json").is_some_and(|name| name.starts_with("bundle-"));
    if !overwrite && entries.flatten().any(|entry| is_bundle(&entry.file_name().to_string_lossy())) {
        let message = format!("{}: holds Bundles already; give another folder or --overwrite", folder.display());
        return Err(Failure::configuration(message));
    }
    Ok(())
}

fn failure(error: BundleError) -> Failure {
    match error {
        BundleError::BadOption { .. } => Failure::configuration(error),
        other => Failure::failed(crate::failure::chain(&other)),
    }
}

struct Index(ReferenceIndex);

impl Take for Index {
    fn take(&mut self, resource: Resource<'_>) -> Outcome<()> {
        match self.0.add(entry(resource)) {
            // What is refused here is refused again, and counted, when it is written.
            Err(error) if !error.is_refusal() => Err(failure(error)),
            _ => Ok(()),
        }
    }
}

struct Write {
    parts: BundleParts<BundleFolder>,
    refusals: Refusals,
}

impl Take for Write {
    fn take(&mut self, resource: Resource<'_>) -> Outcome<()> {
        self.parts.push(entry(resource)).or_else(|error| self.refusals.take(&error, resource))
    }
}

fn entry(resource: Resource<'_>) -> Entry<'_> {
    let search = resource.search_mode.and_then(SearchMode::from_code).unwrap_or_default();
    Entry { full_url: resource.full_url, search, ..Entry::from(resource.json.as_bytes()) }
}

fn report(
    args: &FhirBundleArgs,
    stats: &ReadStats,
    files: u64,
    summary: &sutura_fhir::bundle::Summary,
    refusals: &Refusals,
    console: Console,
) -> Outcome<()> {
    if args.json {
        return output::print_json(&json!({
            "read": account_json(stats), "findings": findings_json(stats), "refused": refusals.to_json(), "purpose": args.allow.purpose, "bundles": files, "entries": summary.entries, "bytes": summary.bytes,
            "folder": args.output,
        }));
    }
    console.note(&account(stats));
    refusals.note(console);
    let bundles = output::count(usize::try_from(files).unwrap_or(usize::MAX), "Bundle");
    console.note(&format!("{bundles} with {} entries in {}", summary.entries, args.output.display()));
    Ok(())
}
