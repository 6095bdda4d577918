//! What happens to every field, component and sub-component, worked out from the dictionary and the policy when a segment is first met.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock},
};

use arrow::datatypes::DataType;
use sutura_core::{ColumnDef, Format, PhiClass};
use sutura_hl7v2::{
    Hl7v2,
    defs::{self, FieldDef, SegmentDef, observation_value_class, phi_class, subcomponent_class},
};
use sutura_privacy::{CodeShape, ValueKind, ValuePlace, column_name};

use crate::document::{Form, Leaf, Treatment};

/// Where a value stands: segment, field, component, sub-component.
type Key = (String, usize, usize, usize);

/// The columns of the reader's tables by the place they read: name, path and class are theirs, so that rules for columns hold for messages too.
static COLUMNS: LazyLock<HashMap<Key, (&'static str, &'static ColumnDef)>> = LazyLock::new(columns);

fn columns() -> HashMap<Key, (&'static str, &'static ColumnDef)> {
    static FORMAT: Hl7v2 = Hl7v2;
    let mut found: HashMap<Key, (bool, bool, &'static str, &'static ColumnDef)> = HashMap::new();
    for table in FORMAT.tables().iter().filter(|table| !matches!(table.name.as_str(), "segments" | "findings" | "raw")) {
        for column in &table.columns {
            if !matches!(column.data_type, DataType::Utf8View | DataType::Float64 | DataType::Int64) {
                continue;
            }
            for path in column.path.split(" | ") {
                let Some((segment, rest)) = path.split_once('-') else { continue };
                let mut numbers = rest.split('.').map_while(|number| number.parse::<usize>().ok());
                // OBX-5 is planned by its type.
                let Some(field) = numbers.next().filter(|field| (segment, *field) != ("OBX", 5)) else { continue };
                let (component, sub) = (numbers.next(), numbers.next());
                let exact = component.is_some();
                let own = owner(segment) == table.name;
                let key = (segment.to_owned(), field, component.unwrap_or(1), sub.unwrap_or(1));
                let better = found.get(&key).is_none_or(|(known_exact, known_own, ..)| (exact, own) > (*known_exact, *known_own));
                if better {
                    found.insert(key, (exact, own, table.name.as_str(), column));
                }
            }
        }
    }
    found.into_iter().map(|(key, (_, _, table, column))| (key, (table, column))).collect()
}

/// The table whose rows a segment is.
fn owner(segment: &str) -> &'static str {
    match segment {
        "MSH" | "EVN" => "messages",
        "PID" | "PD1" | "MRG" => "patients",
        "PV1" | "PV2" => "visits",
        "OBX" => "observations",
        "OBR" | "ORC" => "orders",
        "DG1" => "diagnoses",
        "PR1" => "procedures",
        "AL1" | "IAM" => "allergies",
        "IN1" | "IN2" => "insurance",
        "NK1" => "next_of_kin",
        "SCH" | "AIS" | "AIP" | "AIL" => "appointments",
        "TXA" => "documents",
        "FT1" => "charges",
        "NTE" => "notes",
        _ => "medications",
    }
}

/// One component: its sub-components.
#[derive(Debug)]
pub(super) struct ComponentPlan {
    pub(super) subs: Vec<Leaf>,
    /// Not part of a name: prefix, suffix, degree.
    pub(super) is_title: bool,
}

/// One field: its components. Whole: the repetition is one text, whatever delimiters are in it.
#[derive(Debug)]
pub(super) struct FieldPlan {
    pub(super) components: Vec<ComponentPlan>,
    pub(super) whole: Option<Leaf>,
    /// For what the definition does not have.
    pub(super) extra: Leaf,
    pub(super) def: Option<&'static FieldDef>,
}

impl FieldPlan {
    /// The plan of a sub-component, by numbers from 1.
    pub(super) fn leaf(&self, component: usize, sub: usize) -> &Leaf {
        self.components.get(component - 1).and_then(|component| component.subs.get(sub - 1)).unwrap_or(&self.extra)
    }
}

/// One segment.
#[derive(Debug)]
pub(super) struct SegmentPlan {
    pub(super) def: &'static SegmentDef,
    pub(super) fields: Vec<FieldPlan>,
    pub(super) extra: FieldPlan,
}

impl SegmentPlan {
    pub(super) fn field(&self, number: usize) -> &FieldPlan {
        self.fields.get(number.wrapping_sub(1)).unwrap_or(&self.extra)
    }
}

