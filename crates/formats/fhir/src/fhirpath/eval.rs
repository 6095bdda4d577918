//! The evaluator: one function for each kind of node, the functions themselves in the files beside it.

use std::borrow::Cow;

use smallvec::smallvec;

use super::{
    Collection, Context, Date, Function, Item, Literal, Operator, PathError, Tree, TypeTest, navigate, operators,
    types::{self, Specifier},
};

/// Evaluates `tree` with `focus` as context item.
pub(crate) fn evaluate<'d>(tree: &'d Tree, focus: Item<'d>, context: &mut Context<'d>) -> Result<Collection<'d>, PathError> {
    if context.resource.is_none() {
        context.resource = Some(focus.clone());
    }
    evaluate_on(tree, &[focus], context)
}

/// Evaluates `tree` with any number of items as focus.
pub(crate) fn evaluate_on<'d>(tree: &'d Tree, focus: &[Item<'d>], context: &mut Context<'d>) -> Result<Collection<'d>, PathError> {
    let steps = context.limits.steps;
    let mut evaluator = Evaluator { context, steps, locals: Vec::new(), focus };
    let found = evaluator.eval(tree, Frame { focus, index: None, total: None });
    // A step that was one too many leaves those before it untaken.
    let left = if matches!(found, Err(PathError::Cost(_))) { 0 } else { evaluator.steps };
    context.steps_used = steps - left;
    found
}

/// What `$this`, `$index` and `$total` are.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'f, 'd> {
    pub(crate) focus: &'f [Item<'d>],
    pub(crate) index: Option<i64>,
    pub(crate) total: Option<&'f Collection<'d>>,
}

/// Items of one collection; each takes up to 64 bytes.
const MOST_ITEMS: usize = 1 << 20;

/// Refuses a collection that is too large: steps bound the time, this bounds the memory.
pub(crate) fn check_items(count: usize) -> Result<(), PathError> {
    if count > MOST_ITEMS { Err(PathError::TooManyItems(MOST_ITEMS)) } else { Ok(()) }
}

/// One evaluation.
pub(crate) struct Evaluator<'c, 'd> {
    pub(crate) context: &'c mut Context<'d>,
    steps: u64,
    /// Variables of `defineVariable`, innermost last.
    locals: Vec<(Cow<'d, str>, Collection<'d>)>,
    /// `%context`.
    focus: &'c [Item<'d>],
}

/// A call, as the functions see it.
pub(crate) struct Call<'f, 'd> {
    pub(crate) function: Function,
    pub(crate) input: Collection<'d>,
    pub(crate) arguments: &'d [Tree],
    pub(crate) frame: Frame<'f, 'd>,
}

