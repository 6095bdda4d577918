//! The formats of a job's sources: those of this build, or one of them with the views that a source names.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use sutura_core::{Format, FormatError, ViewText};
use sutura_engine::{profiles::ProfileStore, terminology::TerminologyFiles, views::read_view};
use sutura_terminology::UserTerminology;

use super::{
    files::package_digest,
    load::{Problems, at},
};
use crate::model::{JobFile, SourceSection};

/// The formats of the sources.
#[derive(Debug, Clone, Default)]
pub(crate) struct SourceFormats {
    all: Vec<Arc<dyn Format>>,
    /// By source.
    with_views: BTreeMap<String, Arc<dyn Format>>,
}

impl SourceFormats {
    /// Reads and compiles the views of all sources. Their texts go into the digest of the job.
    pub(super) fn new(spec: &JobFile, all: &[Arc<dyn Format>], problems: &mut Problems<'_>, digest: &mut Vec<u8>) -> Self {
        let mut formats = Self { all: all.to_vec(), with_views: BTreeMap::new() };
        for (index, source) in spec.sources.iter().enumerate().filter(|(_, source)| !source.views.is_empty()) {
            let mut views = Vec::with_capacity(source.views.len());
            for (position, file) in source.views.iter().enumerate() {
                match read_view(Path::new(file)) {
                    Ok(view) => {
                        digest.extend(&view.text);
                        views.push((position, view));
                    }
                    Err(error) => problems.add(&at!["source", index, "views", position], error.to_string(), None),
                }
            }
            // An unknown format is told where formats are checked.
            if let Some(format) = all.iter().find(|format| format.name() == source.format)
                && let Some(format) = with_views(index, format.as_ref(), views, problems)
            {
                formats.with_views.insert(source.name.clone(), format);
            }
        }
        formats
    }

    /// All of them, without views.
    pub(crate) fn all(&self) -> &[Arc<dyn Format>] {
        &self.all
    }

    /// That of a source.
    pub(crate) fn of(&self, source: &SourceSection) -> Option<&Arc<dyn Format>> {
        self.with_views.get(&source.name).or_else(|| self.all.iter().find(|format| format.name() == source.format))
    }
}

/// The format with the views that are right; those that are not are problems.
fn with_views(
    index: usize,
    format: &dyn Format,
    mut views: Vec<(usize, ViewText)>,
    problems: &mut Problems<'_>,
) -> Option<Arc<dyn Format>> {
    loop {
        let texts: Vec<ViewText> = views.iter().map(|(_, view)| view.clone()).collect();
        match format.with_views(&texts) {
            Ok(format) => return Some(format),
            Err(FormatError::BadView { position, view, reason }) if position < views.len() => {
                let (written, _) = views.remove(position);
                problems.add(&at!["source", index, "views", written], format!("{view}: {reason}"), None);
            }
            Err(error) => {
                problems.add(&at!["source", index, "views"], error.to_string(), None);
                return None;
            }
        }
    }
}

/// Loads the packages of profiles. Their bytes go into the digest of the job.
pub(super) fn profiles(spec: &JobFile, problems: &mut Problems<'_>, digest: &mut Vec<u8>) -> Option<Arc<ProfileStore>> {
    let packages = spec.fhir.as_ref().map(|fhir| &fhir.packages).filter(|packages| !packages.is_empty())?;
    let mut store = ProfileStore::new();
    for (position, package) in packages.iter().enumerate() {
        let path = Path::new(package);
        let loaded = package_digest(path, digest).and_then(|()| store.load(path).map_err(|error| error.to_string()));
        if let Err(reason) = loaded {
            problems.add(&at!["fhir", "packages", position], format!("{package}: {reason}"), None);
        }
    }
    Some(Arc::new(store))
}

/// Loads the terminology of the user. Its bytes go into the digest of the job.
pub(super) fn terminology(spec: &JobFile, problems: &mut Problems<'_>, digest: &mut Vec<u8>) -> Option<Arc<UserTerminology>> {
    let files = spec.terminology.as_ref().map(|terminology| &terminology.files).filter(|files| !files.is_empty())?;
    match TerminologyFiles::load(files) {
        Ok(loaded) => {
            for file in &loaded.files {
                match file.sha256() {
                    Ok(hash) => digest.extend_from_slice(&hash.0),
                    Err(error) => problems.add(&at!["terminology", "files"], error.to_string(), None),
                }
            }
            Some(loaded.terminology)
        }
        Err(error) => {
            let position = files.iter().position(|file| Path::new(error.path()).starts_with(file)).unwrap_or(0);
            problems.add(&at!["terminology", "files", position], error.to_string(), None);
            None
        }
    }
}
