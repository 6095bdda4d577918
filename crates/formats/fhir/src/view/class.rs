//! The class of a column: the most identifying class of anything that its path reads.
//!
//! What comes out of an expression is as telling as what went in: `birthDate.toString().length()`, `family = 'Doe'` and
//! `iif(gender = 'male', 1, 0)` say something of the values they look at, whatever their type. So the class follows the values
//! through functions, operators, arguments and criteria. Only whether elements are there and how many (`name.exists()`) says
//! nothing of their values. A path that the R4 types do not decide is free text.

use sutura_core::PhiClass;

use super::class_element::{Place, Within, known_extension, known_part};
use crate::{
    defs::{self, TypeId},
    fhirpath::{Function, Item, Literal, Operator, Tree, TypeTest, types},
};

/// More elements than that are not followed.
const MAX_PLACES: usize = 512;
/// Rounds until `repeat` must have found every type it leads to.
const MAX_ROUNDS: usize = 32;

/// What an expression may lead to.
#[derive(Debug, Clone)]
pub(super) struct Reach {
    /// The elements it may hand out.
    places: Vec<Place>,
    /// The class of the values it computes; operational if it computes none.
    value: PhiClass,
    /// The class of what decided which items there are: criteria, conditions, positions.
    taint: PhiClass,
    /// Whether it may hand out anything else.
    unknown: bool,
}

/// The weightier of two classes.
pub(super) fn heavier(left: PhiClass, right: PhiClass) -> PhiClass {
    if right.weight() > left.weight() { right } else { left }
}

impl Reach {
    /// The resource a view is about.
    pub(super) fn root(ty: TypeId) -> Self {
        Self { places: vec![Place::root(ty)], ..Self::computed(PhiClass::Operational) }
    }

    fn computed(value: PhiClass) -> Self {
        Self { places: Vec::new(), value, taint: PhiClass::Operational, unknown: false }
    }

    fn unknown() -> Self {
        Self { unknown: true, ..Self::computed(PhiClass::Operational) }
    }

    fn tainted(mut self, by: PhiClass) -> Self {
        self.taint = heavier(self.taint, by);
        self
    }

    fn and(mut self, other: Self) -> Self {
        for place in other.places {
            if !self.places.contains(&place) {
                self.places.push(place);
            }
        }
        self.value = self.value.mix(other.value);
        self.taint = heavier(self.taint, other.taint);
        self.unknown |= other.unknown;
        self.bounded()
    }

    fn bounded(mut self) -> Self {
        if self.places.len() > MAX_PLACES {
            self.places.clear();
            self.unknown = true;
        }
        self
    }

    /// The class of the values: what a comparison or a function of them says.
    pub(super) fn class(&self) -> PhiClass {
        if self.unknown {
            return PhiClass::FreeText;
        }
        let values = self.places.iter().fold(self.value.clone(), |class, place| class.mix(place.class()));
        heavier(values, self.taint.clone())
    }

    /// The class of a column of the values. Whole elements, and text made from identifying values, have no class of their own:
    /// what treats a date or a name would not know them.
    pub(super) fn column_class(&self, is_text: bool) -> PhiClass {
        let whole = self.places.iter().any(|place| !types::is_primitive(place.ty));
        if whole || is_text && self.value.is_identifying() { PhiClass::FreeText } else { self.class() }
    }

    /// The class of whether items are there and how many: computed ones may be there because of a value, elements not.
    pub(super) fn presence(&self) -> PhiClass {
        if self.unknown { PhiClass::FreeText } else { heavier(self.taint.clone(), self.value.clone()) }
    }

    /// What decided which items there are, for the rows beside them.
    pub(super) fn selection(&self) -> PhiClass {
        heavier(self.taint.clone(), self.value.clone())
    }

    /// The class of values that were compared with one another; of whole elements that says nothing.
    fn compared(&self) -> PhiClass {
        let plain = self.places.iter().filter(|place| place.is_comparable_value());
        plain.fold(self.presence(), |class, place| heavier(class, place.class()))
    }

