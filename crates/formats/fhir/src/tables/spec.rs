//! How a table is described: its columns with their paths, types, PHI classes and meanings.
//!
//! Read the tables themselves top to bottom in the files by area; the reference page is generated from them
//! (`docs/src/reference/fhir-tables.md`).

use std::sync::LazyLock;

use arrow::datatypes::{DataType, TimeUnit};
use sutura_core::{ColumnDef, PhiClass, TableDef, record::identity_columns};

use super::{administrative, clinical, financial, medication, research};
use PhiClass::{Clinical, Date, FreeText, Name, Operational, OtherId};

/// How a value becomes a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text as sent; of an array its first element.
    Text,
    /// All elements as text with this between them.
    All(&'static str),
    /// The value as JSON, as sent.
    Json,
    Number,
    Integer,
    Flag,
    /// The instant in UTC; null unless an offset is stated.
    Instant,
    /// The id that a reference ends in; null for `#contained` and conditional ones.
    ReferenceId,
    /// The same, when the reference can be to a Patient.
    PatientReference,
    Computed(Computed),
}

/// Cells that are not a part of the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Computed {
    Source,
    Offset,
    Length,
    Sha256,
    ResourceType,
    FullUrl,
    /// `match`, `include` or `outcome`.
    SearchMode,
    /// Place of the row's element among its siblings, from 1.
    Ordinal,
}

/// One column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub name: String,
    /// Where the value stands below the resource: member names, `.where(a.b='c')` to choose among elements, the
    /// first element otherwise. Choice types by their JSON name. Alternatives are separated by ` | `.
    pub path: String,
    pub kind: Kind,
    pub phi: PhiClass,
    pub doc: String,
    pub patient: bool,
}

/// One table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub name: &'static str,
    pub doc: &'static str,
    /// The resource type its rows come from; `None` for all.
    pub resource: Option<&'static str>,
    /// The member whose every element is a row; `None` for one row a resource.
    pub each: Option<&'static str>,
    pub columns: Vec<Column>,
}

impl Table {
    /// A table of one row a resource: identity, id and version first.
    pub(super) fn of(name: &'static str, resource: &'static str, doc: &'static str) -> Self {
        Self::bare(name, Some(resource), None, doc)
            .text("id", "id", OtherId, "logical id of the resource")
            .text("version", "meta.versionId", OtherId, "version of the resource")
            .when("last_updated", "meta.lastUpdated", "last change on the server it came from")
    }

    /// A table of one row for each element of a member.
    pub(super) fn each(name: &'static str, resource: &'static str, each: &'static str, key: &str, doc: &'static str) -> Self {
        Self::bare(name, Some(resource), Some(each), doc)
            .text(key, "id", OtherId, "logical id of the resource the row belongs to")
            .computed("ordinal", "", Computed::Ordinal, Operational, "place of the row in its resource, from 1")
    }

    pub(super) fn bare(name: &'static str, resource: Option<&'static str>, each: Option<&'static str>, doc: &'static str) -> Self {
        let kinds = [Computed::Source, Computed::Offset, Computed::Length, Computed::Sha256];
        let columns = identity_columns().into_iter().zip(kinds).map(|(column, what)| Column {
            name: column.name,
            path: String::new(),
            kind: Kind::Computed(what),
            phi: column.phi,
            doc: column.doc,
            patient: false,
        });
        Self { name, doc, resource, each, columns: columns.collect() }
    }

    pub(super) fn column(
        mut self,
        name: impl Into<String>,
        path: impl Into<String>,
        kind: Kind,
        phi: PhiClass,
        doc: impl Into<String>,
    ) -> Self {
        self.columns.push(Column { name: name.into(), path: path.into(), kind, phi, doc: doc.into(), patient: false });
        self
    }

    pub(super) fn computed(self, name: &str, path: &str, what: Computed, phi: PhiClass, doc: &str) -> Self {
        self.column(name, path, Kind::Computed(what), phi, doc)
    }

    pub(super) fn text(self, name: &str, path: &str, phi: PhiClass, doc: &str) -> Self {
        self.column(name, path, Kind::Text, phi, doc)
    }

    pub(super) fn all(self, name: &str, path: &str, between: &'static str, phi: PhiClass, doc: &str) -> Self {
        self.column(name, path, Kind::All(between), phi, doc)
    }

    pub(super) fn number(self, name: &str, path: &str, doc: &str) -> Self {
        self.column(name, path, Kind::Number, Clinical, doc)
    }

