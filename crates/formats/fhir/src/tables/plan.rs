//! From requested columns to a plan, and from a resource to rows.

use std::sync::Arc;

use arrow::datatypes::Schema;
use sutura_core::{Condition, Decoded, DecodedSink, FormatError, Pushed, Sha256Hash, TableRequest, Test};

use super::{
    columns::{self, Columns},
    path::{Found, Tree, elements},
    spec::{self, Computed, Kind},
};
use crate::json::Value;

/// A resource and where it came from.
#[derive(Debug, Clone, Copy)]
pub struct Record<'d> {
    /// The resource.
    pub resource: Value<'d>,
    /// Its `resourceType`.
    pub resource_type: &'d str,
    /// The `Bundle.entry` that it came in.
    pub entry: Option<Value<'d>>,
    /// URI of the source.
    pub source: &'d str,
    /// Offset of the resource in the source.
    pub offset: u64,
    /// Its bytes in the source: those of its JSON, or of the XML that the JSON was made from.
    pub sent: &'d [u8],
}

/// All requested tables.
#[derive(Debug)]
pub struct Plan {
    tables: Vec<TablePlan>,
}

/// One requested table.
#[derive(Debug)]
struct TablePlan {
    request: usize,
    resource: Option<&'static str>,
    each: Option<&'static str>,
    /// By slot: the wanted columns in output order, then those that are tested only.
    kinds: Vec<Kind>,
    /// What is wanted of the resource, and of each element that is a row.
    of_resource: Tree,
    of_row: Tree,
    found: Vec<Found>,
    in_row: Vec<bool>,
    /// The id of a Patient is that of the patient.
    patient_column: Option<usize>,
    /// What the cells of some slots have to be.
    tests: Vec<(usize, Test)>,
    columns: Columns,
}

impl Plan {
    /// Compiles requests, each with its position among all of them.
    ///
    /// # Errors
    /// When a table or column does not exist.
    pub fn compile<'r>(requests: impl IntoIterator<Item = (usize, &'r TableRequest)>, batch_rows: usize) -> Result<Self, FormatError> {
        let compile = |(request, wanted): (usize, &TableRequest)| {
            let at = spec::tables().iter().position(|table| table.name == wanted.table).ok_or_else(|| FormatError::UnknownTable {
                format: "fhir",
                table: wanted.table.clone(),
                known: spec::tables().iter().map(|table| table.name).collect::<Vec<_>>().join(", "),
            })?;
            TablePlan::compile(request, at, wanted, batch_rows)
        };
        Ok(Self { tables: requests.into_iter().map(compile).collect::<Result<_, _>>()? })
    }

    /// Adds the rows of a resource. Batches that are full go out at once.
    ///
    /// # Errors
    /// When the sink wants no more.
    pub fn record(&mut self, record: &Record<'_>, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        let mut hash = None;
        for table in &mut self.tables {
            if table.resource.is_none_or(|wanted| wanted == record.resource_type) {
                table.record(record, &mut hash, out)?;
            }
        }
        Ok(())
    }

    /// Gives out the rows that are left.
    ///
    /// # Errors
    /// When the sink wants no more.
    pub fn finish(&mut self, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        for table in &mut self.tables {
            if table.columns.rows() > 0 {
                out.emit(Decoded::Batch { request: table.request, batch: table.columns.finish()? })?;
            }
        }
        Ok(())
    }
}

/// What the scan of a default table makes of a condition.
pub fn pushes(table: &str, condition: &Condition) -> Pushed {
    let Some(at) = spec::tables().iter().position(|known| known.name == table) else { return Pushed::No };
    let Some(column) = spec::tables()[at].columns.get(condition.column) else { return Pushed::No };
    // In the table of all resources the patient of a Patient is its id.
    let of_several_paths = column.patient && spec::tables()[at].resource.is_none();
    match column.kind {
        Kind::All(_) | Kind::Json | Kind::Instant => Pushed::No,
        Kind::Computed(what) if !matches!(what, Computed::ResourceType | Computed::Ordinal) => Pushed::No,
        _ if of_several_paths => Pushed::No,
        _ => condition.test.exactness(&spec::definitions()[at].columns[condition.column].data_type),
    }
}

