//! A StructureDefinition as a tree of constraints.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::{
    ProfileStore, core_type,
    differential::{element_at, leads_somewhere, strength},
    problem::ElementProblem,
};
use crate::{
    defs::{Strength, TypeId},
    fhirpath::Expression,
    validate::r4,
};

/// One profile.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    pub(crate) url: String,
    pub(crate) ty: TypeId,
    pub(crate) root: Node,
    /// Where an extension may stand: kind and expression. Empty means anywhere.
    pub(crate) context: Vec<(String, String)>,
    /// Whether it defines an extension.
    pub(crate) is_extension: bool,
    /// Whether that extension is a modifier, which stands in `modifierExtension` only.
    pub(crate) is_modifier: bool,
    /// What it says that cannot be used.
    pub(crate) problems: Vec<ElementProblem>,
}

/// What a profile says of one element, or of one slice of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    /// The name in FHIRPath, without `[x]`.
    pub(crate) name: String,
    /// The name of the slice, for a slice.
    pub(crate) slice: String,
    pub(crate) min: Option<u32>,
    /// None: not said; `u32::MAX`: any.
    pub(crate) max: Option<u32>,
    pub(crate) types: Vec<NodeType>,
    pub(crate) fixed: Option<Json>,
    pub(crate) pattern: Option<Json>,
    pub(crate) binding: Option<(Strength, String)>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) min_value: Option<Json>,
    pub(crate) max_value: Option<Json>,
    pub(crate) max_length: Option<u64>,
    pub(crate) min_length: Option<u64>,
    /// Whether a primitive must have a value, not extensions only (R5's mustHaveValue).
    pub(crate) must_have_value: bool,
    /// Extensions one of which must be there if a primitive has no value (R5's valueAlternatives).
    pub(crate) value_alternatives: Vec<String>,
    /// Which languages the sections of a narrative must or must not be in.
    pub(crate) languages: Vec<String>,
    pub(crate) slicing: Option<Slicing>,
    pub(crate) slices: Vec<Node>,
    pub(crate) children: Vec<Node>,
}

/// One type an element may have.
#[derive(Debug, Clone)]
pub(crate) struct NodeType {
    pub(crate) code: String,
    pub(crate) profiles: Vec<ProfileRef>,
    pub(crate) targets: Vec<String>,
    /// How the target of a reference may be at hand: `contained`, `bundled`, `referenced`. Empty means any.
    pub(crate) aggregation: Vec<String>,
}

/// A profile that a type must conform to.
#[derive(Debug, Clone)]
pub(crate) struct ProfileRef {
    pub(crate) url: String,
    /// The id of one of its elements, if that is meant and not the whole profile (`Composition.section:history`).
    pub(crate) element: Option<String>,
}

/// An invariant.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) key: String,
    pub(crate) warning: bool,
    pub(crate) expression: String,
}

/// How an element is sliced.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slicing {
    pub(crate) discriminators: Vec<(Discriminator, String)>,
    pub(crate) closed: bool,
    pub(crate) ordered: bool,
}

/// What tells slices apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discriminator {
    Value,
    Exists,
    Type,
    Profile,
}

impl Node {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The node of an element's id below this one: `Composition.section:history.code`.
    pub(crate) fn at(&self, id: &str) -> Option<&Node> {
        id.split('.').skip(1).try_fold(self, |node, part| {
            let (name, slice) = part.split_once(':').map_or((part, None), |(name, slice)| (name, Some(slice)));
            let child = node.child(name.strip_suffix("[x]").unwrap_or(name))?;
            match slice {
                Some(slice) => child.slices.iter().find(|one| one.slice == slice),
                None => Some(child),
            }
        })
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }

    fn child_mut(&mut self, name: &str) -> &mut Node {
        let at = match self.children.iter().position(|child| child.name == name) {
            Some(at) => at,
            None => {
                self.children.push(Self::new(name));
                self.children.len() - 1
            }
        };
        &mut self.children[at]
    }

    fn slice_mut(&mut self, slice: &str) -> &mut Node {
        let at = match self.slices.iter().position(|one| one.slice == slice) {
            Some(at) => at,
            None => {
                self.slices.push(Self { name: self.name.clone(), slice: slice.to_owned(), ..Self::default() });
                self.slices.len() - 1
            }
        };
        &mut self.slices[at]
    }
}

const MUST_HAVE_VALUE: &str = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.mustHaveValue";
const VALUE_ALTERNATIVES: &str = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.valueAlternatives";
const LANGUAGE_CONTROL: &str = "http://hl7.org/fhir/StructureDefinition/narrative-language-control";
const PROFILE_ELEMENT: &str = "http://hl7.org/fhir/StructureDefinition/elementdefinition-profile-element";