    pub(super) fn integer(self, name: &str, path: &str, doc: &str) -> Self {
        self.column(name, path, Kind::Integer, Operational, doc)
    }

    pub(super) fn flag(self, name: &str, path: &str, phi: PhiClass, doc: &str) -> Self {
        self.column(name, path, Kind::Flag, phi, doc)
    }

    /// A date that never has an offset.
    pub(super) fn date(self, name: &str, path: &str, doc: &str) -> Self {
        self.column(name, path, Kind::Text, Date, doc)
    }

    /// A date or time as sent, and its instant.
    pub(super) fn when(self, name: &str, path: &str, doc: &str) -> Self {
        let utc = format!("{doc}: the instant in UTC, where an offset is stated");
        self.column(name, path, Kind::Text, Date, doc).column(format!("{name}_utc"), path, Kind::Instant, Date, utc)
    }

    /// Both ends of a Period.
    pub(super) fn period(self, name: &str, path: &str, doc: &str) -> Self {
        self.when(&format!("{name}_start"), &format!("{path}.start"), &format!("{doc}: start")).when(
            &format!("{name}_end"),
            &format!("{path}.end"),
            &format!("{doc}: end"),
        )
    }

    /// A CodeableConcept: its first coding, and its text.
    pub(super) fn concept(self, name: &str, path: &str, doc: &str) -> Self {
        self.concept_of(name, path, Clinical, doc)
    }

    /// A CodeableConcept whose codes have this class.
    pub(super) fn concept_of(self, name: &str, path: &str, phi: PhiClass, doc: &str) -> Self {
        let part = |part: &str| path.split(" | ").map(|path| format!("{path}.{part}")).collect::<Vec<_>>().join(" | ");
        self.column(format!("{name}_code"), part("coding.code"), Kind::Text, phi.clone(), format!("{doc}: code of the first coding"))
            .column(format!("{name}_system"), part("coding.system"), Kind::Text, Operational, format!("{doc}: code system"))
            .column(format!("{name}_display"), part("coding.display"), Kind::Text, phi, format!("{doc}: display of the code"))
            .column(format!("{name}_text"), part("text"), Kind::Text, FreeText, format!("{doc}: text as entered"))
    }

    /// A CodeableConcept whose display is written by people, as the goal of a plan is.
    pub(super) fn spoken_concept(mut self, name: &str, path: &str, doc: &str) -> Self {
        self = self.concept(name, path, doc);
        let display = format!("{name}_display");
        if let Some(column) = self.columns.iter_mut().find(|column| column.name == display) {
            column.phi = FreeText;
        }
        self
    }

    /// Only the first code of a CodeableConcept, for those with a fixed set of codes.
    pub(super) fn code(self, name: &str, path: &str, phi: PhiClass, doc: &str) -> Self {
        self.column(name, format!("{path}.coding.code"), Kind::Text, phi, doc)
    }

    /// A reference: as sent, and the id it ends in.
    pub(super) fn reference(self, name: &str, path: &str, doc: &str) -> Self {
        let path = path.split(" | ").map(|path| format!("{path}.reference")).collect::<Vec<_>>().join(" | ");
        self.column(format!("{name}_reference"), &path, Kind::Text, OtherId, format!("{doc}: reference as sent")).column(
            format!("{name}_id"),
            path,
            Kind::ReferenceId,
            OtherId,
            format!("{doc}: id the reference ends in"),
        )
    }

    /// A reference to a person of the staff or an organisation, with the name that is sent along.
    pub(super) fn actor(self, name: &str, path: &str, doc: &str) -> Self {
        let display = path.split(" | ").map(|path| format!("{path}.display")).collect::<Vec<_>>().join(" | ");
        self.reference(name, path, doc).column(format!("{name}_display"), display, Kind::Text, Name, format!("{doc}: name as sent"))
    }

    /// The patient the row is about.
    pub(super) fn patient(mut self, path: &str) -> Self {
        let reference = path.split(" | ").map(|path| format!("{path}.reference")).collect::<Vec<_>>().join(" | ");
        self = self.column("patient_id", &reference, Kind::PatientReference, OtherId, "id of the patient: joins with patients.id").column(
            "patient_reference",
            reference,
            Kind::Text,
            OtherId,
            "reference to the patient or other subject, as sent",
        );
        self.mark_patient("patient_id")
    }

