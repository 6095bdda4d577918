//! The walk over a document along the definitions.

use std::sync::OnceLock;

use super::{Check, IssueCode, IssueSeverity, primitive::Primitive, profile::core_type, r4, reference::BundleScope, xhtml};
use crate::{
    defs::{ElementDef, Invariant, TypeDef, TypeId, TypeKind},
    json::{Kind, Value},
    validate::Focus,
};

/// Types the walk treats in their own way, and the format of each primitive, by [`TypeId`].
pub(super) struct Known {
    pub(super) reference: TypeId,
    pub(super) extension: TypeId,
    pub(super) coding: TypeId,
    pub(super) codeable_concept: TypeId,
    pub(super) attachment: TypeId,
    pub(super) resource: TypeId,
    pub(super) primitives: Vec<Option<Primitive>>,
}

pub(super) fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        // A test makes sure that all of these are there.
        let id = |name: &str| r4().type_named(name).unwrap_or(TypeId(0));
        Known {
            reference: id("Reference"),
            extension: id("Extension"),
            coding: id("Coding"),
            codeable_concept: id("CodeableConcept"),
            attachment: id("Attachment"),
            resource: id("Resource"),
            primitives: r4().types().iter().map(|def| Primitive::named(def.name)).collect(),
        }
    })
}

/// An element on the way to where the walk is.
#[derive(Clone, Copy)]
pub(super) struct Trail<'d> {
    /// The object that has it.
    pub(super) parent: Value<'d>,
    /// The type of that object.
    pub(super) owner: &'static TypeDef,
    pub(super) element: &'static ElementDef,
}

/// What is known of an element where its value is checked.
#[derive(Clone, Copy)]
pub(super) struct Slot<'d> {
    pub(super) element: &'static ElementDef,
    pub(super) ty: TypeId,
    /// The `_name` sibling of the value.
    pub(super) extension: Option<Value<'d>>,
}