impl TablePlan {
    fn compile(request: usize, at: usize, wanted: &TableRequest, batch_rows: usize) -> Result<Self, FormatError> {
        let (table, definition) = (&spec::tables()[at], &spec::definitions()[at]);
        let mut slots = wanted.columns.clone().unwrap_or_else(|| (0..table.columns.len()).collect());
        let shown = slots.len();
        let mut tests = Vec::with_capacity(wanted.filter.len());
        for condition in &wanted.filter {
            let slot = slots.iter().position(|column| *column == condition.column).unwrap_or_else(|| {
                slots.push(condition.column);
                slots.len() - 1
            });
            tests.push((slot, condition.test.clone()));
        }
        let (mut kinds, mut in_row, mut fields) = (Vec::new(), Vec::new(), Vec::new());
        let (mut of_resource, mut of_row, mut patient_column) = (Tree::default(), Tree::default(), None);
        for (out, &index) in slots.iter().enumerate() {
            let Some(column) = table.columns.get(index) else {
                return Err(FormatError::BadOption {
                    format: "fhir",
                    option: "columns".into(),
                    reason: format!("table {} has no column {index}", table.name),
                });
            };
            kinds.push(column.kind);
            if out < shown {
                fields.push(definition.columns[index].field());
            }
            if table.resource.is_none() && column.patient {
                patient_column = Some(out);
            }
            let below = table.each.and_then(|each| column.path.strip_prefix(each)?.strip_prefix('.'));
            in_row.push(below.is_some());
            match below {
                // Alternatives of a row's column all stand below the row.
                Some(path) => {
                    let prefix = format!(" | {}.", table.each.unwrap_or_default());
                    of_row.add(out, &path.replace(&prefix, " | "));
                }
                None if !matches!(column.kind, Kind::Computed(_)) => of_resource.add(out, &column.path),
                None => {}
            }
        }
        let columns = Columns::new(Arc::new(Schema::new(fields)), batch_rows.clamp(1, 8192));
        let found = vec![Found::NOTHING; kinds.len()];
        let (resource, each) = (table.resource, table.each);
        Ok(Self { request, resource, each, kinds, of_resource, of_row, found, in_row, patient_column, tests, columns })
    }

