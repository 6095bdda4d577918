//! A Questionnaire as the checks need it, made once.

use std::collections::{HashMap, HashSet};

use serde_json::Value as Json;

use crate::validate::profile::{LocalSet, ProfileStore};

/// A Questionnaire.
#[derive(Debug, Default)]
pub(crate) struct Form {
    pub(super) items: Vec<Question>,
    /// The contained value sets whose codes are known, by `#id`.
    pub(super) sets: HashMap<String, LocalSet>,
    link_ids: HashSet<String>,
}

/// One item: a question, a group, or text to display.
#[derive(Debug, Default)]
pub(super) struct Question {
    pub(super) link_id: String,
    pub(super) kind: String,
    pub(super) text: Option<String>,
    pub(super) required: bool,
    pub(super) repeats: bool,
    pub(super) conditions: Vec<Condition>,
    /// Whether all conditions must hold, or one; none is not said.
    pub(super) all: Option<bool>,
    /// Whether an expression that is not evaluated here switches it on.
    pub(super) by_expression: bool,
    /// The options by type.
    pub(super) options: Vec<(String, Json)>,
    pub(super) value_set: Option<String>,
    pub(super) min_length: Option<u64>,
    pub(super) max_length: Option<u64>,
    pub(super) min_value: Option<Json>,
    pub(super) max_value: Option<Json>,
    pub(super) least: Option<u64>,
    pub(super) most: Option<u64>,
    pub(super) items: Vec<Question>,
}

/// What must hold for an item to be enabled.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) question: String,
    pub(super) operator: String,
    /// Type and value.
    pub(super) answer: Option<(String, Json)>,
}

const MIN_OCCURS: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-minOccurs";
const MAX_OCCURS: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-maxOccurs";
const MIN_LENGTH: &str = "http://hl7.org/fhir/StructureDefinition/minLength";
const MIN_VALUE: &str = "http://hl7.org/fhir/StructureDefinition/minValue";
const MAX_VALUE: &str = "http://hl7.org/fhir/StructureDefinition/maxValue";
const ENABLED_BY: &str = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-enableWhenExpression";

fn list<'j>(json: &'j Json, name: &str) -> impl Iterator<Item = &'j Json> {
    json[name].as_array().into_iter().flatten()
}

/// The choice of that name: `valueCoding` as `Coding` and its value. Types of data begin with a capital, primitives do not.
fn choice(json: &Json, stem: &str) -> Option<(String, Json)> {
    json.as_object()?.iter().find_map(|(name, value)| {
        let ty = name.strip_prefix(stem).filter(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()))?;
        let ty = if value.is_object() { ty.to_owned() } else { ty[..1].to_ascii_lowercase() + &ty[1..] };
        Some((ty, value.clone()))
    })
}

impl Form {
    /// From a Questionnaire; the store knows what its contained value sets are made of.
    pub(crate) fn new(store: &ProfileStore, json: &Json) -> Self {
        let mut link_ids = HashSet::new();
        let items = list(json, "item").map(|item| Question::new(item, &mut link_ids)).collect();
        let sets = list(json, "contained")
            .filter(|one| one["resourceType"] == "ValueSet")
            .filter_map(|one| Some((format!("#{}", one["id"].as_str()?), store.expand(one)?)))
            .collect();
        Self { items, sets, link_ids }
    }

    /// Whether any of its items has that linkId.
    pub(super) fn knows(&self, link_id: &str) -> bool {
        self.link_ids.contains(link_id)
    }
}

impl Question {
    fn new(json: &Json, link_ids: &mut HashSet<String>) -> Self {
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        let link_id = text("linkId").unwrap_or_default();
        link_ids.insert(link_id.clone());
        let extension = |url: &str| list(json, "extension").find(|one| one["url"] == url);
        let count = |url: &str| extension(url).and_then(|one| one["valueInteger"].as_u64());
        let value = |url: &str| extension(url).and_then(|one| choice(one, "value")).map(|(_, value)| value);
        let conditions = list(json, "enableWhen").map(|one| Condition {
            question: one["question"].as_str().unwrap_or_default().to_owned(),
            operator: one["operator"].as_str().unwrap_or_default().to_owned(),
            answer: choice(one, "answer"),
        });
        Self {
            kind: text("type").unwrap_or_default(),
            text: text("text"),
            required: json["required"] == true,
            repeats: json["repeats"] == true,
            conditions: conditions.collect(),
            all: json["enableBehavior"].as_str().map(|behavior| behavior == "all"),
            by_expression: extension(ENABLED_BY).is_some(),
            options: list(json, "answerOption").filter_map(|one| choice(one, "value")).collect(),
            value_set: text("answerValueSet"),
            min_length: count(MIN_LENGTH),
            max_length: json["maxLength"].as_u64(),
            min_value: value(MIN_VALUE),
            max_value: value(MAX_VALUE),
            least: count(MIN_OCCURS),
            most: count(MAX_OCCURS),
            items: list(json, "item").map(|item| Self::new(item, link_ids)).collect(),
            link_id,
        }
    }

    pub(super) fn is_group(&self) -> bool {
        self.kind == "group"
    }

    pub(super) fn is_display(&self) -> bool {
        self.kind == "display"
    }

    /// Whether its answers may have that type.
    pub(super) fn takes(&self, ty: &str) -> bool {
        match self.kind.as_str() {
            "boolean" | "decimal" | "integer" | "date" | "dateTime" | "time" | "string" => ty == self.kind,
            "text" => ty == "string",
            "url" => ty == "uri",
            "attachment" => ty == "Attachment",
            "reference" => ty == "Reference",
            "quantity" => ty == "Quantity",
            "choice" | "open-choice" => matches!(ty, "Coding" | "string" | "integer" | "date" | "time" | "Reference"),
            _ => true,
        }
    }
}