impl<'d> Check<'_, 'd> {
    /// A whole resource: the outermost, contained, or in a Bundle or Parameters.
    pub(super) fn resource(&mut self, value: Value<'d>, slot: Option<Slot<'d>>) {
        if value.kind() != Kind::Object {
            return self.error(IssueCode::Structure, value, "a resource must be a JSON object");
        }
        let Some(name) = value.get("resourceType").and_then(|name| name.as_str()) else {
            return self.error(IssueCode::Structure, value, "the resource has no resourceType");
        };
        let Some(def) = r4().resource_named(name) else {
            return self.error(IssueCode::Structure, value, "the resourceType is not a resource type of FHIR R4");
        };
        let outermost = slot.is_none();
        if outermost {
            self.path.push(def.name);
        }
        let contained = slot.is_some_and(|slot| slot.element.name == "contained");
        let (resource, container) = (self.resource, self.container);
        self.resource = value;
        if !contained {
            self.container = value;
        }
        let bundle = def.name == "Bundle";
        let scope = BundleScope::is_of(def.name);
        if scope {
            self.bundles.push(BundleScope::new(value));
        }
        self.object(value, def);
        if bundle {
            self.bundle(value);
        }
        match def.name {
            "QuestionnaireResponse" => self.questionnaire_response(value),
            "MeasureReport" => self.measure_report(value),
            "Measure" => self.measure(value),
            "StructureDefinition" => self.structure_definition(value),
            _ => {}
        }
        if self.validator.options.meta_profiles {
            self.claimed(value, def);
        }
        if contained && value.get("id").is_none() {
            self.error(IssueCode::Required, value, "a contained resource must have an id");
        }
        if scope {
            self.bundles.pop();
        }
        self.resource = resource;
        self.container = container;
        if outermost {
            self.path.pop();
        }
    }

    /// An object against its type: names, cardinality, invariants.
    pub(super) fn object(&mut self, value: Value<'d>, def: &'static TypeDef) {
        if value.kind() != Kind::Object {
            return self.error(IssueCode::Structure, value, format!("must be a JSON object ({})", def.name));
        }
        let mut seen = 0_u128;
        let mut siblings = 0_u128;
        let paired = value.entries().any(|(name, _)| name.starts_with('_'));
        for (name, member) in value.entries() {
            if name == "resourceType" && def.kind == TypeKind::Resource {
                continue;
            }
            if let Some(stem) = name.strip_prefix('_') {
                siblings |= self.sibling(value, stem, member, def);
                continue;
            }
            let Some((element, ty)) = def.element(name) else {
                self.unknown(name, member, def);
                continue;
            };
            let bit = 1 << (element.index & 127);
            if seen & bit != 0 {
                // A JSON name cannot stand twice: it is a choice with two types.
                self.error(IssueCode::Structure, member, format!("only one type of {}[x] may be given", element.name));
            }
            seen |= bit;
            self.trail.push(Trail { parent: value, owner: def, element });
            self.member(paired.then_some(value), name, member, element, ty);
            self.trail.pop();
        }
        // An id alone is no content; beside a primitive it may stand with the value, which is not seen here.
        let id_only = seen.is_power_of_two() && siblings == 0 && value.get("id").is_some();
        let empty = seen | siblings == 0 || (id_only && !def.is_primitive());
        if empty && (def.kind != TypeKind::Resource || value.is_empty()) {
            self.error(IssueCode::Invariant, value, "an element must have a value or children (ele-1)");
        }
        let missing = def.required & !(seen | siblings);
        if missing != 0 {
            self.missing(value, def, missing);
        }
        self.invariants(&def.invariants, value, def.id, None);
        if def.id == self.known.attachment {
            self.attachment(value);
        }
    }

    fn unknown(&mut self, name: &'d str, member: Value<'d>, def: &TypeDef) {
        // A name may be data by mistake: it is repeated only if some type of R4 has an element of that name, so that
        // it is a word of the standard and no one's data.
        let shown = if is_element_somewhere(name) {
            format!("'{name}' is no element of {}", def.name)
        } else {
            format!("a property is no element of {}", def.name)
        };
        self.error(IssueCode::Structure, member, shown);
    }

    fn missing(&mut self, value: Value<'d>, def: &TypeDef, missing: u128) {
        for element in &def.elements {
            if missing >> (element.index & 127) & 1 == 1 {
                self.error(IssueCode::Required, value, format!("the element '{}' is required", element.name));
            }
        }
    }

    fn push_step(&mut self, name: &'d str, element: &'static ElementDef, ty: TypeId) {
        if element.choice { self.path.push_choice(element.name, ty.name()) } else { self.path.push(name) }
    }

    /// One member: its values, one or many. `parent` is there if it has names with `_`.
    fn member(&mut self, parent: Option<Value<'d>>, name: &'d str, member: Value<'d>, element: &'static ElementDef, ty: TypeId) {
        self.push_step(name, element, ty);
        if element.is_list() {
            if member.kind() == Kind::Array {
                self.list(parent, name, member, element, ty);
            } else {
                self.error(IssueCode::Structure, member, "must be a JSON array: the element may repeat");
            }
        } else if member.kind() == Kind::Array {
            self.error(IssueCode::Structure, member, "must not be a JSON array: the element does not repeat");
        } else {
            let extension = self.is_primitive(ty).then(|| sibling_of(parent, name)).flatten();
            if member.is_null() {
                self.error(IssueCode::Structure, member, "must not be null");
            } else {
                self.value(member, Slot { element, ty, extension });
            }
        }
        self.path.pop();
    }

    fn list(&mut self, parent: Option<Value<'d>>, name: &'d str, member: Value<'d>, element: &'static ElementDef, ty: TypeId) {
        if member.is_empty() {
            self.error(IssueCode::Structure, member, "an array must not be empty");
        }
        if element.max.is_some_and(|max| member.len() > max as usize) {
            self.error(IssueCode::Structure, member, "there are more values than the element may have");
        }
        let siblings = if self.is_primitive(ty) { sibling_of(parent, name) } else { None };
        let mut extensions = siblings.map(|list| list.items());
        for (index, item) in member.items().enumerate() {
            self.path.push_index(index);
            let extension = extensions.as_mut().and_then(Iterator::next).filter(|one| !one.is_null());
            if !item.is_null() {
                self.value(item, Slot { element, ty, extension });
            } else if extension.is_none() {
                self.error(IssueCode::Structure, item, "null stands only for a primitive that has extensions");
            }
            self.path.pop();
        }
    }

    fn is_primitive(&self, ty: TypeId) -> bool {
        self.known.primitives[ty.index()].is_some()
    }

    /// `_name`: ids and extensions of a primitive. The bit of the element if it is present by it.
    fn sibling(&mut self, parent: Value<'d>, stem: &'d str, member: Value<'d>, def: &'static TypeDef) -> u128 {
        let Some((element, ty)) = def.element(stem).filter(|(_, ty)| self.is_primitive(*ty)) else {
            self.error(IssueCode::Structure, member, "a name with '_' stands beside a primitive element only");
            return 0;
        };
        self.push_step(stem, element, ty);
        self.trail.push(Trail { parent, owner: def, element });
        let primitive = ty.def();
        if element.is_list() {
            if member.kind() == Kind::Array {
                if let Some(values) = parent.get(stem)
                    && values.kind() == Kind::Array
                    && values.len() < member.len()
                {
                    let more = member.items().skip(values.len()).all(|item| item.is_null());
                    if more {
                        self.error(IssueCode::Structure, member, "there are more entries with '_' than values");
                    }
                }
                for (index, item) in member.items().enumerate() {
                    self.path.push_index(index);
                    if !item.is_null() {
                        self.object(item, primitive);
                    }
                    self.path.pop();
                }
            } else {
                self.error(IssueCode::Structure, member, "must be a JSON array: the element may repeat");
            }
        } else if member.kind() == Kind::Object {
            self.object(member, primitive);
        } else {
            self.error(IssueCode::Structure, member, "must be a JSON object with id or extension");
        }
        self.trail.pop();
        self.path.pop();
        1 << (element.index & 127)
    }

    /// One value of an element.
    pub(super) fn value(&mut self, value: Value<'d>, slot: Slot<'d>) {
        let known = self.known;
        if let Some(primitive) = known.primitives[slot.ty.index()] {
            self.primitive(value, primitive, slot);
        } else if slot.ty == known.resource {
            self.resource(value, Some(slot));
        } else {
            self.object(value, slot.ty.def());
            if slot.ty == known.reference {
                self.reference(value, slot.element);
            } else if slot.ty == known.coding {
                self.coding(value);
            } else if slot.ty == known.extension {
                self.extension(value, slot.element.name == "modifierExtension");
            }
        }
        if slot.element.binding.is_some() {
            self.binding(value, slot);
        }
        if !slot.element.invariants.is_empty() {
            self.invariants(slot.element.invariants, value, slot.ty, slot.extension);
        }
    }

    fn primitive(&mut self, value: Value<'d>, primitive: Primitive, slot: Slot<'d>) {
        if let Err(problem) = primitive.check(value) {
            return self.error(IssueCode::Value, value, format!("{problem} ({})", slot.ty.name()));
        }
        if primitive == Primitive::Xhtml
            && let Some(Err(problem)) = value.as_str().map(xhtml::check)
        {
            self.error(IssueCode::Invariant, value, problem.text());
        }
        if primitive == Primitive::String
            && let Some(text) = value.as_str()
            && has_markup(text)
        {
            self.issue(self.validator.options.markup, IssueCode::Value, value, "the text looks like it has HTML in it");
        }
    }

    /// The invariants of a type or element.
    pub(super) fn invariants(&mut self, rules: &[&'static Invariant], value: Value<'d>, ty: TypeId, extension: Option<Value<'d>>) {
        for &rule in rules {
            let kept = match self.native(rule, value) {
                Some(kept) => Some(kept),
                None => self.validator.engine.as_ref().and_then(|engine| {
                    let (resource, root, profiles) = (self.resource, self.container, &self.validator.profiles);
                    engine.holds(rule.expression, Focus { value, extension, ty, resource, root, profiles, steps: &self.steps })
                }),
            };
            self.note_cost(value);
            if kept == Some(false) {
                let severity = if rule.is_warning { IssueSeverity::Warning } else { IssueSeverity::Error };
                self.issue(severity, IssueCode::Invariant, value, format!("the rule {} is broken: {}", rule.key, rule.expression));
            }
        }
    }

    fn coding(&mut self, value: Value<'d>) {
        if let Some(system) = value.get("system").and_then(|system| system.as_str())
            && !system.contains(':')
        {
            self.error(IssueCode::Value, value, "the system of a coding must be an absolute URI");
        }
    }

    fn attachment(&mut self, value: Value<'d>) {
        let data = value.get("data").and_then(|data| data.as_str());
        let size = value.get("size").and_then(|size| size.as_number()).and_then(|size| size.parse::<usize>().ok());
        if let (Some(data), Some(size)) = (data, size)
            && super::primitive::base64_len(data) != size
        {
            self.error(IssueCode::Value, value, "the size given is not the size of the data");
        }
    }

    /// An extension against its definition, if that is loaded.
    fn extension(&mut self, value: Value<'d>, modifier: bool) {
        let Some(url) = value.get("url").and_then(|url| url.as_str()) else { return };
        // Relative ones are parts of a complex extension, whose definition says what they are.
        if !url.contains(':') {
            return;
        }
        if let Some(profile) = self.validator.profiles.profile(url).filter(|profile| profile.is_extension) {
            if modifier && !profile.is_modifier {
                self.error(IssueCode::Extension, value, format!("the extension {} modifies nothing: it belongs in extension", profile.url));
            } else if !modifier && profile.is_modifier {
                self.error(IssueCode::Extension, value, format!("the extension {} belongs in modifierExtension", profile.url));
            }
            self.profile(value, self.known.extension, &profile);
            return self.extension_use(value, &profile);
        }
        if self.is_of_another_resource(url) {
            return self.error(IssueCode::Extension, value, "the extension is made of an element of another resource type");
        }
        if self.validator.options.trusted_extensions.iter().any(|trusted| url.starts_with(trusted.as_str())) {
            return;
        }
        if let Some(severity) = self.validator.options.unknown_extensions {
            let severity = if modifier { IssueSeverity::Error } else { severity };
            self.issue(severity, IssueCode::Extension, value, "no loaded package defines the extension");
        }
    }

    /// Whether an extension stands for an element of another version of FHIR (`http://hl7.org/fhir/5.0/StructureDefinition/extension-
    /// Patient.x`) that belongs to another type of resource than the one it stands in.
    fn is_of_another_resource(&self, url: &str) -> bool {
        let Some((version, path)) =
            url.strip_prefix("http://hl7.org/fhir/").and_then(|rest| rest.split_once("/StructureDefinition/extension-"))
        else {
            return false;
        };
        let name = path.split('.').next().unwrap_or(path);
        let here = self.resource.get("resourceType").and_then(|name| name.as_str());
        version.starts_with(|first: char| first.is_ascii_digit()) && r4().resource_named(name).is_some() && here != Some(name)
    }

    /// The profiles a resource claims in `meta.profile`.
    fn claimed(&mut self, value: Value<'d>, def: &'static TypeDef) {
        let validator = self.validator;
        for profile in validator.profiles.global(def.name).into_iter().filter_map(|url| validator.profiles.profile(&url)) {
            self.profile(value, def.id, &profile);
        }
        let claims = value.get("meta").and_then(|meta| meta.get("profile"));
        let (mut not_loaded, mut first) = (0_u64, None);
        for url in claims.into_iter().flat_map(|list| list.items()) {
            let Some(name) = url.as_str() else { continue };
            if let Some(profile) = self.validator.profiles.profile(name) {
                self.profile(value, def.id, &profile);
            } else if core_type(name) != Some(def.name) {
                not_loaded += 1;
                first.get_or_insert((url, name));
            }
        }
        // One issue a resource: claims must not take the place of errors.
        let Some((place, name)) = first else { return };
        let named = if is_public_canonical(name) { format!("the profile {name}") } else { "a profile that it claims".to_owned() };
        let others = if not_loaded > 1 { format!(" (and {} more)", not_loaded - 1) } else { String::new() };
        let what = format!("{named}{others} was not checked: its package is not loaded");
        self.issue(IssueSeverity::Information, IssueCode::NotFound, place, what);
    }
}

