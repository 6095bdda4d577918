//! What the columns of tables hold: their own metadata, and a file that the user gives with `--columns`.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Deserializer};
use sutura_core::{ColumnMeta, PhiClass};
use sutura_engine::arrow::datatypes::{DataType, Field, Fields, Schema};
use sutura_jobs::model::DateFormat;

use super::super::read_text;
use crate::failure::{Failure, Outcome};

/// The file of `--columns`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ColumnFile {
    /// The column that says whom a row is about, in every table that has it.
    patient: Option<String>,
    /// Columns of every table.
    columns: BTreeMap<String, Column>,
    /// What holds in one table only, by the name of its file without what follows the first point.
    tables: BTreeMap<String, Table>,
}

/// One table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Table {
    patient: Option<String>,
    columns: BTreeMap<String, Column>,
}

/// What a column holds.
#[derive(Debug, Clone)]
pub(super) struct Column {
    phi: PhiClass,
    /// The standard's path, which rules and shapes go by.
    path: Option<String>,
    formats: Option<Vec<DateFormat>>,
}

/// A class alone, or with more.
impl<'de> Deserialize<'de> for Column {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Whole {
            phi: PhiClass,
            path: Option<String>,
            formats: Option<Vec<DateFormat>>,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Class(String),
            Whole(toml::Table),
        }
        match Either::deserialize(deserializer)? {
            Either::Class(word) => {
                let phi = word.parse().map_err(serde::de::Error::custom)?;
                Ok(Self { phi, path: None, formats: None })
            }
            Either::Whole(table) => {
                let Whole { phi, path, formats } = table.try_into().map_err(serde::de::Error::custom)?;
                Ok(Self { phi, path, formats })
            }
        }
    }
}

/// The columns of one table that are known, in its order.
pub(super) struct Known {
    /// Positions in the file, and the field with its class.
    pub(super) columns: Vec<(usize, Field)>,
    /// Of each of them the forms of its dates, where they are stated.
    pub(super) formats: Vec<Option<Vec<DateFormat>>>,
    /// The table's name, if the user has named it: other names of files are not shown.
    pub(super) table: Option<String>,
}

impl ColumnFile {
    /// Reads the file.
    pub(super) fn read(path: &str) -> Outcome<Self> {
        let read: Self = toml::from_str(&read_text(path)?).map_err(|error| Failure::configuration(format!("--columns {path}: {error}")))?;
        let all = read.tables.iter().map(|(name, table)| (format!("tables.{name}."), &table.columns));
        for (place, columns) in all.chain([(String::new(), &read.columns)]) {
            let wrong = columns.iter().find(|(_, column)| column.formats.is_some() && column.phi != PhiClass::Date);
            if let Some((name, _)) = wrong {
                let message = format!("--columns {path}: {place}columns.{name}: formats are for columns of the class date");
                return Err(Failure::configuration(message));
            }
        }
        Ok(read)
    }

    /// Which columns of a table are known. What the user says of this very table wins over what stands in the file itself, and that over
    /// what the user says of all tables.
    pub(super) fn known(&self, stem: &str, schema: &Schema) -> Known {
        let own = self.tables.get(stem);
        let mut known = Known { columns: Vec::new(), formats: Vec::new(), table: own.map(|_| stem.to_owned()) };
        for (place, field) in schema.fields().iter().enumerate() {
            let stored = ColumnMeta::from_field(field);
            let said = match own.and_then(|table| table.columns.get(field.name())) {
                Some(column) => Some(column),
                None if stored.phi.is_some() => None,
                None => self.columns.get(field.name()),
            };
            let mut meta = match said {
                Some(column) => ColumnMeta { path: column.path.clone(), unit: stored.unit, ..ColumnMeta::of(column.phi.clone()) },
                None if stored.phi.is_some() => stored,
                None => continue,
            };
            let patient = own.and_then(|table| table.patient.as_ref()).or(self.patient.as_ref().filter(|_| said.is_some()));
            meta.patient = patient.map_or(meta.patient, |patient| patient == field.name());
            known.columns.push((place, meta.apply(bare(field))));
            known.formats.push(said.and_then(|column| column.formats.clone()));
        }
        known
    }
}

/// A field with no metadata but ours: what others wrote there may be anything.
fn bare(field: &Field) -> Field {
    let own = field.metadata().iter().filter(|(key, _)| key.starts_with("sutura.")).map(|(key, text)| (key.clone(), text.clone()));
    let data_type = match field.data_type() {
        DataType::List(item) => DataType::List(Arc::new(bare(item))),
        DataType::LargeList(item) => DataType::LargeList(Arc::new(bare(item))),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(Arc::new(bare(item)), *length),
        DataType::Struct(children) => DataType::Struct(children.iter().map(|child| bare(child)).collect::<Fields>()),
        other => other.clone(),
    };
    Field::new(field.name(), data_type, field.is_nullable()).with_metadata(own.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        let own = ColumnMeta { patient: true, ..ColumnMeta::of(PhiClass::OtherId) };
        let foreign = [("note".to_owned(), "of Mr. Smith".to_owned())].into();
        Schema::new(vec![
            own.apply(Field::new("id", DataType::Utf8, true).with_metadata(foreign)),
            Field::new("mrn", DataType::Utf8, true),
            Field::new("other", DataType::Utf8, true),
        ])
    }

    #[test]
    fn what_is_said_of_a_table_wins() {
        let file: ColumnFile = toml::from_str(
            "patient = \"mrn\"\n[columns]\nid = \"clinical\"\nmrn = { phi = \"mrn\", path = \"PID-3.1\" }\n[tables.labs.columns]\nid = \"account\"\n",
        )
        .unwrap();
        let of = |stem: &str| file.known(stem, &schema());
        let meta = |known: &Known, at: usize| ColumnMeta::from_field(&known.columns[at].1);
        let visits = of("visits");
        assert_eq!(visits.columns.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [0, 1]);
        assert_eq!((meta(&visits, 0).phi, meta(&visits, 1).path.as_deref()), (Some(PhiClass::OtherId), Some("PID-3.1")));
        assert!(visits.table.is_none() && meta(&visits, 1).patient);
        assert!(!visits.columns[0].1.metadata().contains_key("note"));
        let labs = of("labs");
        assert_eq!((meta(&labs, 0).phi, labs.table.as_deref()), (Some(PhiClass::Account), Some("labs")));
    }

    #[test]
    fn mistakes_are_said() {
        let wrong = |text: &str| toml::from_str::<ColumnFile>(text).unwrap_err().to_string();
        assert!(wrong("[columns]\na = \"nmae\"\n").contains("PHI class"));
        assert!(wrong("[columns]\na = { phi = \"name\", fromats = [] }\n").contains("fromats"));
        assert!(wrong("[column]\n").contains("column"));
    }
}
