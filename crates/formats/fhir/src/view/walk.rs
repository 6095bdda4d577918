//! The fast path: paths that the types decide completely become walks over the tape, without collections.
//!
//! A walk is compiled where every step is an element of a known type. Whatever else an expression does (other functions,
//! operators, primitives that have extensions only) goes the way of the evaluator.

use std::ops::ControlFlow;

use crate::{
    defs::{self, TypeId, TypeKind},
    fhirpath::{Expression, Function, Item, Literal, Operator, Tree, TypeTest, fhir, types},
    json::{Kind, Value},
};

/// A compiled walk.
#[derive(Debug)]
pub(super) struct Walk {
    steps: Vec<Step>,
    /// The type of the values found.
    pub(super) ty: TypeId,
    /// Whether the values found are text that the walk computes.
    key: Option<Key>,
}

/// A key that is read from the value at the end of a walk.
#[derive(Debug)]
enum Key {
    Resource,
    Reference(Option<Box<str>>),
}

#[derive(Debug)]
enum Step {
    /// The member of that JSON name; arrays are opened.
    Member(Box<str>),
    /// Extensions of that URL.
    Extension(Box<str>),
    /// Only objects whose members have these texts.
    Where(Vec<(Box<str>, Box<str>)>),
    /// Only the value of that position among all that the steps before it find.
    Nth(usize),
}

/// What a walk hands out.
pub(super) enum Found<'d> {
    Value(Value<'d>),
    Text(&'d str),
}

/// The walk met a primitive array with a `null`: the evaluator must look.
#[derive(Debug)]
pub(super) struct NotPlain;

impl Walk {
    /// The walk of an expression from a focus of type `root`, if it is one.
    pub(super) fn compile(expression: &Expression, root: TypeId, constants: &[(Box<str>, Item<'static>)]) -> Option<Self> {
        let mut compiler = Compiler { steps: Vec::new(), ty: root, pending: None, key: None, constants };
        compiler.node(expression.tree())?;
        if compiler.pending.is_some() {
            return None;
        }
        Some(Self { steps: compiler.steps, ty: compiler.ty, key: compiler.key })
    }

    /// Whether it computes a key.
    pub(super) fn is_key(&self) -> bool {
        self.key.is_some()
    }

    /// Hands every value to `each`, in order, until it says stop.
    pub(super) fn run<'d>(&self, from: Value<'d>, each: &mut dyn FnMut(Found<'d>) -> ControlFlow<()>) -> Result<(), NotPlain> {
        let flow = segment(&self.steps, from, &mut |value| {
            let found = match &self.key {
                None => Some(Found::Value(value)),
                Some(Key::Resource) => value.get("id").and_then(|id| id.as_str()).map(Found::Text),
                Some(Key::Reference(wanted)) => {
                    let text = |name: &str| value.get(name).and_then(|text| text.as_str());
                    let wanted = wanted.as_deref();
                    text("reference").and_then(|reference| fhir::reference_key(reference, || text("type"), wanted)).map(Found::Text)
                }
            };
            found.map_or(Flow::Continue(()), |found| match each(found) {
                ControlFlow::Continue(()) => Flow::Continue(()),
                ControlFlow::Break(()) => Flow::Break(Stop::Done),
            })
        });
        if matches!(flow, Flow::Break(Stop::NotPlain)) { Err(NotPlain) } else { Ok(()) }
    }
}

enum Stop {
    Done,
    NotPlain,
}

type Flow = ControlFlow<Stop>;

/// Runs steps up to the next [`Step::Nth`], which picks one value and goes on from there.
fn segment<'d>(steps: &[Step], from: Value<'d>, each: &mut dyn FnMut(Value<'d>) -> Flow) -> Flow {
    let Some(at) = steps.iter().position(|step| matches!(step, Step::Nth(_))) else { return follow(steps, from, each) };
    let Step::Nth(wanted) = &steps[at] else { return Flow::Continue(()) };
    let (mut seen, mut picked) = (0, None);
    let flow = follow(&steps[..at], from, &mut |value| {
        if seen == *wanted {
            picked = Some(value);
            return Flow::Break(Stop::Done);
        }
        seen += 1;
        Flow::Continue(())
    });
    if matches!(flow, Flow::Break(Stop::NotPlain)) {
        return flow;
    }
    match picked {
        Some(value) => segment(&steps[at + 1..], value, each),
        None => Flow::Continue(()),
    }
}

fn follow<'d>(steps: &[Step], from: Value<'d>, each: &mut dyn FnMut(Value<'d>) -> Flow) -> Flow {
    let Some((step, rest)) = steps.split_first() else { return each(from) };
    match step {
        Step::Member(name) => match from.get(name) {
            None => Flow::Continue(()),
            Some(value) => open(value, &mut |value| follow(rest, value, each)),
        },
        Step::Extension(url) => match from.get("extension") {
            None => Flow::Continue(()),
            Some(value) => open(value, &mut |value| {
                if value.get("url").and_then(|found| found.as_str()) == Some(url) { follow(rest, value, each) } else { Flow::Continue(()) }
            }),
        },
        Step::Where(conditions) => {
            let fits = |(name, text): &(Box<str>, Box<str>)| from.get(name).and_then(|value| value.as_str()) == Some(text);
            if conditions.iter().all(fits) { follow(rest, from, each) } else { Flow::Continue(()) }
        }
        Step::Nth(_) => Flow::Continue(()),
    }
}

/// Each value of an array, or the value itself.
fn open<'d>(value: Value<'d>, each: &mut dyn FnMut(Value<'d>) -> Flow) -> Flow {
    match value.kind() {
        Kind::Array => {
            for item in value.items() {
                if item.is_null() {
                    return Flow::Break(Stop::NotPlain);
                }
                each(item)?;
            }
            Flow::Continue(())
        }
        Kind::Null => Flow::Continue(()),
        _ => each(value),
    }
}

struct Compiler<'c> {
    steps: Vec<Step>,
    ty: TypeId,
    /// A choice element that waits for its `ofType`.
    pending: Option<Box<str>>,
    key: Option<Key>,
    constants: &'c [(Box<str>, Item<'static>)],
}

