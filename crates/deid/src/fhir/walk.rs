//! The walk over one document: every element treated by its plan and written.

use std::{borrow::Cow, sync::Arc};

use sutura_core::PhiClass;
use sutura_fhir::{
    defs,
    json::{Kind as Json, Value},
};
use sutura_privacy::{CodeShape, LabelAction, Method, is_age_code, labels::LabelSet};

use super::{
    ids::{IdMap, Target, target},
    json::{Object, push_string, uuid_of_code},
    marks::{MASKED, Required},
    people::{People, identifier_type},
    plan::{Kind, Node, Plans},
};
use crate::{
    category::{Category, of_resource},
    document::{Form, Known, Leaf, Run},
    error::DeidError,
    ledger::Outcome,
};

/// What was done to one resource, for its labels (v3-ObservationValue).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Done {
    pub(super) redacted: bool,
    pub(super) pseudonymised: bool,
    pub(super) abstracted: bool,
    pub(super) masked: bool,
    /// The categories of the resources in it, and its own, as far as they stay.
    pub(super) categories: LabelSet,
    /// Whether a law wants a notice with them.
    pub(super) has_notice: bool,
}

pub(super) struct Walk<'w> {
    pub(super) plans: &'w Plans,
    pub(super) ids: IdMap,
    pub(super) people: &'w People<'w>,
    pub(super) run: Run<'w>,
    pub(super) patient: Option<&'w str>,
    pub(super) done: Done,
    observes_age: bool,
    /// The sensitive category of the resource.
    category: Category,
}

/// What held for the resource around one.
pub(super) struct Outer<'w> {
    done: Done,
    patient: Option<&'w str>,
    observes_age: bool,
    category: Category,
    known: Option<Known>,
}

impl<'w> Walk<'w> {
    pub(super) fn new(plans: &'w Plans, ids: IdMap, people: &'w People<'w>, run: Run<'w>) -> Self {
        Self { plans, ids, people, run, patient: None, done: Done::default(), observes_age: false, category: Category::NONE }
    }

    /// A resource with everything in it.
    pub(super) fn resource(&mut self, resource: Value<'w>, is_contained: bool, out: &mut String) -> Result<(), DeidError> {
        if let Some(category) = self.plans.withheld(resource) {
            self.run.ledger.category(category);
            return Ok(());
        }
        let (node, outer) = self.enter(resource, is_contained)?;
        let mut object = Object::begin(out);
        self.name_and_id(&node, resource, is_contained, &mut object)?;
        // Labels come last, when it is known what was done; where they stand in the text means nothing.
        let mut required = Required::of(&node);
        for (key, value) in resource.entries() {
            self.member_of_resource(&node, resource, key, value, &mut object, &mut required)?;
        }
        self.fill_and_label(&node, resource, is_contained, &required, &mut object)?;
        object.end();
        self.leave(outer, is_contained);
        Ok(())
    }

    /// Begins a resource.
    pub(super) fn enter(&mut self, resource: Value<'w>, is_contained: bool) -> Result<(Arc<Node>, Outer<'w>), DeidError> {
        const REFUSED: DeidError = DeidError::NotRead { format: "FHIR resource", reason: "its resourceType is not one of R4" };
        let name = resource.get("resourceType").and_then(|name| name.as_str()).ok_or(REFUSED)?;
        let node = self.plans.resource(name).ok_or(REFUSED)?;
        if resource.get("modifierExtension").is_some() {
            return Err(DeidError::Meaning { place: "a modifier extension of a resource" });
        }
        let mut outer = Outer {
            done: std::mem::take(&mut self.done),
            patient: self.patient,
            observes_age: self.observes_age,
            category: self.category,
            known: None,
        };
        self.category = Category::of(of_resource(resource), self.plans.treatment.privacy.policy());
        if !self.category.labels.is_empty() {
            self.run.ledger.category(self.category);
        }
        (self.done.categories, self.done.has_notice) = (self.category.kept(), self.category.notice().is_some());
        self.observes_age = name == "Observation" && says_age(resource);
        if !is_contained {
            self.patient = self.people.patient_of(resource).or(if name == "Bundle" { None } else { outer.patient });
            // Dates in its texts move as those in its elements do.
            if self.run.treatment.text_stage().is_some() {
                let known = self.run.known.of_patient(self.patient);
                outer.known = Some(std::mem::replace(&mut self.run.known, known));
            }
            self.ids.enter(resource);
        }
        Ok((node, outer))
    }