/// The profiles of a type, each with the element of it that is meant.
fn profile_refs(json: &Json) -> Vec<ProfileRef> {
    let element = |number: usize| {
        let extensions = list(&json["_profile"][number], "extension");
        extensions.filter(|one| text(one, "url") == PROFILE_ELEMENT).find_map(|one| one["valueString"].as_str()).map(str::to_owned)
    };
    let urls = list(json, "profile").enumerate();
    urls.filter_map(|(number, url)| Some(ProfileRef { url: url.as_str()?.to_owned(), element: element(number) })).collect()
}

fn text<'j>(json: &'j Json, name: &str) -> &'j str {
    json[name].as_str().unwrap_or("")
}

pub(super) fn list<'j>(json: &'j Json, name: &str) -> impl Iterator<Item = &'j Json> {
    json[name].as_array().into_iter().flatten()
}

pub(super) fn build(store: &ProfileStore, json: &Json, depth: usize) -> Option<Profile> {
    let type_name = text(json, "type");
    let ty = r4().type_named(type_name)?;
    let base = text(json, "baseDefinition");
    let inherited = if core_type(base).is_some() {
        Some(Node::new(type_name))
    } else {
        store.profile_at(base, depth + 1).map(|base| base.root.clone())
    };
    let differential = json["differential"]["element"].as_array();
    let snapshot = json["snapshot"]["element"].as_array();
    let mut problems = Vec::new();
    let (mut root, elements) = match (inherited, differential, snapshot) {
        (Some(root), Some(elements), _) => (root, elements),
        (_, _, Some(elements)) => (Node::new(type_name), elements),
        (Some(root), None, None) => return Some(finish(json, ty, root, problems)),
        // The base is not known: what the differential says is checked, the rest cannot be.
        (None, Some(elements), None) => {
            problems.push(ElementProblem::base(base, store.contains(base)));
            (Node::new(type_name), elements)
        }
        (None, None, None) => return None,
    };
    let mut current: HashMap<String, Vec<Step>> = HashMap::new();
    let mut sliced: Vec<(&str, Vec<Step>)> = Vec::new();
    for element in elements {
        let path = text(element, "path");
        let steps = steps(element, path, ty, &current);
        if !exists(ty, &steps) {
            // The base has no such element: nothing can be said of it.
            problems.push(ElementProblem::no_such_path(place_of(element)));
            continue;
        }
        current.insert(path.to_owned(), steps.clone());
        if steps.last().is_some_and(|step| step.slice.is_some()) {
            sliced.push((place_of(element), steps.clone()));
        }
        unusable_parts(element, ty, &steps, &mut problems);
        let mut node = &mut root;
        for step in &steps {
            node = node.child_mut(&step.name);
            if let Some(slice) = &step.slice {
                if step.by_type && node.slicing.is_none() {
                    node.slicing = Some(Slicing { discriminators: vec![(Discriminator::Type, "$this".to_owned())], ..Slicing::default() });
                }
                node = node.slice_mut(slice);
                if step.by_type
                    && node.types.is_empty()
                    && let Some(code) = &step.code
                {
                    node.types.push(NodeType { code: code.clone(), profiles: Vec::new(), targets: Vec::new(), aggregation: Vec::new() });
                }
            }
        }
        let rules = node.rules.len();
        apply(node, element);
        for rule in &node.rules[rules..] {
            if let Err(error) = Expression::parse(&rule.expression) {
                problems.push(ElementProblem::rule(place_of(element), &rule.key, &error.to_string()));
            }
        }
    }
    // What tells slices apart may be said by a later element.
    problems.extend(sliced.iter().filter(|(_, steps)| !can_be_told_apart(&root, steps)).map(|(place, _)| ElementProblem::slice(place)));
    Some(finish(json, ty, root, problems))
}

/// Whether something says how the slice that the steps lead to is told from other values; extensions are by their URL.
fn can_be_told_apart(root: &Node, steps: &[Step]) -> bool {
    let Some((last, above)) = steps.split_last() else { return true };
    matches!(last.name.as_str(), "extension" | "modifierExtension")
        || node_at(root, above).and_then(|node| node.child(&last.name)).is_none_or(|node| node.slicing.is_some())
}

