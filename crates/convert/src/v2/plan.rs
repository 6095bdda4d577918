//! The tables compiled once: rows with their paths resolved against the definitions of FHIR, so that a message is converted without
//! looking a name up.

use std::{collections::HashMap, ops::Range, sync::OnceLock};

use sutura_fhir::defs::{CodeSet, Strength, TypeId, TypeKind, r4};

use super::{
    condition::{Condition, Place},
    functions::Function,
    table::{self, Row},
    walk,
};
use crate::fhir::Step;

/// What is looked up for every field.
pub(super) type Fast<K, V> = HashMap<K, V, std::hash::BuildHasherDefault<crate::hash::FastHasher>>;

/// The name of a segment.
pub(super) type Tag = [u8; 3];

/// One step of a target.
#[derive(Debug, Clone, Copy)]
pub(super) enum Go {
    /// To an element; the slot tells items of a list apart.
    Into(Step, Slot),
    /// From a Reference to the resource of that type it points to.
    Follow(TypeId),
}

/// Which item of a list is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// An item that all segments share.
    Shared,
    /// An item of its own for each segment, told apart by the number.
    Number(u16),
    /// One for each repetition of OBX-5.
    Each,
}

/// What a row does.
#[derive(Debug, Clone)]
pub(super) enum Action {
    /// Writes the text at hand.
    Text,
    /// Writes a constant.
    Constant(&'static str),
    /// Writes parts one behind the other.
    Concat(Vec<Part>),
    /// Applies a map of a data type.
    Map(usize),
    /// Applies a function.
    Function(Function),
    /// Points a Reference to the resource of a role.
    Link(usize),
}

/// A part of an assignment.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Text(&'static str),
    Place(Place),
}

/// How a text becomes the value of a primitive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf {
    /// No primitive.
    None,
    String,
    Markdown,
    Code,
    /// A logical id: letters, digits, `-` and `.`.
    Id,
    /// A language tag.
    Language,
    Uri,
    /// The URI of a code system named as in HL7 table 0396.
    CodeSystem,
    Date,
    DateTime,
    Instant,
    Time,
    Boolean,
    Integer,
    Positive,
    Unsigned,
    Decimal,
    Base64,
}

/// A compiled row.
#[derive(Debug)]
pub(super) struct Op {
    /// Field of the segment or component of the data type; 0 is the whole.
    pub at: u16,
    pub condition: Option<Condition>,
    /// A field of the same segment and what it has to be, else the condition does not hold: most rows of OBX ask for OBX-2 first.
    pub guard: Option<(u16, Vec<&'static str>)>,
    pub path: Vec<Go>,
    pub action: Action,
    pub leaf: Leaf,
    /// The codes a required binding allows.
    pub allowed: Option<&'static CodeSet>,
    pub codes: Option<usize>,
    /// Runs when the field is empty too, because its condition asks for that.
    pub without_value: bool,
    /// The step whose items take the repetitions of the field.
    pub repeats_at: Option<usize>,
    /// Runs once for each repetition of OBX-5.
    pub each: bool,
    /// URI and number of the table that the standard binds to the field.
    pub table: Option<(u16, &'static str)>,
    /// The text is that of the first component: the field or component has several.
    pub first: bool,
}

/// A compiled map.
#[derive(Debug)]
pub(super) struct Map {
    #[cfg(test)]
    pub name: &'static str,
    pub ops: Vec<Op>,
    /// The rows of one field or component each, in the order of the rows.
    pub groups: Vec<Group>,
    /// It points to other resources and says nothing itself.
    pub only_links: bool,
}

/// Rows beside each other that look at the same field or component: of most, a message has nothing, and they are passed over at once.
#[derive(Debug)]
pub(super) struct Group {
    pub at: u16,
    pub rows: Range<usize>,
    /// One of them runs without a value.
    pub without_value: bool,
}

impl Group {
    fn all(ops: &[Op]) -> Vec<Self> {
        let mut from = 0;
        ops.chunk_by(|left, right| left.at == right.at)
            .map(|rows| {
                from += rows.len();
                Self { at: rows[0].at, rows: from - rows.len()..from, without_value: rows.iter().any(|op| op.without_value) }
            })
            .collect()
    }
}

/// A map of codes.
#[derive(Debug)]
pub(super) struct Codes {
    pub name: &'static str,
    pub by_code: Fast<&'static str, [&'static str; 4]>,
}

/// What a message row does with a segment.
#[derive(Debug)]
pub(super) struct Use {
    pub context: &'static str,
    pub role: usize,
    pub map: usize,
    pub condition: Option<Condition>,
}

/// A field that is left out on purpose, or a segment (0).
#[derive(Debug)]
pub(super) struct LeftOut {
    pub field: u16,
    pub reason: &'static str,
    pub condition: Option<Condition>,
}

/// A role: a resource of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Role {
    pub name: &'static str,
    pub ty: TypeId,
}

