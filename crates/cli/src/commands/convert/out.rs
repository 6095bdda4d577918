//! Where the result goes: made on hidden stages, given its names when all of it is whole.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, BufWriter, ErrorKind, Write},
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use sutura_fhir::{
    bundle::{BundleError, ExportOptions, NdjsonExport, Stage, Staged, remove_export},
    json::{Parser, Value},
};

use super::{account::Account, account::Rejected, account::write_rejects, work::Piece};
use crate::{
    args::convert::{ConvertArgs, ConvertForm},
    commands::fhir::places::{require_file, require_folder},
    failure::{Failure, Outcome, chain},
};

/// The file of Bundles in a folder.
const BUNDLES: &str = "bundles.ndjson";

/// The files of a run.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// What was asked for: the folder, or the file of Bundles.
    pub(super) out: PathBuf,
    /// The file of Bundles; none where there is a file a type.
    bundles: Option<PathBuf>,
    pub(super) report: PathBuf,
    pub(super) rejects: PathBuf,
    overwrite: bool,
    /// Why identifying data is written; it stands beside it.
    purpose: Option<String>,
}

impl Places {
    /// Where everything goes; says what stands in the way.
    pub(super) fn new(args: &ConvertArgs, out: &Path) -> Outcome<Self> {
        let is_file = out.extension().is_some_and(|end| end.eq_ignore_ascii_case("ndjson")) && !out.is_dir();
        if is_file && args.format == ConvertForm::Ndjson {
            return Err(Failure::configuration(format!("{}: --format ndjson makes a file a type; give a folder", out.display())));
        }
        let beside = |name: &str| if is_file { out.with_extension(name) } else { out.join(name.trim_start_matches("bundles.")) };
        let bundles = match (args.format, is_file) {
            (ConvertForm::Ndjson, _) => None,
            (ConvertForm::Bundle, true) => Some(out.to_owned()),
            (ConvertForm::Bundle, false) => Some(out.join(BUNDLES)),
        };
        let report = args.report.clone().unwrap_or_else(|| beside("conversion.json"));
        let rejects = args.rejects.clone().unwrap_or_else(|| beside("rejects.ndjson"));
        let places = Self { out: out.to_owned(), bundles, report, rejects, overwrite: args.overwrite, purpose: args.allow.purpose.clone() };
        if is_file {
            require_file(out)?;
        } else {
            require_folder(out)?;
        }
        for file in [args.report.as_deref(), args.rejects.as_deref()].into_iter().flatten() {
            require_file(file)?;
        }
        let mut taken = BTreeSet::new();
        for file in places.files() {
            if !taken.insert(real(file)) {
                return Err(Failure::configuration(format!("{}: result, report and rejects need a file each", file.display())));
            }
        }
        if places.bundles.is_none() && [&places.report, &places.rejects].into_iter().any(|file| is_type_file(out, file)) {
            return Err(Failure::configuration("report and rejects cannot have the name of a resource type in the folder of the types"));
        }
        if !places.overwrite
            && let Some(earlier) = places.files().find(|file| file.exists())
        {
            return Err(exists(earlier));
        }
        Ok(places)
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        self.bundles.as_deref().into_iter().chain([self.report.as_path(), self.rejects.as_path()])
    }

    /// What is written to, for who must not write over it.
    pub(super) fn outputs(&self) -> Vec<PathBuf> {
        self.files().map(Path::to_owned).chain([self.out.clone()]).collect()
    }
}