/// Plans of all segments, made as they are met.
pub(super) struct Plans {
    treatment: Treatment,
    segments: RwLock<HashMap<&'static str, Arc<SegmentPlan>>>,
    observations: OnceLock<HashMap<&'static str, FieldPlan>>,
    unknown_observation: FieldPlan,
    embedded: FieldPlan,
    identifiers: OnceLock<HashMap<&'static str, Leaf>>,
    pub(super) unknown_segment: Leaf,
}

/// Value types of OBX-5 that the dictionary knows and that may stay in some form.
const VALUE_TYPES: [&str; 30] = [
    "NM", "ID", "IS", "SI", "SN", "CQ", "NA", "MA", "NR", "MO", "CP", "CE", "CWE", "CNE", "CF", "DT", "TM", "TS", "DTM", "DR", "XAD",
    "XPN", "XCN", "XTN", "XON", "CX", "EI", "HD", "PL", "CK",
];

impl Plans {
    pub(super) fn new(treatment: Treatment) -> Self {
        let text = |path: &str| {
            let place = ValuePlace {
                table: Some("observations"),
                column: "value_text",
                path: "OBX-5",
                class: PhiClass::FreeText,
                kind: ValueKind::Text,
                shape: None,
            };
            FieldPlan {
                components: Vec::new(),
                whole: Some(treatment.leaf(&place, path, Form::Text)),
                extra: Treatment::unknown(path),
                def: None,
            }
        };
        let embedded = FieldPlan {
            components: Vec::new(),
            whole: Some(Treatment::unknown("OBX-5 (ED, RP)")),
            extra: Treatment::unknown("OBX-5 (ED, RP)"),
            def: None,
        };
        Self {
            segments: RwLock::default(),
            observations: OnceLock::new(),
            unknown_observation: text("OBX-5"),
            embedded,
            identifiers: OnceLock::new(),
            unknown_segment: Treatment::unknown("(segment without definition)"),
            treatment,
        }
    }

    pub(super) fn treatment(&self) -> &Treatment {
        &self.treatment
    }