/// Everything, compiled.
#[derive(Debug)]
pub(super) struct Plan {
    pub maps: Vec<Map>,
    pub datatypes: Vec<Map>,
    pub codes: Vec<Codes>,
    pub roles: Vec<Role>,
    /// The rows of a segment in a family of messages.
    pub uses: Fast<Tag, Vec<(&'static str, Vec<Use>)>>,
    pub drops: Fast<Tag, Vec<LeftOut>>,
    /// The roles that a segment begins anew.
    pub begins: Fast<Tag, Vec<usize>>,
    /// The roles that an order begins anew.
    pub order_roles: Vec<usize>,
    /// The roles that a second patient begins anew.
    pub patient_roles: Vec<usize>,
    /// The roles that a second dose begins anew.
    pub dose_roles: Vec<usize>,
    /// The roles that stand for an order, the first that is there.
    pub order_of: Vec<usize>,
    /// Rows that could not be compiled, and why.
    pub problems: Vec<String>,
}

/// The compiled plan.
pub(super) fn plan() -> &'static Plan {
    static PLAN: OnceLock<Plan> = OnceLock::new();
    PLAN.get_or_init(|| Compiler::new().compile())
}

struct Compiler {
    datatypes: HashMap<&'static str, Vec<Row>>,
    /// Compiled maps of data types by name and the type they fill.
    compiled: HashMap<(&'static str, TypeId), usize>,
    code_names: HashMap<&'static str, usize>,
    role_names: HashMap<&'static str, usize>,
    plan: Plan,
}

impl Compiler {
    fn new() -> Self {
        let codes: Vec<Codes> = table::codes()
            .into_iter()
            .map(|(name, rows)| Codes { name, by_code: rows.into_iter().map(|row| (row[0], row)).collect() })
            .collect();
        let code_names = codes.iter().enumerate().map(|(number, codes)| (codes.name, number)).collect();
        let plan = Plan {
            maps: Vec::new(),
            datatypes: Vec::new(),
            codes,
            roles: Vec::new(),
            uses: Fast::default(),
            drops: Fast::default(),
            begins: Fast::default(),
            order_roles: Vec::new(),
            patient_roles: Vec::new(),
            dose_roles: Vec::new(),
            order_of: Vec::new(),
            problems: Vec::new(),
        };
        Self { datatypes: table::datatypes().into_iter().collect(), compiled: HashMap::new(), code_names, role_names: HashMap::new(), plan }
    }

