//! What a run leaves for people and programs: `run.json` always, `report.html` unless the job says no.

mod chart;
mod page;

use std::path::Path;

use crate::{
    error::{JobError, Result},
    model::JobFile,
    publish::write_file,
    record::RunReport,
};

pub use page::html;

/// Name of the run's record.
pub const RUN_FILE: &str = "run.json";
/// Name of the page.
pub const PAGE_FILE: &str = "report.html";

/// Writes the files of a run.
pub(crate) fn write(spec: &JobFile, report: &RunReport, output: &Path) -> Result<()> {
    let json = serde_json::to_vec_pretty(report).map_err(|error| JobError::Report(error.to_string()))?;
    write_file(&output.join(RUN_FILE), &json)?;
    if spec.report.html {
        let title = spec.report.title.as_deref().unwrap_or(&spec.job.name);
        write_file(&output.join(PAGE_FILE), html(title, report)?.as_bytes())?;
    }
    Ok(())
}