impl<'d> Evaluator<'_, 'd> {
    /// Counts `count` steps.
    pub(crate) fn tick(&mut self, count: usize) -> Result<(), PathError> {
        match self.steps.checked_sub(count as u64) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => Err(PathError::Cost(self.context.limits.steps)),
        }
    }

    /// Refuses a text that is too long, and counts its length as steps (64 bytes a step).
    pub(crate) fn check_text(&mut self, length: usize) -> Result<(), PathError> {
        if length > self.context.limits.text {
            return Err(PathError::TextTooLong(self.context.limits.text));
        }
        self.tick(length / 64)
    }

    /// Evaluates a node.
    pub(crate) fn eval(&mut self, tree: &'d Tree, frame: Frame<'_, 'd>) -> Result<Collection<'d>, PathError> {
        self.tick(1)?;
        let found = self.eval_node(tree, frame)?;
        check_items(found.len())?;
        Ok(found)
    }

    fn eval_node(&mut self, tree: &'d Tree, frame: Frame<'_, 'd>) -> Result<Collection<'d>, PathError> {
        match tree {
            Tree::Empty => Ok(Collection::new()),
            Tree::Literal(literal) => Ok(smallvec![literal_item(literal)]),
            Tree::This => Ok(frame.focus.iter().cloned().collect()),
            Tree::Index => Ok(frame.index.map(Item::Integer).into_iter().collect()),
            Tree::Total => Ok(frame.total.cloned().unwrap_or_default()),
            Tree::Variable(name) => self.variable(name),
            Tree::Member { base: None, name } => self.root_member(name, frame),
            Tree::Member { base: Some(base), name } => {
                let input = self.eval(base, frame)?;
                self.member(&input, name)
            }
            Tree::OfType { base, test, ty } => {
                let input = self.base(base.as_deref(), frame)?;
                let specifier = Specifier::resolve(ty)?;
                self.type_test(input, *test, specifier)
            }
            Tree::Item { base, index } => {
                let input = self.eval(base, frame)?;
                let index = self.scoped(index, frame)?;
                let Some(index) = operators::integer(&index, "[]")? else { return Ok(Collection::new()) };
                let found = usize::try_from(index).ok().and_then(|index| input.into_iter().nth(index));
                Ok(found.into_iter().collect())
            }
            Tree::Sign { negative, operand } => {
                let operand = self.eval(operand, frame)?;
                operators::sign(&operand, *negative)
            }
            Tree::Binary { operator, left, right } => self.binary(*operator, left, right, frame),
            Tree::Call { base, function, arguments, pattern } => {
                let input = self.base(base.as_deref(), frame)?;
                let call = Call { function: *function, input, arguments, frame };
                self.call(call, pattern)
            }
        }
    }

    fn base(&mut self, base: Option<&'d Tree>, frame: Frame<'_, 'd>) -> Result<Collection<'d>, PathError> {
        match base {
            Some(base) => self.eval(base, frame),
            None => Ok(frame.focus.iter().cloned().collect()),
        }
    }

    /// Evaluates a node whose variables end with it: an operand, an argument, a criterion.
    pub(crate) fn scoped(&mut self, tree: &'d Tree, frame: Frame<'_, 'd>) -> Result<Collection<'d>, PathError> {
        let known = self.locals.len();
        let result = self.eval(tree, frame);
        self.locals.truncate(known);
        result
    }

    /// Evaluates `tree` with one item as `$this`.
    pub(crate) fn each(
        &mut self,
        tree: &'d Tree,
        item: &Item<'d>,
        index: usize,
        frame: Frame<'_, 'd>,
    ) -> Result<Collection<'d>, PathError> {
        self.scoped(tree, Frame { focus: std::slice::from_ref(item), index: Some(index as i64), total: frame.total })
    }

    /// A criterion of one item: a truth value, `None` if empty.
    pub(crate) fn criterion(
        &mut self,
        tree: &'d Tree,
        item: &Item<'d>,
        index: usize,
        frame: Frame<'_, 'd>,
    ) -> Result<Option<bool>, PathError> {
        let result = self.each(tree, item, index, frame)?;
        operators::truth(&result, "a criterion")
    }

    fn binary(&mut self, operator: Operator, left: &'d Tree, right: &'d Tree, frame: Frame<'_, 'd>) -> Result<Collection<'d>, PathError> {
        let left = self.scoped(left, frame)?;
        // The right operand of a decided `and`, `or` or `implies` is not evaluated.
        if let Some(decided) = operators::decided(operator, &left)? {
            return Ok(smallvec![Item::Boolean(decided)]);
        }
        let right = self.scoped(right, frame)?;
        self.apply(operator, left, right)
    }

    fn variable(&mut self, name: &'d str) -> Result<Collection<'d>, PathError> {
        if let Some((_, value)) = self.locals.iter().rev().find(|(known, _)| known == name) {
            return Ok(value.clone());
        }
        let fixed = |text: &'d str| Ok(smallvec![Item::String(Cow::Borrowed(text))]);
        match name {
            "context" => Ok(self.focus.iter().cloned().collect()),
            "resource" => Ok(self.context.resource.iter().cloned().collect()),
            "rootResource" => Ok(self.context.root.as_ref().or(self.context.resource.as_ref()).cloned().into_iter().collect()),
            "sct" => fixed("http://snomed.info/sct"),
            "loinc" => fixed("http://loinc.org"),
            "ucum" => fixed("http://unitsofmeasure.org"),
            _ => {
                let found = self.context.lookup(name);
                if found.is_err() {
                    if let Some(set) = name.strip_prefix("vs-") {
                        return Ok(smallvec![Item::String(format!("http://hl7.org/fhir/ValueSet/{set}").into())]);
                    }
                    if let Some(extension) = name.strip_prefix("ext-") {
                        return Ok(smallvec![Item::String(format!("http://hl7.org/fhir/StructureDefinition/{extension}").into())]);
                    }
                }
                found
            }
        }
    }

    /// `defineVariable`: visible to the steps that follow.
    pub(crate) fn define(&mut self, name: Cow<'d, str>, value: Collection<'d>) -> Result<(), PathError> {
        let fixed = matches!(&*name, "context" | "resource" | "rootResource" | "sct" | "loinc" | "ucum");
        if fixed || self.locals.iter().any(|(known, _)| *known == name) || self.context.lookup(&name).is_ok() {
            return Err(PathError::VariableTaken(name.as_ref().into()));
        }
        self.locals.push((name, value));
        Ok(())
    }

    /// A name without a base: the type of the focus (`Patient.name`), or one of its elements.
    fn root_member(&mut self, name: &'d str, frame: Frame<'_, 'd>) -> Result<Collection<'d>, PathError> {
        if name.as_bytes().first().is_some_and(u8::is_ascii_uppercase)
            && let Some(ty) = crate::defs::r4().type_named(name)
        {
            let matches = |item: &&Item<'d>| matches!(item, Item::Node(node) if types::subtype(node.ty, ty));
            let found: Collection<'d> = frame.focus.iter().filter(matches).cloned().collect();
            if !found.is_empty() {
                return Ok(found);
            }
        }
        self.member(frame.focus, name)
    }

    fn member(&mut self, input: &[Item<'d>], name: &'d str) -> Result<Collection<'d>, PathError> {
        let mut found = Collection::new();
        for item in input {
            self.tick(1)?;
            match item {
                Item::Node(node) => {
                    // Looking a name up in a very wide object is not one step.
                    self.tick(node.value.map_or(0, |value| value.len() / 32))?;
                    navigate::member(*node, name, self.context.strict, &mut found)?;
                }
                Item::Type { namespace, name: type_name } => match name {
                    "namespace" => found.push(Item::String(Cow::Borrowed(namespace))),
                    "name" => found.push(Item::String(Cow::Borrowed(type_name))),
                    _ => {}
                },
                Item::Quantity(quantity) => match name {
                    "value" => found.push(Item::Decimal(quantity.value())),
                    "unit" | "code" => found.push(Item::String(quantity.unit().to_owned().into())),
                    _ => {}
                },
                _ => {}
            }
        }
        self.tick(found.len())?;
        Ok(found)
    }

    fn type_test(&mut self, input: Collection<'d>, test: TypeTest, specifier: Specifier) -> Result<Collection<'d>, PathError> {
        if test != TypeTest::OfType && input.len() > 1 {
            return Err(PathError::NotSingleton(test.name()));
        }
        if test == TypeTest::Is {
            return Ok(input.iter().map(|item| Item::Boolean(specifier.is(item))).collect());
        }
        self.tick(input.len())?;
        Ok(input.into_iter().filter(|item| specifier.selects(item)).collect())
    }

    /// `%resource`'s container for `resolve()`.
    pub(crate) fn root_item(&self) -> Option<&Item<'d>> {
        self.context.root.as_ref().or(self.context.resource.as_ref())
    }

    /// Today, from the fixed `now()`.
    pub(crate) fn today(&mut self) -> Date {
        self.context.fixed_now().date()
    }
}

/// A literal as an item that borrows from the expression.
pub(crate) fn literal_item(literal: &Literal) -> Item<'_> {
    match literal {
        Literal::Boolean(value) => Item::Boolean(*value),
        Literal::Integer(value) => Item::Integer(*value),
        Literal::Decimal(value) => Item::Decimal(*value),
        Literal::Text(text) => Item::String(Cow::Borrowed(text)),
        Literal::Date(value) => Item::Date(*value),
        Literal::DateTime(value) => Item::DateTime(*value),
        Literal::Time(value) => Item::Time(*value),
        Literal::Quantity(value) => Item::Quantity(value.clone()),
    }
}