    /// Marks the column that identifies the patient.
    pub(super) fn mark_patient(mut self, name: &str) -> Self {
        if let Some(column) = self.columns.iter_mut().find(|column| column.name == name) {
            column.patient = true;
        }
        self
    }

    /// A Quantity: value, comparator, unit and its code.
    pub(super) fn quantity(self, name: &str, path: &str, doc: &str) -> Self {
        let (value, unit, code) = (format!("{path}.value"), format!("{path}.unit"), format!("{path}.code"));
        self.column(name, value, Kind::Number, Clinical, doc)
            .column(format!("{name}_unit"), unit, Kind::Text, Clinical, format!("{doc}: unit as written"))
            .column(format!("{name}_unit_code"), code, Kind::Text, Clinical, format!("{doc}: code of the unit (UCUM as a rule)"))
    }

    /// Money: amount and currency.
    pub(super) fn money(self, name: &str, path: &str, doc: &str) -> Self {
        self.column(name, format!("{path}.value"), Kind::Number, Clinical, doc).column(
            format!("{name}_currency"),
            format!("{path}.currency"),
            Kind::Text,
            Operational,
            format!("{doc}: currency"),
        )
    }

    /// The first business identifier.
    pub(super) fn identifier(self, doc: &str) -> Self {
        self.text("identifier", "identifier.value", OtherId, &format!("{doc}: first business identifier")).text(
            "identifier_system",
            "identifier.system",
            OtherId,
            "name space of the identifier",
        )
    }

    /// All notes.
    pub(super) fn notes(self) -> Self {
        self.text("note", "note.text", FreeText, "first note")
    }
}

/// All tables; the first is the default one.
pub(super) fn tables() -> &'static [Table] {
    static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| {
        let mut tables = vec![resources()];
        tables.extend(administrative::tables());
        tables.extend(clinical::tables());
        tables.extend(medication::tables());
        tables.extend(financial::tables());
        tables.extend(research::tables());
        tables
    });
    &TABLES
}

fn resources() -> Table {
    Table::bare("resources", None, None, "one row for each resource of any type")
        .computed("resource_type", "resourceType", Computed::ResourceType, Operational, "resource type")
        .text("id", "id", OtherId, "logical id of the resource")
        .text("version", "meta.versionId", OtherId, "version of the resource")
        .when("last_updated", "meta.lastUpdated", "last change on the server it came from")
        .all("profiles", "meta.profile", "\n", Operational, "profiles the resource claims, one a line")
        .computed("full_url", "", Computed::FullUrl, OtherId, "Bundle.entry.fullUrl, where the resource came in a Bundle")
        .computed(
            "search_mode",
            "",
            Computed::SearchMode,
            Operational,
            "Bundle.entry.search.mode, where the resource came in the result of a search: match, include or outcome",
        )
        .column(
            "patient_id",
            "subject.reference | patient.reference | beneficiary.reference | individual.reference | for.reference",
            Kind::PatientReference,
            OtherId,
            "id of the patient it is about: of a Patient its own",
        )
        .mark_patient("patient_id")
        .column("json", "", Kind::Json, FreeText, "the resource as JSON, byte for byte as sent")
}

/// The Arrow type of a kind.
fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Number => DataType::Float64,
        Kind::Integer | Kind::Computed(Computed::Offset | Computed::Length | Computed::Ordinal) => DataType::Int64,
        Kind::Flag => DataType::Boolean,
        Kind::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        _ => DataType::Utf8View,
    }
}

/// The tables as the engine sees them.
pub fn definitions() -> &'static [TableDef] {
    static DEFINITIONS: LazyLock<Vec<TableDef>> = LazyLock::new(|| {
        tables()
            .iter()
            .map(|table| {
                let prefix = table.resource.unwrap_or("Resource");
                let columns = table.columns.iter().map(|column| {
                    let paths = column.path.split(" | ").filter(|path| !path.is_empty()).map(|path| format!("{prefix}.{path}"));
                    let path = paths.collect::<Vec<_>>().join(" | ");
                    let definition = ColumnDef::new(&column.name, data_type(column.kind), path, column.phi.clone(), &column.doc);
                    if column.patient { definition.identifies_patient() } else { definition }
                });
                TableDef::new(table.name, table.doc, columns.collect())
            })
            .collect()
    });
    &DEFINITIONS
}

/// The table that has a row for each resource of that type.
pub fn of_resource(resource_type: &str) -> Option<&'static TableDef> {
    let at = tables().iter().position(|table| table.resource == Some(resource_type) && table.each.is_none())?;
    definitions().get(at)
}