    fn member(&self, name: &str) -> Self {
        let mut found = Self { places: Vec::new(), ..self.clone() };
        for place in &self.places {
            let Some(members) = place.member(name) else {
                found.unknown |= place.may_be_anything();
                continue;
            };
            for member in members {
                if !found.places.contains(&member) {
                    found.places.push(member);
                }
            }
        }
        // A name that no type has: the expression fails or finds nothing, and nothing is known of it.
        if found.places.is_empty() && found.value == PhiClass::Operational {
            found.unknown = true;
        }
        found.bounded()
    }

    /// Whether a path begins with an element that none of the types has: it finds nothing.
    fn lacks(&self, path: &Tree) -> bool {
        match path {
            Tree::Member { base: None, name } => {
                let without = |place: &Place| !place.may_be_anything() && place.member(name).is_none();
                !self.unknown && self.value == PhiClass::Operational && self.places.iter().all(without)
            }
            Tree::Member { base: Some(base), .. } => self.lacks(base),
            _ => false,
        }
    }

    /// `ofType` and `as`.
    fn of_type(&self, name: &str) -> Self {
        let Some(wanted) = defs::r4().type_named(name) else { return self.clone() };
        let mut found = Self { places: Vec::new(), unknown: false, ..self.clone() };
        for place in &self.places {
            if place.ty == wanted || types::is_resource(wanted) && types::subtype(place.ty, wanted) {
                found.places.push(*place);
            } else if types::subtype(place.ty, wanted) {
                // A type derived from it may mean more: an Age where a Quantity is asked for.
                found.places.push(Place { within: Within::Open, ..*place });
            } else if types::subtype(wanted, place.ty) {
                found.places.push(place.narrowed(wanted));
            }
        }
        if self.unknown {
            // A resource tells its type, whatever led to it. Any other value may come from an extension.
            if types::is_resource(wanted) && wanted != types::known().resource {
                found.places.push(Place::root(wanted));
            } else {
                found.places.push(Place { ty: wanted, at: None, within: Within::Open });
            }
        }
        found.unknown |= found.places.is_empty();
        found
    }

    /// Extensions of that URL.
    fn extensions(mut self, url: Option<&str>) -> Self {
        for place in self.places.iter_mut().filter(|place| types::name(place.ty) == "Extension") {
            place.within = match (place.within, url) {
                (Within::Open, Some(url)) if known_extension(url) => Within::Demographic,
                (Within::Part, Some(url)) if known_part(url) => Within::Demographic,
                (within, _) => within,
            };
        }
        self
    }
}

/// Follows expressions of one view.
pub(super) struct Follow<'c> {
    pub(super) constants: &'c [(Box<str>, Item<'static>)],
    /// Whether the expression defines variables of its own: then no name is known for sure.
    pub(super) own_variables: bool,
}