    /// The plan of a segment; none for those the standard does not have.
    pub(super) fn segment(&self, name: &str) -> Option<Arc<SegmentPlan>> {
        if let Some(plan) = self.segments.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Some(Arc::clone(plan));
        }
        // Some feeds write names in small letters.
        let def = defs::segment(name).or_else(|| defs::segment(&name.to_ascii_uppercase()))?;
        let plan = Arc::new(self.plan_segment(def));
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(segments.entry(def.name).or_insert(plan)))
    }

    /// The plan of OBX-5 by its value type.
    pub(super) fn observation(&self, value_type: &str) -> &FieldPlan {
        match value_type {
            "ED" | "RP" => &self.embedded,
            _ => self.observations.get_or_init(|| self.plan_observations()).get(value_type).unwrap_or(&self.unknown_observation),
        }
    }

    /// The plan of an identifier whose type says that it is not a record number: `SS`, `DL` and the like (table 0203).
    pub(super) fn identifier(&self, kind: &str) -> Option<&Leaf> {
        let make = || {
            let of = |class: PhiClass, shown: &str| {
                let place = ValuePlace {
                    table: Some("patients"),
                    column: "identifier",
                    path: "PID-3.1",
                    class,
                    kind: ValueKind::Text,
                    shape: None,
                };
                self.treatment.leaf(&place, shown, Form::Text)
            };
            let ssn = of(PhiClass::Ssn, "PID-3.1 (SS)");
            let licence = of(PhiClass::Licence, "PID-3.1 (DL)");
            let plan = of(PhiClass::HealthPlan, "PID-3.1 (MC)");
            let account = of(PhiClass::Account, "PID-3.1 (AN)");
            HashMap::from([
                ("SS", ssn),
                ("DL", licence),
                ("MC", plan.clone()),
                ("MA", plan.clone()),
                ("HC", plan),
                ("AN", account.clone()),
                ("VN", account),
            ])
        };
        self.identifiers.get_or_init(make).get(kind)
    }

    fn plan_segment(&self, def: &'static SegmentDef) -> SegmentPlan {
        let fields = def.fields.iter().enumerate().map(|(at, field)| self.plan_field(def.name, at + 1, field)).collect();
        let path = format!("{}-(field without definition)", def.name);
        let extra =
            FieldPlan { components: Vec::new(), whole: Some(Treatment::unknown(&path)), extra: Treatment::unknown(&path), def: None };
        SegmentPlan { def, fields, extra }
    }

    fn plan_field(&self, segment: &'static str, number: usize, def: &'static FieldDef) -> FieldPlan {
        let path = format!("{segment}-{number}");
        let extra = Treatment::unknown(&format!("{path}.(component without definition)"));
        let class = phi_class(segment, number, 0);
        let text_type = matches!(def.datatype, "TX" | "FT" | "ST" | "varies" | "ED" | "");
        let column = COLUMNS.get(&(segment.to_owned(), number, 1, 1));
        // A text is one, whatever delimiters nobody escaped in it.
        if defs::datatype(def.datatype).is_none()
            && text_type
            && (class == PhiClass::FreeText || column.is_some_and(|(_, column)| column.phi == PhiClass::FreeText))
        {
            let leaf = self.leaf(segment, (number, 1, 1), &path, def.name, def.datatype, &PhiClass::FreeText);
            return FieldPlan { components: Vec::new(), whole: Some(leaf), extra, def: Some(def) };
        }
        let components = match defs::datatype(def.datatype) {
            None => {
                let leaf = self.leaf(segment, (number, 1, 1), &path, def.name, def.datatype, &phi_class(segment, number, 1));
                vec![ComponentPlan { subs: vec![leaf], is_title: false }]
            }
            Some(composite) => {
                let classes = (1..=composite.components.len()).map(|component| phi_class(segment, number, component));
                self.plan_components(segment, number, &path, def.datatype, classes)
            }
        };
        FieldPlan { components, whole: None, extra, def: Some(def) }
    }

    fn plan_components(
        &self,
        segment: &'static str,
        field: usize,
        path: &str,
        datatype: &str,
        classes: impl Iterator<Item = PhiClass>,
    ) -> Vec<ComponentPlan> {
        let Some(composite) = defs::datatype(datatype) else { return Vec::new() };
        let plan = |(at, (part, class)): (usize, (&'static defs::ComponentDef, PhiClass))| {
            let number = at + 1;
            let path = format!("{path}.{number}");
            let subs = match defs::datatype(part.datatype) {
                None => vec![self.leaf(segment, (field, number, 1), &path, part.name, part.datatype, &class)],
                Some(inner) => inner
                    .components
                    .iter()
                    .enumerate()
                    .map(|(at, sub)| {
                        let class = subcomponent_class(part.datatype, at + 1, &class);
                        self.leaf(segment, (field, number, at + 1), &format!("{path}.{}", at + 1), sub.name, sub.datatype, &class)
                    })
                    .collect(),
            };
            let is_title = ["Suffix", "Prefix", "Degree"].iter().any(|word| part.name.contains(word));
            ComponentPlan { subs, is_title }
        };
        composite.components.iter().zip(classes).enumerate().map(plan).collect()
    }

    fn plan_observations(&self) -> HashMap<&'static str, FieldPlan> {
        VALUE_TYPES.into_iter().map(|value_type| (value_type, self.plan_observation(value_type))).collect()
    }

    fn plan_observation(&self, value_type: &'static str) -> FieldPlan {
        let extra = Treatment::unknown("OBX-5.(component without definition)");
        let column = |column: &'static str, path: &str, class, kind, form| {
            let place = ValuePlace { table: Some("observations"), column, path, class, kind, shape: None };
            let leaf = self.treatment.leaf(&place, &format!("{path} ({value_type})"), form);
            ComponentPlan { subs: vec![leaf], is_title: false }
        };
        let text = |name, path| column(name, path, PhiClass::FreeText, ValueKind::Text, Form::Text);
        let number = |name, path| column(name, path, PhiClass::Clinical, ValueKind::Number, Form::Number);
        let composite = || {
            let count = defs::datatype(value_type).map_or(0, |known| known.components.len());
            let classes = (1..=count).map(|component| observation_value_class(value_type, component));
            self.plan_components("OBX", 5, &format!("OBX-5 ({value_type})"), value_type, classes)
        };
        let components = match value_type {
            "NM" | "SI" => vec![number("value_number", "OBX-5")],
            "DT" | "TS" | "DTM" => vec![column("value_datetime", "OBX-5", PhiClass::Date, ValueKind::Text, Form::Date)],
            "TM" => vec![column("value_datetime", "OBX-5", PhiClass::Date, ValueKind::Text, Form::Time)],
            "CE" | "CWE" | "CNE" | "CF" => {
                let mut parts = composite();
                for (at, part) in parts.iter_mut().enumerate() {
                    match at + 1 {
                        1 => *part = column("value_code", "OBX-5.1", PhiClass::Clinical, ValueKind::Text, Form::Text),
                        // Answers are written as texts of codes.
                        2 | 5 | 9 | 11 => *part = text("value_code_text", "OBX-5.2"),
                        3 => *part = column("value_coding_system", "OBX-5.3", PhiClass::Operational, ValueKind::Text, Form::Text),
                        _ => {}
                    }
                }
                parts
            }
            "SN" => vec![
                column("value_comparator", "OBX-5.1", PhiClass::Clinical, ValueKind::Text, Form::Text),
                number("value_number", "OBX-5"),
                self.separator(),
                number("value_number_high", "OBX-5.4"),
            ],
            "ID" | "IS" => {
                let leaf = self.leaf("OBX", (5, 1, 1), "OBX-5 (ID)", "value", "ID", &PhiClass::Clinical);
                vec![ComponentPlan { subs: vec![leaf], is_title: false }]
            }
            _ => composite(),
        };
        FieldPlan { components, whole: None, extra, def: None }
    }

    /// The sign between the two numbers of an SN value.
    fn separator(&self) -> ComponentPlan {
        let place = ValuePlace {
            table: Some("observations"),
            column: "value_separator",
            path: "OBX-7",
            class: PhiClass::Clinical,
            kind: ValueKind::Text,
            shape: None,
        };
        ComponentPlan { subs: vec![self.treatment.leaf(&place, "OBX-5.3 (SN)", Form::Text)], is_title: false }
    }

    /// One value: as the column that reads it, or as the dictionary describes it.
    fn leaf(
        &self,
        segment: &'static str,
        (field, component, sub): (usize, usize, usize),
        path: &str,
        name: &str,
        datatype: &str,
        class: &PhiClass,
    ) -> Leaf {
        let number = matches!(datatype, "NM" | "SI");
        if let Some((table, column)) = COLUMNS.get(&(segment.to_owned(), field, component, sub)) {
            let is_number = number && column.data_type != DataType::Utf8View;
            let form = form_of(datatype, &column.phi, is_number);
            let kind = if is_number { ValueKind::Number } else { ValueKind::Text };
            let place = ValuePlace {
                table: Some(table),
                column: &column.name,
                path: &column.path,
                class: column.phi.clone(),
                kind,
                // The reader makes a number of it; as text it could be anything.
                shape: (column.phi == PhiClass::Operational && column.data_type == DataType::Int64).then_some(CodeShape::SubId),
            };
            return self.treatment.leaf(&place, path, form);
        }
        let is_number = number && !class.is_identifying();
        let shape = (!is_number).then(|| shape_of(datatype, name));
        let place = ValuePlace {
            table: None,
            column: &column_of(name),
            path,
            class: class.clone(),
            kind: if is_number { ValueKind::Number } else { ValueKind::Text },
            shape,
        };
        self.treatment.leaf(&place, path, form_of(datatype, class, is_number))
    }
}