    /// Ends a resource.
    pub(super) fn leave(&mut self, outer: Outer<'w>, is_contained: bool) {
        if !is_contained {
            self.ids.leave();
        }
        let inside = self.done;
        (self.done, self.patient, self.observes_age, self.category) = (outer.done, outer.patient, outer.observes_age, outer.category);
        self.done.categories = self.done.categories.union(inside.categories);
        self.done.has_notice |= inside.has_notice;
        if let Some(known) = outer.known {
            self.run.known = known;
        }
    }

    /// What every resource begins with.
    pub(super) fn name_and_id(
        &mut self,
        node: &Arc<Node>,
        resource: Value<'w>,
        is_contained: bool,
        object: &mut Object<'_>,
    ) -> Result<(), DeidError> {
        let name = resource.get("resourceType").and_then(|name| name.as_str()).unwrap_or_default();
        object.member("resourceType", |out| {
            push_string(out, name);
            Ok::<_, DeidError>(())
        })?;
        let Some(id) = resource.get("id").and_then(|id| id.as_str()) else { return Ok(()) };
        let new = match self.ids.contained_id(id).filter(|_| is_contained).map(Box::from) {
            Some(known) => known,
            None => self.ids.id(name, id)?,
        };
        let leaf = self.plans.child(node, "id");
        if let Some(leaf) = leaf {
            self.count(&leaf.leaf, if *new == *id { Outcome::Kept } else { Outcome::Replaced });
        }
        object.member("id", |out| {
            push_string(out, &new);
            Ok::<_, DeidError>(())
        })?;
        Ok(())
    }

    /// A member of a resource, but for those that are written apart.
    pub(super) fn member_of_resource(
        &mut self,
        node: &Node,
        resource: Value<'w>,
        key: &str,
        value: Value<'w>,
        object: &mut Object<'_>,
        required: &mut Required,
    ) -> Result<(), DeidError> {
        if matches!(key, "resourceType" | "id" | "meta") || self.is_redacted() && self.hides(node, key) {
            return Ok(());
        }
        self.member(node, resource, key, value, object, required)
    }

    /// The category of the resource that is walked.
    pub(super) fn category(&self) -> Category {
        self.category
    }

    /// In a resource of this category, of which a part has been walked before.
    pub(super) fn of_category(mut self, category: Category) -> Self {
        self.category = category;
        self
    }

    /// Whether what is clinical in the resource goes.
    pub(super) fn is_redacted(&self) -> bool {
        self.category.action == LabelAction::Redact
    }

    /// Whether a member of a resource may show its category: what is clinical, texts, other resources. Who, when and where stay.
    fn hides(&mut self, node: &Node, key: &str) -> bool {
        let Some(child) = self.plans.child(node, key.trim_start_matches('_')) else { return false };
        let hides = match child.kind {
            Kind::Reference | Kind::Identifier | Kind::ContactPoint | Kind::Meta | Kind::Extension => false,
            // An element with elements has no class of its own.
            Kind::Complex => !matches!(child.place.type_id().name(), "HumanName" | "Address" | "Period"),
            Kind::Narrative | Kind::Resource | Kind::Binary | Kind::Xhtml => true,
            _ => matches!(child.leaf.place.class, PhiClass::Clinical | PhiClass::Sensitive(_) | PhiClass::FreeText),
        };
        if hides {
            self.count(&child.leaf, Outcome::Removed);
        }
        hides
    }