    fn record(&mut self, record: &Record<'_>, hash: &mut Option<String>, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        let rows = match self.each {
            None => None,
            // No element, no row: nothing else of the resource needs to be found.
            Some(each) => match record.resource.get(each) {
                Some(rows) => Some(rows),
                None => return Ok(()),
            },
        };
        self.found.fill(Found::NOTHING);
        self.of_resource.walk(record.resource, &mut self.found);
        let Some(rows) = rows else { return self.row(record, 1, hash, out) };
        for (at, row) in elements(rows).enumerate() {
            for (found, in_row) in self.found.iter_mut().zip(&self.in_row) {
                if *in_row {
                    *found = Found::NOTHING;
                }
            }
            self.of_row.walk(row, &mut self.found);
            self.row(record, at as i64 + 1, hash, out)?;
        }
        Ok(())
    }

    fn row(&mut self, record: &Record<'_>, ordinal: i64, hash: &mut Option<String>, out: &mut dyn DecodedSink) -> Result<(), FormatError> {
        let document = record.resource.document();
        for (slot, test) in &self.tests {
            let stays = match self.kinds[*slot] {
                Kind::Computed(Computed::ResourceType) => test.text(record.resource_type),
                Kind::Computed(Computed::Ordinal) => test.integer(ordinal),
                kind => columns::stays(test, kind, document.value_at(self.found[*slot].node)),
            };
            if !stays {
                return Ok(());
            }
        }
        let columns = &mut self.columns;
        for (column, (&kind, found)) in self.kinds.iter().zip(&self.found).enumerate().take(columns.width()) {
            match kind {
                Kind::Computed(Computed::Source) => columns.append_text(column, Some(record.source)),
                Kind::Computed(Computed::Offset) => columns.append_integer(column, i64::try_from(record.offset).ok()),
                Kind::Computed(Computed::Length) => columns.append_integer(column, Some(record.sent.len() as i64)),
                Kind::Computed(Computed::Ordinal) => columns.append_integer(column, Some(ordinal)),
                Kind::Computed(Computed::ResourceType) => columns.append_text(column, Some(record.resource_type)),
                Kind::Computed(Computed::FullUrl) => {
                    columns.append_text(column, record.entry.and_then(|entry| entry.get("fullUrl")?.as_str()));
                }
                Kind::Computed(Computed::SearchMode) => columns.append_text(column, record.entry.and_then(search_mode)),
                Kind::Computed(Computed::Sha256) => {
                    let hash = hash.get_or_insert_with(|| Sha256Hash::of(record.sent).to_string());
                    columns.append_text(column, Some(hash));
                }
                _ if self.patient_column == Some(column) && record.resource_type == "Patient" => {
                    columns.append(column, Kind::Text, record.resource.get("id"));
                }
                _ => columns.append(column, kind, document.value_at(found.node)),
            }
        }
        if columns.end_row() {
            out.emit(Decoded::Batch { request: self.request, batch: columns.finish()? })?;
        }
        Ok(())
    }
}

/// How an entry got into the result of a search; none of another text.
fn search_mode(entry: Value<'_>) -> Option<&str> {
    entry.get("search")?.get("mode")?.as_str().filter(|mode| matches!(*mode, "match" | "include" | "outcome"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        defs::{self, TypeId},
        read::is_resource_type,
        tables::path::steps,
    };

    #[test]
    fn tables_and_columns_are_unique_and_documented() {
        let mut names: Vec<_> = spec::tables().iter().map(|table| table.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), spec::tables().len());
        for table in spec::tables() {
            assert!(table.resource.is_none_or(is_resource_type), "{}", table.name);
            let mut columns: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
            columns.sort_unstable();
            columns.dedup();
            assert_eq!(columns.len(), table.columns.len(), "{} repeats a column", table.name);
            assert!(table.columns.iter().all(|column| !column.doc.is_empty() && !column.path.contains("..")));
            assert!(table.columns.iter().filter(|column| column.patient).count() <= 1, "{}", table.name);
        }
    }

    /// A slip in a path would be a column that is always null.
    #[test]
    fn every_path_is_in_the_definitions() {
        let definitions = defs::r4();
        let step = |ty: TypeId, name: &str| definitions.type_of(ty).element(name).map(|(_, ty)| ty);
        let mut wrong = Vec::new();
        for table in spec::tables() {
            let Some(resource) = table.resource else { continue };
            let resource = definitions.type_named(resource).unwrap();
            for column in table.columns.iter().filter(|column| !matches!(column.kind, Kind::Computed(_))) {
                for alternative in column.path.split(" | ") {
                    let mut ty = Some(resource);
                    for (name, choice) in steps(alternative) {
                        ty = ty.and_then(|ty| step(ty, &name));
                        if let (Some(ty), Some(choice)) = (ty, choice)
                            && choice.path.iter().try_fold(ty, |ty, name| step(ty, name)).is_none()
                        {
                            wrong.push(format!("{}.{}: condition of {alternative}", table.name, column.name));
                        }
                    }
                    let is_scalar = ty.is_some_and(|ty| definitions.type_of(ty).is_primitive());
                    if ty.is_none() || !(is_scalar || column.kind == Kind::Json) {
                        wrong.push(format!("{}.{}: {alternative}", table.name, column.name));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