    fn compile(mut self) -> Plan {
        for name in
            ["Patient", "Encounter", "Condition", "Observation", "Specimen", "ServiceRequest", "MessageHeader", "OtherPatient:Patient"]
        {
            self.role(name);
        }
        for [_, _, _, role, _, _] in table::messages() {
            self.role(role);
        }
        let segments: HashMap<&str, Vec<Row>> = table::segments().into_iter().collect();
        let mut numbers: HashMap<(&str, usize), usize> = HashMap::new();
        let names: Vec<[&'static str; 6]> = table::messages().collect();
        for [family, segment, context, role, map, condition] in names {
            let role = self.role(role);
            if !walk::FAMILIES.contains(&family) || !walk::CONTEXTS.contains(&context) {
                self.plan.problems.push(format!("{segment} {map}: no family {family} or no context {context}"));
            }
            let Some(rows) = segments.get(map) else {
                self.plan.problems.push(format!("no segment map {map}"));
                continue;
            };
            let Ok(tag) = <Tag>::try_from(segment.as_bytes()) else {
                self.plan.problems.push(format!("no segment {segment}"));
                continue;
            };
            let ty = self.plan.roles[role].ty;
            let number = match numbers.get(&(map, ty.index())) {
                Some(number) => *number,
                None => {
                    let compiled = self.segment_map(map, tag, ty, rows);
                    self.plan.maps.push(compiled);
                    numbers.insert((map, ty.index()), self.plan.maps.len() - 1);
                    self.plan.maps.len() - 1
                }
            };
            let condition = self.condition(condition, map);
            let families = self.plan.uses.entry(tag).or_default();
            let place = families.iter().position(|(name, _)| *name == family).unwrap_or_else(|| {
                families.push((family, Vec::new()));
                families.len() - 1
            });
            families[place].1.push(Use { context, role, map: number, condition });
        }
        for [place, reason, condition] in table::drops() {
            let (segment, field) = match Place::parse(place) {
                Some(Place::Field { segment, field, .. }) => (segment, field),
                Some(Place::Segment(segment)) => (segment, 0),
                _ => {
                    self.plan.problems.push(format!("no field {place}"));
                    continue;
                }
            };
            let condition = self.condition(condition, place);
            self.plan.drops.entry(segment).or_default().push(LeftOut { field, reason, condition });
        }
        let listed = walk::BEGINS.iter().flat_map(|(_, names)| names.iter());
        for name in listed.chain(&walk::ORDER_ROLES).chain(&walk::DOSES).chain(&walk::ORDERS).chain(&walk::MESSAGE_ROLES) {
            if !self.role_names.contains_key(name) {
                self.plan.problems.push(format!("no role {name}"));
            }
        }
        let number = |name: &&str| self.role_names.get(name).copied();
        self.plan.begins = walk::BEGINS.iter().map(|(tag, names)| (**tag, names.iter().filter_map(number).collect())).collect();
        self.plan.order_roles = walk::ORDER_ROLES.iter().filter_map(number).collect();
        self.plan.dose_roles = walk::DOSES.iter().filter_map(number).collect();
        self.plan.order_of = walk::ORDERS.iter().filter_map(number).collect();
        let stays = |role: &Role| walk::MESSAGE_ROLES.contains(&role.name) || role.name == "Appointment";
        self.plan.patient_roles = (0..self.plan.roles.len()).filter(|role| !stays(&self.plan.roles[*role])).collect();
        self.plan
    }

    fn role(&mut self, text: &'static str) -> usize {
        let (name, ty) = text.split_once(':').unwrap_or((text, text));
        if let Some(number) = self.role_names.get(name) {
            return *number;
        }
        let Some(ty) = r4().type_named(ty) else {
            self.plan.problems.push(format!("no type {ty}"));
            return 0;
        };
        self.plan.roles.push(Role { name, ty });
        self.role_names.insert(name, self.plan.roles.len() - 1);
        self.plan.roles.len() - 1
    }

    fn condition(&mut self, text: &'static str, map: &str) -> Option<Condition> {
        if text.is_empty() {
            return None;
        }
        let condition = Condition::parse(text);
        if condition.is_none() {
            self.plan.problems.push(format!("{map}: condition {text}"));
        }
        condition
    }

    fn segment_map(&mut self, name: &'static str, tag: Tag, ty: TypeId, rows: &[Row]) -> Map {
        let mut ops = Vec::new();
        for row in rows {
            let (owner, number) = row.field.split_once('-').unwrap_or((row.field, "0"));
            if !owner.is_empty() && owner.as_bytes() != tag {
                self.plan.problems.push(format!("{name}: {} is no field of the segment that the map is for", row.field));
            }
            let at = number.parse().unwrap_or(0);
            let place = Place::Field { segment: tag, field: at, component: 0 };
            if let Some(mut op) = self.op(name, ty, row, at, place) {
                op.table = bound_table(tag, at);
                ops.push(op);
            }
        }
        ops.sort_by_key(|op| op.at);
        repeat_places(&mut ops);
        let links = ops.iter().any(|op| matches!(op.action, Action::Link(_)));
        let only_links = links && ops.iter().all(|op| matches!(op.action, Action::Link(_) | Action::Constant(_)));
        Map {
            #[cfg(test)]
            name,
            groups: Group::all(&ops),
            ops,
            only_links,
        }
    }

    fn datatype(&mut self, name: &'static str, ty: TypeId) -> Option<usize> {
        if let Some(number) = self.compiled.get(&(name, ty)) {
            return Some(*number);
        }
        let rows = self.datatypes.get(name)?.clone();
        // Known before its rows are compiled, so that a map that names itself ends.
        self.plan.datatypes.push(Map {
            #[cfg(test)]
            name,
            ops: Vec::new(),
            groups: Vec::new(),
            only_links: false,
        });
        let number = self.plan.datatypes.len() - 1;
        self.compiled.insert((name, ty), number);
        let mut ops = Vec::new();
        for row in &rows {
            let at = row.field.trim_start_matches('.').split('.').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
            ops.extend(self.op(name, ty, row, at, Place::Component(at as u8)));
        }
        self.plan.datatypes[number].groups = Group::all(&ops);
        self.plan.datatypes[number].ops = ops;
        Some(number)
    }

    fn op(&mut self, map: &'static str, from: TypeId, row: &Row, at: u16, place: Place) -> Option<Op> {
        let (path, ty, parent) = self.path(map, from, row.target)?;
        let condition = self.condition(row.condition, map);
        if condition.is_none() && !row.condition.is_empty() {
            return None;
        }
        let is_primitive = ty.def().kind == TypeKind::Primitive;
        let mut leaf = if is_primitive { leaf_of(ty) } else { Leaf::None };
        let last = path.iter().rev().find_map(|go| match go {
            Go::Into(step, _) => Some(step.name),
            Go::Follow(_) => None,
        });
        if leaf == Leaf::Code && last == Some("language") {
            leaf = Leaf::Language;
        }
        let coded = matches!(parent.map(TypeId::name), Some("Coding" | "Quantity")) || map.starts_with("CWE[") || map.starts_with("CE[");
        if leaf == Leaf::Uri && last == Some("system") && coded && row.assignment.is_empty() {
            leaf = Leaf::CodeSystem;
        }
        let action = self.action(map, row, ty)?;
        let first = matches!(action, Action::Text) && takes_first(map, place, leaf);
        let is_coded = leaf == Leaf::Code || matches!(ty.name(), "CodeableConcept" | "Coding");
        let allowed = parent.zip(last).and_then(|(parent, name)| {
            let (element, _) = parent.def().element(name)?;
            let binding = element.binding.filter(|binding| binding.strength == Strength::Required && is_coded)?;
            r4().value_set(binding.value_set)
        });
        let codes = self.code_names.get(row.codes).copied();
        if codes.is_none() && !row.codes.is_empty() {
            self.plan.problems.push(format!("{map} {}: no code map {}", row.field, row.codes));
        }
        // A map that is named without rows means that there is none on purpose.
        let codes = codes.filter(|number| !self.plan.codes[*number].is_empty());
        let without_value = condition.as_ref().is_some_and(|condition| condition.is_about_absence_of(place))
            && !matches!(action, Action::Text | Action::Map(_));
        let guard = condition.as_ref().and_then(|condition| guard(condition, place));
        let each = path.iter().any(|go| matches!(go, Go::Into(_, Slot::Each)));
        Some(Op { at, condition, guard, path, action, leaf, allowed, codes, without_value, repeats_at: None, each, table: None, first })
    }

    fn action(&mut self, map: &'static str, row: &Row, ty: TypeId) -> Option<Action> {
        // Some rows name a map beside a constant: of a primitive the constant is meant.
        let is_constant = !row.assignment.is_empty() && ty.def().kind == TypeKind::Primitive;
        if !row.map.is_empty() && !is_constant {
            let Some(number) = self.datatype(row.map, ty) else {
                self.plan.problems.push(format!("{map} {}: no data type map {}", row.field, row.map));
                return None;
            };
            return Some(Action::Map(number));
        }
        if let Some(name) = row.assignment.strip_prefix("fn:") {
            let function = Function::named(name);
            if function.is_none() {
                self.plan.problems.push(format!("{map} {}: no function {name}", row.field));
            }
            return function.map(Action::Function);
        }
        if let Some(role) = row.assignment.strip_prefix("link:") {
            let number = self.role_names.get(role).copied();
            if number.is_none() {
                self.plan.problems.push(format!("{map} {}: no role {role}", row.field));
            }
            return number.map(Action::Link);
        }
        if let Some(expression) = row.assignment.strip_prefix('=') {
            let parts = parts(expression);
            if parts.is_none() {
                self.plan.problems.push(format!("{map} {}: assignment {expression}", row.field));
            }
            return parts.map(Action::Concat);
        }
        if !row.assignment.is_empty() {
            return Some(Action::Constant(row.assignment));
        }
        if ty.def().kind == TypeKind::Primitive {
            return Some(Action::Text);
        }
        // A row that names no map of the data type: the usual one for what it fills.
        let usual = match ty.name() {
            "CodeableConcept" => "CWE[CodeableConcept]",
            "Coding" => "CWE[Coding]",
            "Identifier" => "CX[Identifier]",
            "Period" => "DR[Period]",
            name => {
                self.plan.problems.push(format!("{map} {}: no way to make a {name}", row.field));
                return None;
            }
        };
        self.datatype(usual, ty).map(Action::Map)
    }

    /// Resolves a target: the steps, the type at its end and the type of what holds it.
    fn path(&mut self, map: &'static str, from: TypeId, text: &'static str) -> Option<(Vec<Go>, TypeId, Option<TypeId>)> {
        let (mut ty, mut parent, mut steps) = (from, None, Vec::new());
        if text == "$this" {
            return Some((steps, ty, parent));
        }
        for part in text.split('.') {
            let (element, follow) = match part.split_once('>') {
                Some((element, follow)) => (element, Some(follow)),
                None => (part, None),
            };
            let (name, slot) = match element.split_once('#') {
                Some((name, "each")) => (name, Slot::Each),
                Some((name, "0")) => (name, Slot::Shared),
                Some((name, number)) => (name, Slot::Number(number.parse().ok()?)),
                None => (element, Slot::Number(1)),
            };
            let Some(step) = Step::new(ty, name) else {
                self.plan.problems.push(format!("{map}: {} has no {name} ({text})", ty.name()));
                return None;
            };
            parent = Some(ty);
            ty = step.ty;
            steps.push(Go::Into(step, slot));
            if let Some(follow) = follow {
                let resource = r4().resource_named(follow).filter(|_| ty.name() == "Reference");
                let Some(resource) = resource else {
                    self.plan.problems.push(format!("{map}: no reference to {follow} ({text})"));
                    return None;
                };
                parent = None;
                ty = resource.id;
                steps.push(Go::Follow(ty));
            }
        }
        Some((steps, ty, parent))
    }
}

/// What has to hold of another field of the row's segment, whatever else its condition asks.
fn guard(condition: &Condition, own: Place) -> Option<(u16, Vec<&'static str>)> {
    match condition {
        Condition::And(parts) => parts.iter().find_map(|part| guard(part, own)),
        Condition::In(Place::Field { segment, field, component: 0 }, values) => match own {
            Place::Field { segment: here, field: at, .. } if here == *segment && at != *field => Some((*field, values.clone())),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a row that names no map of a data type means the first component: what it reads has components. Text that may hold delimiters
/// that the sender did not escape is taken whole.
fn takes_first(map: &str, place: Place, leaf: Leaf) -> bool {
    let is_text = matches!(leaf, Leaf::String | Leaf::Markdown | Leaf::Base64);
    let datatype = match place {
        Place::Component(number) => {
            let owner = map.split('[').next().unwrap_or(map);
            let components = sutura_hl7v2::defs::datatype(owner);
            components.and_then(|known| known.component(usize::from(number))).map(|component| component.datatype)
        }
        Place::Field { segment, field, .. } => {
            let name = std::str::from_utf8(&segment).unwrap_or("");
            sutura_hl7v2::defs::segment(name).and_then(|known| known.field(usize::from(field))).map(|field| field.datatype)
        }
        Place::Segment(_) => None,
    };
    !is_text || datatype.is_some_and(|name| sutura_hl7v2::defs::datatype(name).is_some())
}

fn parts(expression: &'static str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = expression;
    while !rest.is_empty() {
        rest = rest.trim_start_matches('+');
        if let Some(quoted) = rest.strip_prefix('"') {
            let (text, behind) = quoted.split_once('"')?;
            parts.push(Part::Text(text));
            rest = behind;
        } else {
            let end = rest.find('+').unwrap_or(rest.len());
            parts.push(Part::Place(Place::parse(&rest[..end])?));
            rest = &rest[end..];
        }
    }
    Some(parts)
}

fn leaf_of(ty: TypeId) -> Leaf {
    match ty.name() {
        "markdown" => Leaf::Markdown,
        "code" => Leaf::Code,
        "id" => Leaf::Id,
        "uri" | "url" | "canonical" | "oid" | "uuid" => Leaf::Uri,
        "date" => Leaf::Date,
        "dateTime" => Leaf::DateTime,
        "instant" => Leaf::Instant,
        "time" => Leaf::Time,
        "boolean" => Leaf::Boolean,
        "integer" => Leaf::Integer,
        "positiveInt" => Leaf::Positive,
        "unsignedInt" => Leaf::Unsigned,
        "decimal" => Leaf::Decimal,
        "base64Binary" => Leaf::Base64,
        _ => Leaf::String,
    }
}

/// The table of codes that the standard binds to a field.
fn bound_table(tag: Tag, field: u16) -> Option<(u16, &'static str)> {
    let name = std::str::from_utf8(&tag).ok()?;
    let number = sutura_hl7v2::defs::segment(name)?.field(usize::from(field))?.table?;
    let uri = sutura_terminology::v2::table_uri(&format!("{number:04}"))?;
    // Compiled once for the life of the process.
    Some((number, Box::leak(uri.into_owned().into_boxed_str())))
}

/// Finds for every row which list takes the repetitions of its field: the deepest one of the row that carries the value, if no other
/// field fills the same item.
fn repeat_places(ops: &mut [Op]) {
    let carries = |op: &Op| !matches!(op.action, Action::Constant(_) | Action::Link(_)) && !op.each;
    let same = |left: &[Go], right: &[Go]| {
        left.len() == right.len()
            && left.iter().zip(right).all(|(left, right)| match (left, right) {
                (Go::Into(left, slot), Go::Into(right, other)) => left == right && slot == other,
                (Go::Follow(left), Go::Follow(right)) => left == right,
                _ => false,
            })
    };
    // The path up to the deepest list, of every row that carries a value.
    let places = ops.iter().filter_map(|op| {
        let deepest = op.path.iter().rposition(|go| matches!(go, Go::Into(step, slot) if step.is_list && *slot != Slot::Shared))?;
        // An item that is the value itself repeats, whatever else is added to it.
        carries(op).then(|| (op.at, op.path[..=deepest].to_vec(), deepest + 1 == op.path.len()))
    });
    let prefixes: Vec<(u16, Vec<Go>, bool)> = places.collect();
    for number in 0..ops.len() {
        let at = ops[number].at;
        let own = prefixes.iter().filter(|(field, ..)| *field == at);
        // The longest prefix of this row that a row of the same field repeats at, and no other field fills.
        let best = own
            .filter(|(_, prefix, _)| ops[number].path.len() >= prefix.len() && same(&ops[number].path[..prefix.len()], prefix))
            .filter(|(_, prefix, is_value)| {
                *is_value
                    || !ops.iter().any(|other| {
                        other.at != at && carries(other) && other.path.len() >= prefix.len() && same(&other.path[..prefix.len()], prefix)
                    })
            })
            .map(|(_, prefix, _)| prefix.len() - 1)
            .min();
        ops[number].repeats_at = best;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_tables_compiles() {
        assert_eq!(plan().problems, Vec::<String>::new());
        let named = |role: usize| plan().roles[role].name;
        use super::super::run::{ENCOUNTER, PATIENT, SPECIMEN};
        assert_eq!([PATIENT, ENCOUNTER, SPECIMEN].map(named), ["Patient", "Encounter", "Specimen"]);
    }

    #[test]
    fn repetitions_go_to_the_item_that_only_their_field_fills() {
        let map = plan().maps.iter().find(|map| map.name == "NK1[Patient]").unwrap();
        let place = |field: u16| map.ops.iter().find(|op| op.at == field).unwrap().repeats_at;
        assert_eq!(place(5), Some(1), "telecom of the contact");
        assert_eq!(place(2), None, "the contact is shared by all fields");
        let map = plan().maps.iter().find(|map| map.name == "PV1[Encounter]").unwrap();
        assert!(map.ops.iter().filter(|op| op.at == 7).all(|op| op.repeats_at == Some(0)));
    }
}