    /// What every resource ends with.
    pub(super) fn fill_and_label(
        &mut self,
        node: &Arc<Node>,
        resource: Value<'w>,
        is_contained: bool,
        required: &Required,
        object: &mut Object<'_>,
    ) -> Result<(), DeidError> {
        self.fill(node, resource, required, object)?;
        // What the sender says of the category would show it.
        let meta = resource.get("meta").filter(|_| self.category.action == LabelAction::Keep);
        if !is_contained || meta.is_some() {
            self.meta(node, meta, object)?;
        }
        Ok(())
    }

    pub(super) fn count(&mut self, leaf: &Leaf, outcome: Outcome) {
        self.note(leaf, outcome);
        self.run.ledger.record(&leaf.place, outcome);
    }

    fn note(&mut self, leaf: &Leaf, outcome: Outcome) {
        match outcome {
            Outcome::Kept => {}
            Outcome::Replaced => match leaf.place.method {
                "pseudonym" | "vault-code" | "encrypt" => self.done.pseudonymised = true,
                "mask" => self.done.masked = true,
                _ if leaf.place.class == PhiClass::OtherId => self.done.pseudonymised = true,
                _ => self.done.abstracted = true,
            },
            _ => self.done.redacted = true,
        }
    }

    /// Treats one text.
    fn value<'v>(&mut self, leaf: &Leaf, value: &'v str) -> Result<Option<Cow<'v, str>>, DeidError> {
        let treated = self.run.value(leaf, value, self.patient)?;
        let outcome = match &treated {
            Some(Cow::Borrowed(_)) => Outcome::Kept,
            Some(Cow::Owned(_)) => Outcome::Replaced,
            None => Outcome::Removed,
        };
        self.note(leaf, outcome);
        Ok(treated)
    }

    /// A member of an object that has definitions.
    pub(super) fn member(
        &mut self,
        parent: &Node,
        object: Value<'w>,
        key: &str,
        value: Value<'w>,
        out: &mut Object<'_>,
        required: &mut Required,
    ) -> Result<(), DeidError> {
        match key {
            "extension" => {
                out.member("extension", |out| self.extensions(parent, value, out))?;
                return Ok(());
            }
            // Ids of elements are of use inside a document only, and may say anything.
            "id" => {
                self.run.ledger.record(&parent.unknown.place, Outcome::Removed);
                return Ok(());
            }
            "fhir_comments" => return Ok(()),
            _ => {}
        }
        if let Some(name) = key.strip_prefix('_') {
            // Together with the value, unless there is none.
            if object.get(name).is_none()
                && let Some(node) = self.plans.child(parent, name)
            {
                let written = out.member(key, |out| {
                    Self::primitive_extensions(value, out);
                    Ok::<_, DeidError>(())
                })?;
                if written {
                    required.found(&node);
                }
            }
            return Ok(());
        }
        let Some(node) = self.plans.child(parent, key) else {
            self.count(&parent.unknown, Outcome::Unknown);
            return Ok(());
        };
        let is_primitive = matches!(node.kind, Kind::Text | Kind::Number | Kind::Flag | Kind::Bound | Kind::Binary | Kind::Xhtml);
        let written = if is_primitive {
            let beside = object.get(&format!("_{key}"));
            self.primitives(&node, object, key, value, beside, out)?
        } else if value.kind() == Json::Array {
            out.member(key, |out| self.list(&node, value, out))?
        } else {
            out.member(key, |out| self.element(&node, value, out))?
        };
        if written {
            required.found(&node);
        }
        Ok(())
    }

    pub(super) fn list(&mut self, node: &Arc<Node>, list: Value<'w>, out: &mut String) -> Result<(), DeidError> {
        let start = out.len();
        for item in list.items() {
            out.push(if out.len() == start { '[' } else { ',' });
            let before = out.len();
            self.element(node, item, out)?;
            if out.len() == before {
                out.truncate(before - 1);
            }
        }
        if out.len() > start {
            out.push(']');
        }
        Ok(())
    }

    /// An element with elements, or a resource.
    pub(super) fn element(&mut self, node: &Arc<Node>, value: Value<'w>, out: &mut String) -> Result<(), DeidError> {
        if value.kind() != Json::Object {
            return Ok(());
        }
        match node.kind {
            Kind::Resource => return self.resource(value, node.path.ends_with(".contained"), out),
            Kind::Reference => return self.reference(node, value, out),
            Kind::Narrative => return self.narrative(node, value, out),
            _ => {}
        }
        // Of a resource that does not leave its address does not either.
        if node.path == "Bundle.entry"
            && let Some(category) = value.get("resource").and_then(|resource| self.plans.withheld(resource))
        {
            self.run.ledger.category(category);
            return Ok(());
        }
        // What it means without its modifiers nobody knows.
        if value.get("modifierExtension").is_some() {
            self.count(&node.unknown, Outcome::Removed);
            return Ok(());
        }
        let start = out.len();
        let mut object = Object::begin(out);
        let mut required = Required::of(node);
        for (key, member) in value.entries() {
            match (node.kind, key, member.as_str()) {
                (Kind::Identifier, "value", Some(text)) => {
                    let leaf = self.identifier_leaf(node, value);
                    self.text_member("value", &leaf, text, &mut object)?;
                }
                (Kind::Identifier, "system", Some(text)) => self.system(node, text, &mut object)?,
                (Kind::ContactPoint, "value", Some(text)) => {
                    let leaf = self.contact_leaf(node, value);
                    self.text_member("value", &leaf, text, &mut object)?;
                }
                (Kind::Complex, "url", Some(text)) if node.path == "Bundle.entry.request" => {
                    let new = self.request_url(text)?;
                    object.member("url", |out| {
                        push_string(out, &new);
                        Ok::<_, DeidError>(())
                    })?;
                }
                (Kind::Complex, "location", Some(text)) if node.path == "Bundle.entry.response" => {
                    self.address("location", text, &mut object)?;
                }
                (Kind::Complex, "fullUrl", Some(text)) if node.path == "Bundle.entry" => self.address("fullUrl", text, &mut object)?,
                _ => self.member(node, value, key, member, &mut object, &mut required)?,
            }
        }
        self.fill(node, value, &required, &mut object)?;
        object.end();
        if !Self::says_something(node, &out[start..]) {
            out.truncate(start);
        }
        Ok(())
    }

    /// Whether an element is worth its place: a number without its value, a name without its parts, a link without its address is not.
    fn says_something(node: &Node, written: &str) -> bool {
        let has = |names: &[&str]| names.iter().any(|name| written.contains(&format!("\"{name}\":")));
        match node.place.type_id().name() {
            "Identifier" => has(&["value"]),
            "ContactPoint" => has(&["value"]),
            "HumanName" => has(&["family", "given", "text", "extension"]),
            "Patient.contact" => has(&["name", "telecom", "address", "organization"]),
            "Bundle.link" => has(&["url"]),
            "Parameters.parameter" => {
                let own = written.replace(MASKED, "");
                own.contains("\"value") || own.contains("\"_value") || has(&["resource", "part"])
            }
            "Period" => has(&["start", "end", "extension"]),
            "Annotation" => has(&["text"]),
            _ => !written.is_empty(),
        }
    }

    fn text_member(&mut self, name: &str, leaf: &Leaf, text: &str, out: &mut Object<'_>) -> Result<(), DeidError> {
        if let Some(new) = self.value(leaf, text)? {
            out.member(name, |out| {
                push_string(out, &new);
                Ok::<_, DeidError>(())
            })?;
        }
        Ok(())
    }

    /// An address of a resource in a Bundle.
    fn address(&mut self, name: &str, text: &str, out: &mut Object<'_>) -> Result<(), DeidError> {
        match self.ids.reference(text)? {
            Some(new) => {
                self.done.pseudonymised |= new != text;
                out.member(name, |out| {
                    push_string(out, &new);
                    Ok::<_, DeidError>(())
                })?;
            }
            None => self.done.redacted = true,
        }
        Ok(())
    }

    /// The address of a request: of a resource, or of its type.
    fn request_url(&mut self, url: &str) -> Result<String, DeidError> {
        if let Target::Resource { .. } = target(url)
            && let Some(new) = self.ids.reference(url)?
        {
            return Ok(new);
        }
        let kind = url.split(['?', '/']).next().unwrap_or_default();
        self.done.redacted |= kind != url;
        Ok(defs::r4().resource_named(kind).map_or_else(|| "metadata".to_owned(), |def| def.name.to_owned()))
    }

    fn reference(&mut self, node: &Arc<Node>, value: Value<'w>, out: &mut String) -> Result<(), DeidError> {
        let mut object = Object::begin(out);
        let mut required = Required::of(node);
        for (key, member) in value.entries() {
            if key != "reference" {
                self.member(node, value, key, member, &mut object, &mut required)?;
                continue;
            }
            let Some(text) = member.as_str() else { continue };
            let new = self.ids.reference(text)?;
            if let Some(leaf) = self.plans.child(node, "reference") {
                let outcome = match &new {
                    Some(new) if new == text => Outcome::Kept,
                    Some(_) => Outcome::Replaced,
                    None => Outcome::Suppressed,
                };
                self.count(&leaf.leaf, outcome);
            }
            if let Some(new) = new {
                object.member("reference", |out| {
                    push_string(out, &new);
                    Ok::<_, DeidError>(())
                })?;
            }
        }
        object.end();
        Ok(())
    }

    /// What an identifier is, by its type and system.
    fn identifier_leaf(&self, node: &Node, identifier: Value<'_>) -> Arc<Leaf> {
        let system = identifier.get("system").and_then(|system| system.as_str()).unwrap_or_default();
        let kind = identifier_type(identifier);
        let of_patient = node.path == "Patient.identifier";
        let (word, class) = match (kind, system) {
            (Some("SS"), _) | (_, "http://hl7.org/fhir/sid/us-ssn" | "urn:oid:2.16.840.1.113883.4.1") => ("ssn", PhiClass::Ssn),
            (Some("MR"), _) => ("mrn", PhiClass::Mrn),
            (Some("DL"), _) => ("driver_licence", PhiClass::Licence),
            (Some("NPI" | "MD" | "LN" | "DEA"), _) | (_, "http://hl7.org/fhir/sid/us-npi") => ("licence", PhiClass::Licence),
            (Some("MC" | "MA" | "SN" | "HC" | "MB"), _) | (_, "http://hl7.org/fhir/sid/us-mbi" | "http://hl7.org/fhir/sid/us-medicare") => {
                ("health_plan", PhiClass::HealthPlan)
            }
            (Some("AN" | "VN" | "AC"), _) => ("account", PhiClass::Account),
            (Some("UDI" | "SNO"), _) => ("device", PhiClass::Device),
            _ if of_patient => ("identifier", PhiClass::Mrn),
            _ => match self.plans.child(node, "value") {
                Some(child) => return Arc::new(child.leaf.clone()),
                None => ("identifier", PhiClass::OtherId),
            },
        };
        self.plans.special(node, word, "value", class)
    }

    fn contact_leaf(&self, node: &Node, contact: Value<'_>) -> Arc<Leaf> {
        let (word, class) = match contact.get("system").and_then(|system| system.as_str()) {
            Some("email") => ("email", PhiClass::Email),
            Some("fax") => ("fax", PhiClass::Fax),
            Some("url") => ("url", PhiClass::Url),
            _ => ("phone", PhiClass::Phone),
        };
        self.plans.special(node, word, "value", class)
    }

    /// The name space of an identifier: a public one says only what kind of number it is, any other one may name who gave it.
    fn system(&mut self, node: &Arc<Node>, system: &str, out: &mut Object<'_>) -> Result<(), DeidError> {
        const PUBLIC: [&str; 5] = [
            "http://hl7.org/fhir/sid/",
            "http://terminology.hl7.org/",
            "urn:ietf:rfc:3986",
            "urn:oid:2.16.840.1.113883.4.",
            "urn:oid:2.16.840.1.113883.6.",
        ];
        let Some(child) = self.plans.child(node, "system") else { return Ok(()) };
        if PUBLIC.iter().any(|known| system.starts_with(known)) && CodeShape::Canonical.fits(system) || system == "urn:ietf:rfc:3986" {
            self.count(&child.leaf, Outcome::Kept);
            out.member("system", |out| {
                push_string(out, system);
                Ok::<_, DeidError>(())
            })?;
            return Ok(());
        }
        if let Some(new) = self.value(&child.leaf, system)? {
            // It must be a URI.
            let text = match &new {
                Cow::Borrowed(same) => (*same).to_owned(),
                Cow::Owned(code) => format!("urn:uuid:{}", uuid_of_code(code)),
            };
            out.member("system", |out| {
                push_string(out, &text);
                Ok::<_, DeidError>(())
            })?;
        }
        Ok(())
    }

    /// One primitive or a list of them, with what stands beside the values.
    fn primitives(
        &mut self,
        node: &Arc<Node>,
        object: Value<'w>,
        key: &str,
        value: Value<'w>,
        beside: Option<Value<'w>>,
        out: &mut Object<'_>,
    ) -> Result<bool, DeidError> {
        if value.kind() != Json::Array {
            let written = out.member(key, |out| self.primitive(node, object, value, out))?;
            let mut extended = false;
            if let Some(beside) = beside {
                extended = out.member(&format!("_{key}"), |out| {
                    Self::primitive_extensions(beside, out);
                    Ok::<_, DeidError>(())
                })?;
            }
            return Ok(written || extended);
        }
        let mut values = Vec::new();
        for (at, item) in value.items().enumerate() {
            let (mut text, mut extension) = (String::new(), String::new());
            if !item.is_null() {
                self.primitive(node, object, item, &mut text)?;
            }
            if let Some(beside) = beside.and_then(|beside| beside.items().nth(at)) {
                Self::primitive_extensions(beside, &mut extension);
            }
            if !text.is_empty() || !extension.is_empty() {
                values.push((text, extension));
            }
        }
        if values.is_empty() {
            return Ok(false);
        }
        let array = |of: fn(&(String, String)) -> &String| {
            let items: Vec<&str> = values.iter().map(|pair| if of(pair).is_empty() { "null" } else { of(pair).as_str() }).collect();
            format!("[{}]", items.join(","))
        };
        let mut write = |name: &str, text: String| {
            out.member(name, |out| {
                out.push_str(&text);
                Ok::<_, DeidError>(())
            })
        };
        if values.iter().any(|(text, _)| !text.is_empty()) {
            write(key, array(|pair| &pair.0))?;
        }
        if values.iter().any(|(_, extension)| !extension.is_empty()) {
            write(&format!("_{key}"), array(|pair| &pair.1))?;
        }
        Ok(true)
    }

    fn primitive(&mut self, node: &Arc<Node>, object: Value<'w>, value: Value<'w>, out: &mut String) -> Result<(), DeidError> {
        let leaf = &node.leaf;
        match node.kind {
            Kind::Binary | Kind::Xhtml => self.count(leaf, Outcome::Removed),
            Kind::Flag => {
                // A flag has no other form: it stays or goes.
                let stays = leaf.plan.as_ref().is_some_and(|plan| *plan.method() == Method::Keep) && value.as_bool().is_some();
                self.count(leaf, if stays { Outcome::Kept } else { Outcome::Removed });
                if stays {
                    out.push_str(value.raw_text());
                }
            }
            Kind::Number => {
                let Some(number) = value.as_number() else { return Ok(()) };
                if self.is_high_age(node, object, number) {
                    self.count(leaf, Outcome::Suppressed);
                } else if let Some(new) = self.value(leaf, number)? {
                    out.push_str(&new);
                }
            }
            Kind::Bound => {
                let Some(code) = value.as_str() else { return Ok(()) };
                let binding = node.element.and_then(|element| element.binding);
                let set = binding.and_then(|binding| defs::r4().value_set(binding.value_set));
                let removes = leaf.plan.as_ref().is_none_or(sutura_privacy::ValuePlan::removes_all);
                let stays = !removes && set.is_some_and(|set| set.contains_code(code));
                self.count(leaf, if stays { Outcome::Kept } else { Outcome::Suppressed });
                if stays {
                    push_string(out, code);
                }
            }
            _ => {
                let Some(text) = value.as_str() else { return Ok(()) };
                if let Some(new) = self.value(leaf, text)?
                    && Self::fits(node, &new)
                {
                    push_string(out, &new);
                }
            }
        }
        Ok(())
    }

    /// Whether a text that was put there is one of its type.
    fn fits(node: &Node, text: &str) -> bool {
        match node.place.type_id().name() {
            "instant" => text.len() >= 20 && text.contains('T'),
            "dateTime" => node.leaf.form == Form::Date,
            "uri" | "url" | "canonical" => !text.contains(char::is_whitespace),
            "oid" => text.starts_with("urn:oid:"),
            "uuid" => text.starts_with("urn:uuid:"),
            "id" => text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)),
            "code" => !text.is_empty() && !text.starts_with(' ') && !text.ends_with(' '),
            _ => !text.trim().is_empty(),
        }
    }

    /// A number over 89 that a code beside it says is an age.
    fn is_high_age(&self, node: &Node, quantity: Value<'_>, number: &str) -> bool {
        if !self.run.treatment.privacy.limits_ages() || !number.parse::<f64>().is_ok_and(|number| number > 89.0) {
            return false;
        }
        // The code stands beside the quantity, which is the object that is walked: a unit of years says it too.
        let unit = quantity.get("code").and_then(|code| code.as_str());
        let is_value = node.path.contains(".value");
        is_value && (self.observes_age || matches!(unit, Some("a") if node.path.contains("Age")))
    }

    /// A narrative, cleaned, or gone; of a section, which may have nothing else, an empty one stays.
    fn narrative(&mut self, node: &Arc<Node>, value: Value<'w>, out: &mut String) -> Result<(), DeidError> {
        let Some(div) = self.plans.child(node, "div") else { return Ok(()) };
        let shown = value.get("div").and_then(|div| div.as_str()).map(super::xhtml::text_of).unwrap_or_default();
        let cleaned = self.value(&div.leaf, &shown)?.filter(|text| !text.trim().is_empty());
        let (status, text) = match &cleaned {
            Some(text) => ("additional", text.as_ref()),
            None if node.path.ends_with("section.text") => ("empty", "masked"),
            None => return Ok(()),
        };
        out.push_str("{\"status\":");
        push_string(out, status);
        out.push_str(",\"div\":");
        push_string(out, &super::xhtml::div_of(text));
        out.push('}');
        Ok(())
    }
}

/// Whether an Observation or one of its components says an age.
pub(super) fn says_age(observation: Value<'_>) -> bool {
    let codes = |value: Value<'_>| {
        let coding = value.get("code").and_then(|code| code.get("coding"));
        coding
            .into_iter()
            .flat_map(|list| list.items())
            .any(|coding| coding.get("code").and_then(|code| code.as_str()).is_some_and(is_age_code))
    };
    codes(observation) || observation.get("component").into_iter().flat_map(|list| list.items()).any(codes)
}