/// What an element says and that means nothing: it is not checked.
fn unusable_parts(element: &Json, ty: TypeId, steps: &[Step], problems: &mut Vec<ElementProblem>) {
    let mut tell = |what: String| problems.push(ElementProblem::unusable(place_of(element), &what));
    if !element["min"].is_null() && element["min"].as_u64().is_none() {
        tell("min is no number from 0 on".to_owned());
    }
    if !element["max"].is_null() && element["max"].as_str().and_then(max_of).is_none() {
        tell("max is neither a number nor *".to_owned());
    }
    for code in list(element, "type").map(|one| text(one, "code")) {
        if r4().type_named(code).is_none() && !code.starts_with("http://hl7.org/fhirpath/System.") {
            tell(format!("FHIR R4 has no type '{code}'"));
        }
    }
    if element["binding"].is_object() && strength(text(&element["binding"], "strength")).is_none() {
        tell("the strength of the binding is none of required, extensible, preferred and example".to_owned());
    }
    for path in list(&element["slicing"], "discriminator").map(|one| text(one, "path")) {
        if element_at(ty, steps).is_some_and(|sliced| !leads_somewhere(sliced, element, path)) {
            tell(format!("the path '{path}' of the discriminator leads to no element"));
        }
    }
}

/// How people find an element: by its id, else by its path.
fn place_of(element: &Json) -> &str {
    match text(element, "id") {
        "" => text(element, "path"),
        id => id,
    }
}

fn finish(json: &Json, ty: TypeId, root: Node, problems: Vec<ElementProblem>) -> Profile {
    let context = list(json, "context").map(|one| (text(one, "type").to_owned(), text(one, "expression").to_owned())).collect();
    let is_extension = ty.name() == "Extension" && text(json, "url") != "http://hl7.org/fhir/StructureDefinition/Extension";
    let root_element = |part: &str| json[part]["element"].as_array().and_then(|elements| elements.first());
    let is_modifier = ["differential", "snapshot"]
        .into_iter()
        .filter_map(root_element)
        .any(|element| element["isModifier"] == true && !text(element, "path").contains('.'));
    Profile { url: text(json, "url").to_owned(), ty, root, context, is_extension, is_modifier, problems }
}

/// One step from an element to the next.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) slice: Option<String>,
    /// A choice narrowed by its name (`valueQuantity`): a slice by type.
    pub(super) by_type: bool,
    pub(super) code: Option<String>,
}

/// The way to an element: by what its ancestors' last elements were, and its own slice name.
pub(super) fn steps(element: &Json, path: &str, ty: TypeId, current: &HashMap<String, Vec<Step>>) -> Vec<Step> {
    let Some((parent, last)) = path.rsplit_once('.') else { return Vec::new() };
    // Ids say the way exactly where there are any.
    let id = text(element, "id");
    let mut out = Vec::new();
    let parts: Vec<&str> = id.split('.').collect();
    let exact = parts.len() == path.split('.').count() && !id.is_empty();
    if exact {
        for (part, name) in parts.iter().zip(path.split('.')).skip(1) {
            let slice = part.split_once(':').map(|(_, slice)| slice.to_owned());
            out.push(step(name, slice, &out, ty));
        }
        return out;
    }
    match current.get(parent) {
        Some(steps) => out.clone_from(steps),
        None => {
            for name in parent.split('.').skip(1) {
                out.push(step(name, None, &out, ty));
            }
        }
    }
    let slice = element["sliceName"].as_str().map(str::to_owned);
    out.push(step(last, slice, &out, ty));
    out
}

/// The node that the steps lead to, slices included.
pub(super) fn node_at<'n>(root: &'n Node, steps: &[Step]) -> Option<&'n Node> {
    steps.iter().try_fold(root, |node, step| {
        let child = node.child(&step.name)?;
        match &step.slice {
            Some(slice) => child.slices.iter().find(|one| one.slice == *slice),
            None => Some(child),
        }
    })
}

/// Whether the definitions have the element, as far as the way can be followed.
pub(super) fn exists(ty: TypeId, steps: &[Step]) -> bool {
    let mut at = Some(ty);
    for step in steps {
        let Some(def) = at.map(TypeId::def).filter(|def| !def.is_abstract) else { return true };
        let Some(element) = def.element_named(&step.name) else { return false };
        at = match (&step.code, element.types) {
            (Some(code), _) => r4().type_named(code),
            (None, [only]) => Some(only.ty),
            _ => None,
        };
    }
    true
}