/// Whether any type of R4 has an element of that name in JSON.
fn is_element_somewhere(name: &str) -> bool {
    name.len() <= 80 && r4().types().iter().any(|ty| ty.element(name).is_some())
}

/// Whether a claim is surely the name of a published profile, so that an issue may repeat it. What a resource says elsewhere may be anything.
fn is_public_canonical(url: &str) -> bool {
    const BASES: [&str; 2] = ["http://hl7.org/fhir/", "https://hl7.org/fhir/"];
    let Some(path) = BASES.iter().find_map(|base| url.strip_prefix(base)) else { return false };
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte));
    let Some((folder, name)) = path.rsplit_once('/') else { return false };
    let (name, version) = name.split_once('|').unwrap_or((name, ""));
    let of_definitions = folder == "StructureDefinition" || folder.ends_with("/StructureDefinition");
    url.len() <= 160 && of_definitions && !name.is_empty() && is_plain(folder) && is_plain(name) && is_plain(version)
}

/// The member `_name`.
fn sibling_of<'d>(parent: Option<Value<'d>>, name: &str) -> Option<Value<'d>> {
    parent?.entries().find(|(known, _)| known.strip_prefix('_') == Some(name)).map(|(_, value)| value)
}

/// Whether text has what looks like a tag: `<` and a letter or `/`.
fn has_markup(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'<', bytes).any(|at| {
        let rest = &bytes[at + 1..];
        rest.first().is_some_and(|next| next.is_ascii_alphabetic() || *next == b'/') && memchr::memchr(b'>', rest).is_some()
    })
}
