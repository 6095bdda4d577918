//! The official SQL on FHIR tests, and the official report of them.

use std::{fs, io::Error, path::Path};

use sutura_fhir::view::suite;

use crate::Suite;

/// Every case of every file; writes `test_report.json` into the target folder.
pub(crate) fn sql_on_fhir(data: &Path) -> Result<Suite, Error> {
    let folder = fs::read_dir(data.join("fhir/sql-on-fhir-v2/tests"))?;
    let mut files = folder.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, Error>>()?;
    files.sort();
    let found = suite::run(&files)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), std::path::PathBuf::from);
    fs::create_dir_all(&target)?;
    fs::write(target.join("test_report.json"), serde_json::to_vec_pretty(&suite::report(&found))?)?;
    let mut suite = Suite::default();
    for case in &found {
        suite.case(&format!("{}: {}", case.file, case.title), &case.reasons);
    }
    Ok(suite)
}