fn step(name: &str, slice: Option<String>, before: &[Step], ty: TypeId) -> Step {
    if let Some(stem) = name.strip_suffix("[x]") {
        let code = slice.as_deref().and_then(|slice| slice.strip_prefix(stem)).filter(|rest| !rest.is_empty()).and_then(type_code);
        return Step { name: stem.to_owned(), by_type: slice.is_some() && code.is_some(), slice, code };
    }
    // `Observation.valueQuantity` stands for the slice `value[x]:valueQuantity`.
    let mut at = Some(ty);
    for step in before {
        at = at.and_then(|ty| ty.def().element_named(&step.name)).and_then(|element| element.types.first()).map(|one| one.ty);
    }
    if let Some((element, found)) = at.and_then(|ty| ty.def().element(name))
        && element.choice
    {
        return Step { name: element.name.to_owned(), slice: Some(name.to_owned()), by_type: true, code: Some(found.name().to_owned()) };
    }
    Step { name: name.to_owned(), slice, by_type: false, code: None }
}

/// `Quantity`, `DateTime` to the type's name.
fn type_code(capitalised: &str) -> Option<String> {
    if r4().type_named(capitalised).is_some() {
        return Some(capitalised.to_owned());
    }
    let mut letters = capitalised.chars();
    let lower = letters.next()?.to_ascii_lowercase().to_string() + letters.as_str();
    r4().type_named(&lower).map(|_| lower)
}

/// `*` or a number, which may be larger than any list.
fn max_of(max: &str) -> Option<u32> {
    let is_number = !max.is_empty() && max.bytes().all(|byte| byte.is_ascii_digit());
    (is_number || max == "*").then(|| max.parse().unwrap_or(u32::MAX))
}

/// Lays an element over what is known of its node.
fn apply(node: &mut Node, element: &Json) {
    if let Some(min) = element["min"].as_u64() {
        node.min = Some(u32::try_from(min).unwrap_or(u32::MAX));
    }
    if let Some(max) = element["max"].as_str() {
        node.max = max_of(max).or(node.max);
    }
    if element["type"].is_array() {
        let texts = |json: &Json, name: &str| list(json, name).filter_map(Json::as_str).map(str::to_owned).collect();
        node.types = list(element, "type")
            .map(|one| NodeType {
                code: text(one, "code").to_owned(),
                profiles: profile_refs(one),
                targets: texts(one, "targetProfile"),
                aggregation: texts(one, "aggregation"),
            })
            .collect();
    }
    for (name, value) in element.as_object().into_iter().flatten() {
        if name.starts_with("fixed") {
            node.fixed = Some(value.clone());
        } else if name.starts_with("pattern") {
            node.pattern = Some(value.clone());
        } else if name.starts_with("minValue") {
            node.min_value = Some(value.clone());
        } else if name.starts_with("maxValue") {
            node.max_value = Some(value.clone());
        }
    }
    if let Some(length) = element["maxLength"].as_u64() {
        node.max_length = Some(length);
    }
    for extension in list(element, "extension") {
        match text(extension, "url") {
            "http://hl7.org/fhir/StructureDefinition/minLength" => node.min_length = extension["valueInteger"].as_u64(),
            MUST_HAVE_VALUE => node.must_have_value = extension["valueBoolean"] == true,
            VALUE_ALTERNATIVES => node.value_alternatives.extend(extension["valueCanonical"].as_str().map(str::to_owned)),
            LANGUAGE_CONTROL => node.languages.extend(extension["valueCode"].as_str().map(str::to_owned)),
            _ => {}
        }
    }
    if let Some(url) = element["binding"]["valueSet"].as_str() {
        let strength = strength(text(&element["binding"], "strength")).unwrap_or(Strength::Example);
        node.binding = Some((strength, url.to_owned()));
    }
    for rule in list(element, "constraint") {
        let key = text(rule, "key");
        let expression = text(rule, "expression");
        // The rules of the base definitions are checked by the walk.
        let base = r4().invariants().iter().any(|known| known.key == key && known.expression == expression);
        if !expression.is_empty() && !base && !node.rules.iter().any(|known| known.key == key) {
            let warning = text(rule, "severity") == "warning";
            node.rules.push(Rule { key: key.to_owned(), warning, expression: expression.to_owned() });
        }
    }
    if element["slicing"].is_object() {
        let slicing = &element["slicing"];
        let discriminators = list(slicing, "discriminator")
            .map(|one| {
                let kind = match text(one, "type") {
                    "exists" => Discriminator::Exists,
                    "type" => Discriminator::Type,
                    "profile" => Discriminator::Profile,
                    _ => Discriminator::Value,
                };
                (kind, text(one, "path").to_owned())
            })
            .collect();
        node.slicing = Some(Slicing {
            discriminators,
            closed: text(slicing, "rules") == "closed",
            ordered: slicing["ordered"].as_bool() == Some(true),
        });
    }
}
