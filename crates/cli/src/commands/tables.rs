//! `sutura tables`: what a format's tables hold.

use std::fmt::Write;

use serde_json::json;
use sutura_ccda::Ccda;
use sutura_core::{ColumnDef, Format, TableDef};
use sutura_fhir::read::Fhir;
use sutura_hl7v2::Hl7v2;
use sutura_imaging::Images;

use crate::{
    args::{ListFormat, TablesArgs},
    failure::{CLEAN, Failure, Outcome},
    output,
};

/// Runs the command.
pub(crate) fn run(args: &TablesArgs) -> Outcome {
    let format: &dyn Format = match args.format_name.as_str() {
        "fhir" => &Fhir,
        "ccda" => &Ccda,
        "dicom" => &Images,
        _ => &Hl7v2,
    };
    let tables: Vec<&TableDef> = match &args.table {
        None => format.tables().iter().collect(),
        Some(name) => vec![format.table(name).ok_or_else(|| unknown_table(format, name))?],
    };
    match args.format {
        ListFormat::Json => output::print_json(&tables.iter().map(|table| table_json(table)).collect::<Vec<_>>())?,
        ListFormat::Markdown => output::print(&markdown(format, &tables))?,
        ListFormat::Table if args.table.is_some() => output::print(&columns_text(tables[0]))?,
        ListFormat::Table => output::print(&tables_text(&tables))?,
    }
    Ok(CLEAN)
}

fn unknown_table(format: &dyn Format, name: &str) -> Failure {
    let known = format.tables().iter().map(|table| table.name.as_str()).collect::<Vec<_>>().join(", ");
    let hint = format.table_hint(name).map(|hint| format!("; {hint}")).unwrap_or_default();
    Failure::configuration(format!("format {} has no table {name:?}; it has {known}{hint}", format.name()))
}

fn tables_text(tables: &[&TableDef]) -> String {
    let width = tables.iter().map(|table| table.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for table in tables {
        let _ = writeln!(out, "{:<width$}  {:>3} columns  {}", table.name, table.columns.len(), table.doc);
    }
    out
}

pub(crate) fn columns_text(table: &TableDef) -> String {
    let rows: Vec<[String; 5]> = table.columns.iter().map(cells).collect();
    let headings = ["column", "type", "path", "class", "meaning"].map(str::to_owned);
    let mut widths = [0; 4];
    for row in rows.iter().chain([&headings]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = format!("{}: {}\n\n", table.name, table.doc);
    for row in [&headings].into_iter().chain(&rows) {
        let [column, kind, path, class, meaning] = row;
        let [a, b, c, d] = widths;
        let _ = writeln!(out, "{column:<a$}  {kind:<b$}  {path:<c$}  {class:<d$}  {meaning}");
    }
    out
}

fn cells(column: &ColumnDef) -> [String; 5] {
    let class = if column.patient { format!("{} (patient)", column.phi) } else { column.phi.to_string() };
    let meaning = match &column.unit {
        Some(unit) => format!("{} ({unit})", column.doc),
        None => column.doc.clone(),
    };
    [column.name.clone(), column.data_type.to_string(), column.path.clone(), class, meaning]
}

fn table_json(table: &TableDef) -> serde_json::Value {
    let column = |column: &ColumnDef| {
        json!({
            "name": column.name, "type": column.data_type.to_string(), "path": column.path, "phi": column.phi,
            "identifying": column.phi.is_identifying(), "patient": column.patient, "unit": column.unit, "doc": column.doc,
        })
    };
    json!({ "name": table.name, "doc": table.doc, "columns": table.columns.iter().map(column).collect::<Vec<_>>() })
}

/// What the title of a reference page calls a format, and what its readers have to know of paths.
fn introduction(format: &dyn Format) -> (&'static str, &'static str) {
    match format.name() {
        "fhir" => (
            "FHIR",
            "Paths are FHIRPath with two liberties: of an array without `where` the first element is meant, and choice types stand by their\n\
             JSON name (`valueQuantity`). Alternatives are separated by `|`: the first one that is there counts. Dates are text as sent; a column\n\
             `_utc` holds the instant where the date states an offset. A Float64, such as `value_number`, is\n\
             the 64-bit float nearest to the decimal as sent (15 digits are exact), and null where it is too large for one; the JSON in\n\
             `resources` keeps every digit.\n",
        ),
        "ccda" => (
            "C-CDA",
            "Paths are names of elements and attributes of CDA, from the document, or from the section, entry or statement that makes the\n\
             row. Code systems are OIDs as sent; dates are ISO 8601 with the precision and offset they were sent with.\n",
        ),
        "dicom" => (
            "DICOM",
            "Paths are tags, from the outermost sequence on. Dates and times are ISO 8601 with the precision that they were sent with; a column `_utc` is an\n\
             instant, where an offset from UTC is stated. `series`, `studies`, `series_quality` and `quality_statistics` are groups of these tables.\n",
        ),
        _ => ("HL7 v2", ""),
    }
}

/// The reference page.
fn markdown(format: &dyn Format, tables: &[&TableDef]) -> String {
    let name = format.name();
    let (title, paths) = introduction(format);
    let mut out = format!(
        "# {title} tables\n\n\
         <!-- Written by `sutura tables {name} --format markdown`; a test holds it current. -->\n\n\
         `read_{name}(path [, table [, options]])` reads these tables, the first one when none is named. Every column can be null:\n\
         real feeds leave anything out. The class says what identifying information a column may hold; columns of the classes\n\
         quasi, clinical and operational may be shown and written as they are, all others only when treated or with a stated purpose.\n{paths}",
    );
    for table in tables {
        let _ = writeln!(out, "\n## {}\n\n{}.\n", table.name, sentence(&table.doc));
        out.push_str("| Column | Type | Path | Class | Meaning |\n|---|---|---|---|---|\n");
        for row in table.columns.iter().map(cells) {
            let [column, kind, path, class, meaning] = row.map(|cell| cell.replace('|', "\\|"));
            let _ = writeln!(out, "| `{column}` | {kind} | {path} | {class} | {meaning} |");
        }
    }
    out
}

fn sentence(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_pages_are_current() {
        for format in [&Hl7v2 as &dyn Format, &Fhir, &Ccda, &Images] {
            let file = format!("../../docs/src/reference/{}-tables.md", format.name());
            let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            let wanted = markdown(format, &format.tables().iter().collect::<Vec<_>>());
            if std::env::var_os("SUTURA_WRITE_REFERENCE").is_some() {
                std::fs::write(&file, &wanted).unwrap();
            }
            let found = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(found == wanted, "{} is out of date; run the tests of crate sutura with SUTURA_WRITE_REFERENCE=1", file.display());
        }
    }
}