impl Follow<'_> {
    pub(super) fn reach(&self, tree: &Tree, focus: &Reach) -> Reach {
        match tree {
            Tree::This => focus.clone(),
            // What `$total` holds is also in the input and the arguments of `aggregate`.
            Tree::Empty | Tree::Literal(_) | Tree::Index | Tree::Total => Reach::computed(PhiClass::Operational),
            Tree::Variable(name) => self.variable(name),
            Tree::Member { base: None, name } => {
                let own = name.starts_with(|first: char| first.is_ascii_uppercase()).then(|| defs::r4().type_named(name)).flatten();
                match own {
                    Some(ty) if focus.places.iter().any(|place| types::subtype(place.ty, ty)) => focus.clone(),
                    _ => focus.member(name),
                }
            }
            Tree::Member { base: Some(base), name } => self.reach(base, focus).member(name),
            Tree::OfType { base, test, ty } => {
                let input = self.base(base.as_deref(), focus);
                match test {
                    TypeTest::Is => Reach::computed(heavier(PhiClass::Clinical, input.presence())),
                    _ if ty.namespace.as_deref() == Some("System") => input,
                    _ => input.of_type(&ty.name),
                }
            }
            Tree::Item { base, index } => {
                let index = self.reach(index, focus).class();
                self.reach(base, focus).tainted(index)
            }
            Tree::Sign { operand, .. } => Reach::computed(self.reach(operand, focus).class()),
            Tree::Binary { operator, left, right } => {
                let (left, right) = (self.reach(left, focus), self.reach(right, focus));
                match operator {
                    Operator::Union => united(left, right),
                    _ => Reach::computed(left.class().mix(right.class())),
                }
            }
            Tree::Call { base, function, arguments, .. } => self.call(base.as_deref(), *function, arguments, focus),
        }
    }

    fn base(&self, base: Option<&Tree>, focus: &Reach) -> Reach {
        base.map_or_else(|| focus.clone(), |base| self.reach(base, focus))
    }

    fn variable(&self, name: &str) -> Reach {
        let constant = matches!(name, "sct" | "loinc" | "ucum") || name.starts_with("vs-") || name.starts_with("ext-");
        if self.own_variables {
            Reach::unknown()
        } else if name == "rowIndex" {
            Reach::computed(PhiClass::Clinical)
        } else if constant || self.constants.iter().any(|(known, _)| **known == *name) {
            Reach::computed(PhiClass::Operational)
        } else {
            Reach::unknown()
        }
    }

    fn call(&self, base: Option<&Tree>, function: Function, arguments: &[Tree], focus: &Reach) -> Reach {
        use Function as F;
        let input = self.base(base, focus);
        let of = |inner: &Reach| arguments.iter().map(|tree| self.reach(tree, inner)).collect::<Vec<_>>();
        let classes = |inner: &Reach| of(inner).iter().fold(PhiClass::Operational, |class, reach| class.mix(reach.class()));
        match function {
            F::Empty | F::Exists | F::Count | F::HasValue | F::Type if arguments.is_empty() => {
                Reach::computed(heavier(PhiClass::Clinical, input.presence()))
            }
            F::Exists | F::All => {
                let criterion = arguments.iter().fold(PhiClass::Operational, |class, tree| heavier(class, self.criterion(tree, &input)));
                Reach::computed(heavier(heavier(PhiClass::Clinical, criterion), input.presence()))
            }
            F::Where => {
                let criterion = arguments.iter().fold(PhiClass::Operational, |class, tree| heavier(class, self.criterion(tree, &input)));
                let url = arguments.first().and_then(|tree| self.url(tree));
                input.extensions(url).tainted(criterion)
            }
            F::Select => {
                let (taint, found) = (input.presence(), of(&input));
                found.into_iter().next().unwrap_or_else(Reach::unknown).tainted(taint)
            }
            F::Repeat | F::RepeatAll => self.repeated(&arguments.iter().collect::<Vec<_>>(), &input),
            F::First | F::Last | F::Tail | F::Single | F::Skip | F::Take => input.tainted(classes(focus)),
            F::Distinct => {
                let taint = input.compared();
                input.tainted(taint)
            }
            F::Intersect | F::Exclude => {
                let taint = heavier(input.compared(), classes(focus));
                input.tainted(taint)
            }
            F::Sort => {
                let taint = heavier(input.compared(), classes(&input));
                input.tainted(taint)
            }
            // The projection of `trace` and the value of a variable are not part of what comes out.
            F::Trace | F::DefineVariable => input,
            F::Union => of(focus).into_iter().fold(input, united),
            F::Combine => of(focus).into_iter().fold(input, Reach::and),
            F::Coalesce => {
                let taint = input.presence();
                of(focus)
                    .into_iter()
                    .fold(Reach::computed(PhiClass::Operational), |all, one| {
                        let taint = one.presence();
                        all.and(one).tainted(taint)
                    })
                    .tainted(taint)
            }
            F::Iif => {
                let mut parts = of(&input).into_iter();
                let condition = parts.next().map_or(PhiClass::FreeText, |condition| condition.class());
                let found = parts.fold(Reach::computed(PhiClass::Operational), Reach::and);
                found.tainted(condition).tainted(input.presence())
            }
            F::Aggregate => Reach::computed(input.class().mix(classes(&input))),
            F::Extension => {
                let url = arguments.first().and_then(|tree| self.text(tree));
                let taint = classes(focus);
                if input.unknown {
                    let place = Place { ty: types::known().extension, at: None, within: Within::Open };
                    return Reach { places: vec![place], unknown: false, ..input }.extensions(url).tainted(taint);
                }
                input.member("extension").extensions(url).tainted(taint)
            }
            F::Now | F::Today | F::TimeOfDay => Reach::computed(PhiClass::Operational),
            F::GetResourceKey | F::GetReferenceKey => Reach::computed(heavier(PhiClass::OtherId, input.taint)),
            F::Children
            | F::Descendants
            | F::Resolve
            | F::CheckModifiers
            | F::HtmlChecks
            | F::ConformsTo
            | F::ElementDefinition
            | F::Slice => Reach::unknown().tainted(heavier(input.taint, classes(focus))),
            // Everything else computes from the values it is given, and says of them what it likes.
            _ => Reach::computed(input.class().mix(classes(focus))),
        }
    }

    /// What a criterion on the items of `input` says. That an extension has a URL which the view names says nothing of its value.
    fn criterion(&self, tree: &Tree, input: &Reach) -> PhiClass {
        if let Tree::Binary { operator: Operator::And, left, right } = tree {
            return self.criterion(left, input).mix(self.criterion(right, input));
        }
        let extensions = !input.unknown && input.places.iter().all(|place| types::name(place.ty) == "Extension");
        if extensions && self.url(tree).is_some() { PhiClass::Operational } else { self.reach(tree, input).class() }
    }

    /// The URL that a criterion fixes: `url = 'x'`, also beside other criteria.
    fn url<'t>(&'t self, tree: &'t Tree) -> Option<&'t str> {
        let is_url = |tree: &Tree| match tree {
            Tree::Member { base: None, name } => &**name == "url",
            Tree::Member { base: Some(base), name } => matches!(**base, Tree::This) && &**name == "url",
            _ => false,
        };
        match tree {
            Tree::Binary { operator: Operator::And, left, right } => self.url(left).or_else(|| self.url(right)),
            Tree::Binary { operator: Operator::Equal, left, right } if is_url(left) => self.text(right),
            Tree::Binary { operator: Operator::Equal, left, right } if is_url(right) => self.text(left),
            _ => None,
        }
    }

    fn text<'t>(&'t self, tree: &'t Tree) -> Option<&'t str> {
        match tree {
            Tree::Literal(Literal::Text(text)) => Some(&**text),
            Tree::Variable(name) if !self.own_variables => self.constants.iter().find_map(|(known, value)| match value {
                Item::String(text) if known == name => Some(&**text),
                _ => None,
            }),
            _ => None,
        }
    }

    /// Everything that the paths find, from what they find too.
    pub(super) fn repeated(&self, paths: &[&Tree], input: &Reach) -> Reach {
        let mut all = Reach { places: Vec::new(), ..input.clone() };
        let mut from = input.clone();
        for _ in 0..MAX_ROUNDS {
            let before = (all.places.len(), all.value.clone(), all.taint.clone(), all.unknown);
            for path in paths.iter().filter(|path| !from.lacks(path)) {
                all = all.and(self.reach(path, &from));
            }
            if before == (all.places.len(), all.value.clone(), all.taint.clone(), all.unknown) {
                let taint = all.compared();
                return all.tainted(taint);
            }
            from = all.clone();
        }
        Reach::unknown()
    }
}

/// Both, without what stands in both: how many there are tells which values are the same.
fn united(left: Reach, right: Reach) -> Reach {
    let taint = heavier(left.compared(), right.compared());
    left.and(right).tainted(taint)
}