impl Compiler<'_> {
    fn node(&mut self, tree: &Tree) -> Option<()> {
        if self.key.is_some() {
            return None;
        }
        match tree {
            Tree::This => Some(()),
            Tree::Member { base, name } => {
                if let Some(base) = base {
                    self.node(base)?;
                } else if defs::r4().type_named(name) == Some(self.ty) && self.steps.is_empty() {
                    return Some(());
                }
                self.member(name)
            }
            Tree::OfType { base, test: TypeTest::OfType, ty } => {
                if let Some(base) = base {
                    self.node(base)?;
                }
                let name = self.pending.take()?;
                let wanted = defs::r4().type_named(&ty.name).filter(|_| ty.namespace.as_deref() != Some("System"))?;
                let definition = defs::r4().type_of(self.ty);
                let mut json = name.to_string();
                json.push_str(&ty.name.get(..1)?.to_ascii_uppercase());
                json.push_str(ty.name.get(1..)?);
                let (element, found) = definition.element(&json)?;
                if found != wanted || element.name != &*name {
                    return None;
                }
                self.push(json.into(), found)
            }
            Tree::Item { base, index } => {
                self.node(base)?;
                let index = match &**index {
                    Tree::Literal(Literal::Integer(index)) => *index,
                    Tree::Variable(name) => match self.constant(name)? {
                        Item::Integer(index) => *index,
                        _ => return None,
                    },
                    _ => return None,
                };
                self.nth(usize::try_from(index).ok()?)
            }
            Tree::Call { base, function, arguments, .. } => {
                if let Some(base) = base {
                    self.node(base)?;
                }
                self.call(*function, arguments)
            }
            _ => None,
        }
    }

    fn call(&mut self, function: Function, arguments: &[Tree]) -> Option<()> {
        if self.pending.is_some() {
            return None;
        }
        match (function, arguments) {
            (Function::First, []) => self.nth(0),
            (Function::Where, [criterion]) => {
                let mut conditions = Vec::new();
                self.conditions(criterion, &mut conditions)?;
                self.steps.push(Step::Where(conditions));
                Some(())
            }
            (Function::Extension, [url]) if !types::is_primitive(self.ty) => {
                let url = self.text(url)?;
                let (_, ty) = defs::r4().type_of(self.ty).element("extension")?;
                self.steps.push(Step::Extension(url.into()));
                self.ty = ty;
                Some(())
            }
            (Function::GetResourceKey, []) if types::is_resource(self.ty) => {
                self.key = Some(Key::Resource);
                Some(())
            }
            (Function::GetReferenceKey, [] | [_]) if types::name(self.ty) == "Reference" => {
                let wanted = match arguments.first() {
                    Some(argument) => Some(fhir::type_argument(argument)?.into()),
                    None => None,
                };
                self.key = Some(Key::Reference(wanted));
                Some(())
            }
            _ => None,
        }
    }

    fn nth(&mut self, index: usize) -> Option<()> {
        if self.pending.is_some() {
            return None;
        }
        self.steps.push(Step::Nth(index));
        Some(())
    }

    fn member(&mut self, name: &str) -> Option<()> {
        if self.pending.is_some() {
            return None;
        }
        let definition = defs::r4().type_of(self.ty);
        let element = definition.element_named(name)?;
        if element.choice {
            self.pending = Some(name.into());
            return Some(());
        }
        let (_, ty) = definition.element(name)?;
        self.push(name.into(), ty)
    }

    fn push(&mut self, json: Box<str>, ty: TypeId) -> Option<()> {
        // What a resource inside a resource is shows only in the data.
        if ty == types::known().resource {
            return None;
        }
        self.steps.push(Step::Member(json));
        self.ty = ty;
        Some(())
    }

    /// `a = 'x' and b = 'y'` over members that are single texts.
    fn conditions(&self, criterion: &Tree, out: &mut Vec<(Box<str>, Box<str>)>) -> Option<()> {
        let Tree::Binary { operator, left, right } = criterion else { return None };
        match operator {
            Operator::And => {
                self.conditions(left, out)?;
                self.conditions(right, out)
            }
            Operator::Equal => {
                let (name, text) = match (self.condition_member(left), self.condition_member(right)) {
                    (Some(name), None) => (name, self.text(right)?),
                    (None, Some(name)) => (name, self.text(left)?),
                    _ => return None,
                };
                out.push((name.into(), text.into()));
                Some(())
            }
            _ => None,
        }
    }

    fn condition_member<'t>(&self, tree: &'t Tree) -> Option<&'t str> {
        let name = match tree {
            Tree::Member { base: None, name } => name,
            Tree::Member { base: Some(base), name } if matches!(**base, Tree::This) => name,
            _ => return None,
        };
        let (element, ty) = defs::r4().type_of(self.ty).element(name)?;
        let known = types::known();
        let text = defs::r4().type_of(ty).kind == TypeKind::Primitive
            && ![known.date, known.date_time, known.instant, known.time, known.decimal].contains(&ty)
            && !matches!(types::name(ty), "boolean" | "integer" | "positiveInt" | "unsignedInt");
        (text && !element.choice && element.max == Some(1)).then_some(&**name)
    }

    fn text(&self, tree: &Tree) -> Option<String> {
        match tree {
            Tree::Literal(Literal::Text(text)) => Some(text.to_string()),
            Tree::Variable(name) => match self.constant(name)? {
                Item::String(text) => Some(text.to_string()),
                _ => None,
            },
            _ => None,
        }
    }

    fn constant(&self, name: &str) -> Option<&Item<'static>> {
        self.constants.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }
}