fn form_of(datatype: &str, class: &PhiClass, is_number: bool) -> Form {
    match datatype {
        "TM" if *class == PhiClass::Date => Form::Time,
        _ if *class == PhiClass::Date => Form::Date,
        _ if is_number => Form::Number,
        _ => Form::Text,
    }
}

/// A name of the dictionary as the tables would call a column of it.
fn column_of(name: &str) -> String {
    let name = column_name(name);
    match name.as_ref() {
        "county_parish_code" => "county".to_owned(),
        "date_time_of_birth" | "insureds_date_of_birth" | "insured_s_date_of_birth" => "birth_date".to_owned(),
        other if other.ends_with("date_of_birth") || other.ends_with("date_time_of_birth") => "birth_date".to_owned(),
        other => other.to_owned(),
    }
}

/// What a code or word looks like where no column of the reader says it.
fn shape_of(datatype: &str, name: &str) -> CodeShape {
    match datatype {
        "DT" | "DTM" | "TS" | "TM" => CodeShape::Release,
        _ if name.contains("OID") => CodeShape::Canonical,
        _ if name.contains("Version") => CodeShape::Release,
        _ if name.contains("Coding System") => CodeShape::System,
        _ if name.contains("State") && datatype == "ST" => CodeShape::State,
        _ if name.contains("Text") => CodeShape::Display,
        _ => CodeShape::Code,
    }
}
