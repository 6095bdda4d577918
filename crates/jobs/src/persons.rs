//! FHIR resources enriched, with what all sources of the job tell of each person.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, StringViewBuilder};
use futures::StreamExt;
use sutura_engine::{
    datafusion::common::TableReference,
    engine::Engine,
    error::EngineError,
    pass::{Consumer, PassOptions, SharedPass, SinkError},
    profiles::ProfileStore,
};
use sutura_fhir::{
    enrich::{Enricher, Options, PatientIndex},
    json::Parser,
    validate::Validator,
};

use crate::functions::as_text;

/// The column with the address of a resource in its Bundle.
pub(crate) const FULL_URL: &str = "full_url";

/// An enricher that knows these persons, and the profiles of the job.
pub(crate) fn enricher(options: Options, persons: Arc<PatientIndex>, profiles: Option<&Arc<ProfileStore>>) -> Enricher {
    let validates = options.validate;
    let enricher = Enricher::new(options).with_patients(persons);
    match profiles {
        Some(profiles) if validates => {
            enricher.with_validator(Validator::default().with_profiles(ProfileStore::over(Arc::clone(profiles))))
        }
        _ => enricher,
    }
}

/// Each resource with its extensions; null for a text that is none.
pub(crate) fn enrich(enricher: &Enricher, resources: &ArrayRef, full_urls: Option<&ArrayRef>) -> Result<ArrayRef, String> {
    let texts = as_text(resources)?;
    let urls = full_urls.map(as_text).transpose()?;
    let mut parser = Parser::default();
    let mut out = Vec::new();
    let mut builder = StringViewBuilder::with_capacity(texts.len());
    for (row, text) in texts.iter().enumerate() {
        let url = urls.as_ref().and_then(|urls| urls.is_valid(row).then(|| urls.value(row)));
        let document = text.and_then(|text| parser.parse(text.as_bytes()).ok());
        out.clear();
        let done = document.is_some_and(|document| enricher.enrich_at(document.root(), url, &mut out).is_ok());
        builder.append_option(std::str::from_utf8(&out).ok().filter(|_| done));
    }
    Ok(Arc::new(builder.finish()))
}

/// Reads the FHIR sources of a pass once and keeps what enrichment has to know of each person.
pub(crate) async fn read(engine: &Engine, pass: &SharedPass, sources: &[&str]) -> Result<PatientIndex, EngineError> {
    let index = Arc::new(Mutex::new(PatientIndex::new()));
    let mut consumers = Vec::with_capacity(sources.len());
    for source in sources {
        let frame = engine.session().table(TableReference::partial(*source, "resources")).await?;
        let frame = frame.select_columns(&["json", FULL_URL])?;
        let index = Arc::clone(&index);
        consumers.push(Consumer::new(*source, frame, move |mut stream| async move {
            let mut parser = Parser::default();
            while let Some(batch) = stream.next().await {
                let batch = batch?;
                let (texts, urls) = (as_text(batch.column(0))?, as_text(batch.column(1))?);
                let mut index = index.lock().unwrap_or_else(PoisonError::into_inner);
                for row in (0..batch.num_rows()).filter(|row| texts.is_valid(*row)) {
                    let Ok(document) = parser.parse(texts.value(row).as_bytes()) else { continue };
                    let url = urls.is_valid(row).then(|| urls.value(row));
                    index.add_at(document.root(), url).map_err(|error| SinkError::from(error.to_string()))?;
                }
            }
            Ok(())
        }));
    }
    pass.run(consumers, PassOptions { skip_hashes: true, ..PassOptions::default() }).await?;
    let index = Arc::into_inner(index).ok_or_else(|| EngineError::Task("the index of persons is still in use".to_owned()))?;
    Ok(index.into_inner().unwrap_or_else(PoisonError::into_inner))
}