/// A path as the file system knows it, the file itself need not be there.
fn real(file: &Path) -> PathBuf {
    let parent = file.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let parent = fs::canonicalize(parent).or_else(|_| std::path::absolute(parent)).unwrap_or_else(|_| parent.to_owned());
    let path = file.file_name().map_or_else(|| parent.clone(), |name| parent.join(name));
    // Folders that are not there yet are no links: `..` leads out of them.
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// Whether a file could be one that the export of a type makes.
fn is_type_file(out: &Path, file: &Path) -> bool {
    let name = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
    real(file).parent().is_some_and(|parent| parent == real(&out.join("x")).parent().unwrap_or(out))
        && sutura_fhir::defs::r4().resource_named(name).is_some()
}

fn exists(file: &Path) -> Failure {
    Failure::configuration(format!("{}: is there already; --overwrite replaces it", file.display()))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Failure + use<> {
    let path = path.to_owned();
    move |error| if error.kind() == ErrorKind::AlreadyExists { exists(&path) } else { Failure::io(&path.display().to_string(), &error) }
}

fn of_export(error: BundleError) -> Failure {
    match error {
        BundleError::Exists(_) => Failure::configuration(format!("{}; --overwrite replaces it", chain(&error))),
        other => Failure::failed(chain(&other)),
    }
}

/// Takes what was made, in order.
pub(super) struct Writer {
    places: Places,
    form: Form,
}

enum Form {
    Bundles { path: PathBuf, file: Box<BufWriter<Staged>> },
    Types { export: Box<NdjsonExport>, parser: Box<Parser> },
}

impl Writer {
    /// A writer with nothing in it yet.
    pub(super) fn open(places: &Places) -> Outcome<Self> {
        let form = match &places.bundles {
            Some(path) => Form::Bundles { path: path.clone(), file: Box::new(BufWriter::with_capacity(1 << 20, staged(path)?)) },
            None => {
                let options = ExportOptions { overwrite: places.overwrite, purpose: places.purpose.clone(), ..ExportOptions::default() };
                Form::Types { export: Box::new(NdjsonExport::create(&places.out, options).map_err(of_export)?), parser: Box::default() }
            }
        };
        Ok(Self { places: places.clone(), form })
    }

    /// Writes what became of a batch.
    pub(super) fn take(&mut self, piece: &Piece) -> Outcome<()> {
        match &mut self.form {
            Form::Bundles { path, file } => file.write_all(&piece.bundles).map_err(failed(path)),
            Form::Types { export, parser } => {
                for bundle in piece.bundles.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    let document = parser.parse(bundle).map_err(Failure::failed)?;
                    let entries = document.root().get("entry");
                    for resource in entries.iter().flat_map(Value::items).filter_map(|entry| entry.get("resource")) {
                        export.push_value(resource).map_err(of_export)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Gives the files their names: the result, the rejects, and last the account.
    pub(super) fn publish(self, account: &Account, rejects: &[Rejected]) -> Outcome<()> {
        let Places { report, rejects: rejects_file, overwrite, .. } = &self.places;
        // All of them are on the disk before the first one has its name.
        let mut report_file = BufWriter::new(staged(report)?);
        account.write(self.places.purpose.as_deref(), rejects.len() as u64, &mut report_file)?;
        let mut report_stage = report_file.into_inner().map_err(|error| failed(report)(error.into_error()))?;
        report_stage.seal().map_err(failed(report))?;
        let rejects_stage = if rejects.is_empty() {
            None
        } else {
            let mut file = BufWriter::new(staged(rejects_file)?);
            let written = write_rejects(rejects, &mut file).and_then(|()| file.into_inner().map_err(io::IntoInnerError::into_error));
            Some(written.and_then(|mut file| file.seal().map(|()| file)).map_err(failed(rejects_file))?)
        };
        if *overwrite {
            // A result without its account is one that was broken off: the account of the earlier run goes before anything changes, and with it
            // what that run wrote in the other form.
            remove(report)?;
            match (&self.form, self.places.out.is_dir()) {
                (Form::Bundles { .. }, true) => remove_export(&self.places.out).map_err(of_export)?,
                (Form::Types { .. }, true) => remove(&self.places.out.join(BUNDLES))?,
                _ => {}
            }
        }
        match self.form {
            Form::Bundles { path, file } => {
                let file = file.into_inner().map_err(|error| failed(&path)(error.into_error()))?;
                file.publish(*overwrite).map_err(failed(&path))?;
            }
            Form::Types { export, .. } => {
                export.finish().map_err(of_export)?;
            }
        }
        match rejects_stage {
            Some(file) => file.publish(*overwrite).map_err(failed(rejects_file))?,
            // Those of an earlier run are not of this one.
            None if *overwrite => remove(rejects_file)?,
            None => {}
        }
        report_stage.publish(*overwrite).map_err(failed(report))
    }
}

fn remove(file: &Path) -> Outcome<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(file)(error)),
        _ => Ok(()),
    }
}

/// A file on a stage in the folder that it is for.
fn staged(path: &Path) -> Outcome<Staged> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let stage: Arc<Stage> = Stage::open(folder).map_err(failed(folder))?;
    Staged::create(&stage, path).map_err(failed(path))
}
