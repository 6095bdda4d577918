//! Functions over collections: filters, projections, sets, aggregates, and the utilities.

use std::{cmp::Ordering, collections::HashSet};

use smallvec::smallvec;

use super::{
    Collection, Function, Item, Operator, PathError, Tree, compare,
    eval::{Call, Evaluator, Frame, check_items},
    navigate,
    operators::{integer, single, text, truth, type_error},
};

fn flag<'d>(value: bool) -> Collection<'d> {
    smallvec![Item::Boolean(value)]
}

impl<'d> Evaluator<'_, 'd> {
    /// The functions of this file.
    pub(crate) fn collection_function(&mut self, call: Call<'_, 'd>) -> Result<Collection<'d>, PathError> {
        let Call { function, input, arguments, frame } = call;
        let name = function.name();
        Ok(match function {
            Function::Empty => flag(input.is_empty()),
            Function::Exists => match arguments.first() {
                None => flag(!input.is_empty()),
                Some(criterion) => flag(self.any(&input, criterion, frame)?),
            },
            Function::All => match arguments.first() {
                Some(criterion) => {
                    for (index, item) in input.iter().enumerate() {
                        if self.criterion(criterion, item, index, frame)? != Some(true) {
                            return Ok(flag(false));
                        }
                    }
                    flag(true)
                }
                None => flag(true),
            },
            Function::AllTrue => flag(booleans(&input, name)?.all(|value| value)),
            Function::AnyTrue => flag(booleans(&input, name)?.any(|value| value)),
            Function::AllFalse => flag(booleans(&input, name)?.all(|value| !value)),
            Function::AnyFalse => flag(booleans(&input, name)?.any(|value| !value)),
            Function::SubsetOf | Function::SupersetOf => {
                let other = self.argument(arguments, 0, frame)?;
                let (part, whole) = if function == Function::SubsetOf { (&input, &other) } else { (&other, &input) };
                for item in part {
                    if !self.holds(whole, item)? {
                        return Ok(flag(false));
                    }
                }
                flag(true)
            }
            Function::Count => smallvec![Item::Integer(input.len() as i64)],
            Function::Distinct => self.distinct(input)?,
            Function::IsDistinct => {
                let count = input.len();
                flag(self.distinct(input)?.len() == count)
            }
            Function::Where => {
                let mut kept = Collection::new();
                if let Some(criterion) = arguments.first() {
                    for (index, item) in input.into_iter().enumerate() {
                        if self.criterion(criterion, &item, index, frame)? == Some(true) {
                            kept.push(item);
                        }
                    }
                }
                kept
            }
            Function::Select => {
                let mut all = Collection::new();
                if let Some(projection) = arguments.first() {
                    for (index, item) in input.iter().enumerate() {
                        all.extend(self.each(projection, item, index, frame)?);
                        check_items(all.len())?;
                        self.tick(1)?;
                    }
                }
                all
            }
            Function::Repeat | Function::RepeatAll => self.repeat(&input, arguments, frame, function == Function::Repeat)?,
            Function::Single => single(&input, name)?.cloned().into_iter().collect(),
            Function::First => input.into_iter().next().into_iter().collect(),
            Function::Last => input.into_iter().next_back().into_iter().collect(),
            Function::Tail => input.into_iter().skip(1).collect(),
            Function::Skip | Function::Take => {
                let count = integer(&self.argument(arguments, 0, frame)?, name)?;
                let Some(count) = count else { return Ok(Collection::new()) };
                let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
                if function == Function::Skip { input.into_iter().skip(count).collect() } else { input.into_iter().take(count).collect() }
            }
            Function::Intersect => {
                let other = self.argument(arguments, 0, frame)?;
                let mut kept = Collection::new();
                for item in input {
                    if self.holds(&other, &item)? && !self.holds(&kept, &item)? {
                        kept.push(item);
                    }
                }
                kept
            }
            Function::Exclude => {
                let other = self.argument(arguments, 0, frame)?;
                let mut kept = Collection::new();
                for item in input {
                    if !self.holds(&other, &item)? {
                        kept.push(item);
                    }
                }
                kept
            }
            Function::Union => {
                let other = self.argument(arguments, 0, frame)?;
                self.apply(Operator::Union, input, other)?
            }
            Function::Combine => {
                let mut all = input;
                all.extend(self.argument(arguments, 0, frame)?);
                self.tick(all.len())?;
                let preserve = self.argument(arguments, 1, frame)?;
                truth(&preserve, name)?;
                all
            }
            Function::Comparable => {
                let other = self.argument(arguments, 0, frame)?;
                let (Some(left), Some(right)) = (single(&input, name)?, single(&other, name)?) else { return Ok(Collection::new()) };
                match (&*left.atom(), &*right.atom()) {
                    (Item::Quantity(left), Item::Quantity(right)) => flag(left.compare(right).is_some()),
                    (left, _) => return Err(type_error(name, left)),
                }
            }
            Function::Coalesce => {
                for argument in arguments {
                    let found = self.scoped(argument, frame)?;
                    if !found.is_empty() {
                        return Ok(found);
                    }
                }
                Collection::new()
            }
            Function::Iif => self.iif(&input, arguments, frame)?,
            Function::Aggregate => {
                let mut total = match arguments.get(1) {
                    Some(start) => self.scoped(start, frame)?,
                    None => Collection::new(),
                };
                if let Some(step) = arguments.first() {
                    for (index, item) in input.iter().enumerate() {
                        let inner = Frame { focus: std::slice::from_ref(item), index: Some(index as i64), total: Some(&total) };
                        let next = self.scoped(step, inner)?;
                        total = next;
                    }
                }
                total
            }
            Function::Sum | Function::Avg | Function::Min | Function::Max => self.fold(function, &input)?,
            Function::Sort => self.sort(input, arguments, frame)?,
            Function::Children => {
                let mut found = Collection::new();
                for item in &input {
                    self.children(item, &mut found)?;
                }
                found
            }
            Function::Descendants => {
                let mut found = Collection::new();
                // Depth first, so that the order is that of the document.
                let mut open: Vec<Item<'d>> = Vec::new();
                let mut below = Collection::new();
                for item in &input {
                    self.children(item, &mut below)?;
                }
                loop {
                    open.extend(below.drain(..).rev());
                    let Some(item) = open.pop() else { break };
                    self.children(&item, &mut below)?;
                    found.push(item);
                    check_items(found.len())?;
                }
                found
            }
            Function::Type => {
                let types = input.iter().map(|item| match item {
                    Item::Node(node) => Item::Type { namespace: "FHIR", name: super::types::name(node.ty) },
                    other => Item::Type { namespace: "System", name: other.type_name() },
                });
                types.collect()
            }
            Function::Not => truth(&input, name)?.map(|value| Item::Boolean(!value)).into_iter().collect(),
            Function::Trace => {
                // The name and the projection are checked; nothing is written, because content may not reach a log.
                text(&self.argument(arguments, 0, frame)?, name)?;
                if let Some(projection) = arguments.get(1) {
                    for (index, item) in input.iter().enumerate() {
                        self.each(projection, item, index, frame)?;
                    }
                }
                input
            }
            Function::DefineVariable => {
                let Some(variable) = text(&self.argument(arguments, 0, frame)?, name)? else { return Ok(input) };
                let value = match arguments.get(1) {
                    Some(value) => self.scoped(value, Frame { focus: &input, index: None, total: frame.total })?,
                    None => input.clone(),
                };
                self.define(variable, value)?;
                input
            }
            other => return Err(PathError::UnknownFunction(other.name().into())),
        })
    }

    /// An argument evaluated where the call stands (not on the input of the call); empty if it is not given.
    pub(crate) fn argument(&mut self, arguments: &'d [Tree], at: usize, frame: Frame<'_, 'd>) -> Result<Collection<'d>, PathError> {
        match arguments.get(at) {
            Some(argument) => self.scoped(argument, frame),
            None => Ok(Collection::new()),
        }
    }

    fn any(&mut self, input: &[Item<'d>], criterion: &'d Tree, frame: Frame<'_, 'd>) -> Result<bool, PathError> {
        for (index, item) in input.iter().enumerate() {
            if self.criterion(criterion, item, index, frame)? == Some(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn iif(&mut self, input: &[Item<'d>], arguments: &'d [Tree], frame: Frame<'_, 'd>) -> Result<Collection<'d>, PathError> {
        if input.len() > 1 {
            return Err(PathError::NotSingleton("iif"));
        }
        let [criterion, then, otherwise @ ..] = arguments else { return Ok(Collection::new()) };
        let inner = Frame { focus: input, ..frame };
        let criterion = self.scoped(criterion, inner)?;
        let chosen = match single(&criterion, "iif")? {
            None => false,
            Some(item) => match &*item.atom() {
                Item::Boolean(value) => *value,
                other => return Err(type_error("iif", other)),
            },
        };
        match (chosen, otherwise.first()) {
            (true, _) => self.scoped(then, inner),
            (false, Some(otherwise)) => self.scoped(otherwise, inner),
            (false, None) => Ok(Collection::new()),
        }
    }

    /// `repeat`: the projection on its own results until nothing new comes. New is what no earlier item equals; nodes are
    /// first told apart by their place, which decides nearly always.
    fn repeat(
        &mut self,
        input: &[Item<'d>],
        arguments: &'d [Tree],
        frame: Frame<'_, 'd>,
        only_new: bool,
    ) -> Result<Collection<'d>, PathError> {
        let Some(projection) = arguments.first() else { return Ok(Collection::new()) };
        let mut found = Collection::new();
        let mut seen = HashSet::new();
        let mut open: Vec<Item<'d>> = input.iter().rev().cloned().collect();
        let mut index = 0;
        while let Some(item) = open.pop() {
            let next = self.each(projection, &item, index, frame)?;
            index += 1;
            let mut fresh = Vec::new();
            for item in next {
                self.tick(1)?;
                if only_new {
                    if let Item::Node(node) = &item
                        && let Some(value) = node.value
                        // Its place in memory: a resolved resource has a tape of its own.
                        && !seen.insert(value.raw().as_ptr())
                    {
                        continue;
                    }
                    if self.holds(&found, &item)? {
                        continue;
                    }
                }
                found.push(item.clone());
                fresh.push(item);
            }
            open.extend(fresh.into_iter().rev());
            check_items(found.len().max(open.len()))?;
        }
        Ok(found)
    }

    fn children(&mut self, item: &Item<'d>, found: &mut Collection<'d>) -> Result<(), PathError> {
        if let Item::Node(node) = item {
            let before = found.len();
            self.tick(1 + node.value.map_or(0, |value| value.len()))?;
            navigate::children(*node, found);
            self.tick(found.len() - before)?;
        }
        Ok(())
    }

    fn fold(&mut self, function: Function, input: &[Item<'d>]) -> Result<Collection<'d>, PathError> {
        let Some((first, rest)) = input.split_first() else { return Ok(Collection::new()) };
        let mut total = first.atom().into_owned();
        for item in rest {
            self.tick(1)?;
            let item = item.atom().into_owned();
            total = match function {
                Function::Min | Function::Max => {
                    let wanted = if function == Function::Min { Ordering::Less } else { Ordering::Greater };
                    match compare::order(&item, &total, function.name())? {
                        None => return Ok(Collection::new()),
                        Some(order) => {
                            if order == wanted {
                                item
                            } else {
                                total
                            }
                        }
                    }
                }
                _ => match self.apply(Operator::Add, smallvec![total], smallvec![item])?.into_iter().next() {
                    Some(sum) => sum,
                    None => return Ok(Collection::new()),
                },
            };
        }
        if function == Function::Avg {
            return self.apply(Operator::Divide, smallvec![total], smallvec![Item::Integer(input.len() as i64)]);
        }
        Ok(smallvec![total])
    }

    /// `sort`: by the keys in turn, each descending if it begins with a minus; empty keys first.
    fn sort(&mut self, input: Collection<'d>, arguments: &'d [Tree], frame: Frame<'_, 'd>) -> Result<Collection<'d>, PathError> {
        let mut rows: Vec<Row<'d>> = Vec::with_capacity(input.len());
        let mut descending = vec![false; arguments.len()];
        for (index, item) in input.into_iter().enumerate() {
            let mut keys = Vec::with_capacity(arguments.len().max(1));
            for (argument, descending) in arguments.iter().zip(&mut descending) {
                let key = match argument {
                    Tree::Sign { negative: true, operand } => {
                        *descending = true;
                        operand
                    }
                    other => other,
                };
                let key = self.each(key, &item, index, frame)?;
                keys.push(single(&key, "sort")?.map(|key| key.atom().into_owned()));
            }
            if arguments.is_empty() {
                keys.push(Some(item.atom().into_owned()));
            }
            rows.push((keys, item));
        }
        if arguments.is_empty() {
            descending.push(false);
        }
        let count = rows.len();
        self.tick(count * (usize::BITS - count.leading_zeros()) as usize)?;
        Ok(merge_sorted(rows, &descending)?.into_iter().map(|(_, item)| item).collect())
    }
}

/// The keys of an item, and the item.
type Row<'d> = (Vec<Option<Item<'d>>>, Item<'d>);

/// A stable merge sort. Our own, because dates of different precision have no total order, which the library's sorts
/// may answer with a panic; here such neighbours just stay as they are.
fn merge_sorted<'d>(mut rows: Vec<Row<'d>>, descending: &[bool]) -> Result<Vec<Row<'d>>, PathError> {
    if rows.len() < 2 {
        return Ok(rows);
    }
    let right = merge_sorted(rows.split_off(rows.len() / 2), descending)?;
    let left = merge_sorted(rows, descending)?;
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(first), Some(second)) = (left.peek(), right.peek()) {
        let next = if keys_in_order(&first.0, &second.0, descending)? { left.next() } else { right.next() };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}

/// Whether `left` may stand before `right`; empty keys come first.
fn keys_in_order(left: &[Option<Item<'_>>], right: &[Option<Item<'_>>], descending: &[bool]) -> Result<bool, PathError> {
    for ((left, right), descending) in left.iter().zip(right).zip(descending) {
        let order = match (left, right) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => compare::order(left, right, "sort")?.unwrap_or(Ordering::Equal),
        };
        match if *descending { order.reverse() } else { order } {
            Ordering::Equal => {}
            decided => return Ok(decided == Ordering::Less),
        }
    }
    Ok(true)
}

/// The truth values of a collection of Booleans.
fn booleans<'f>(input: &'f [Item<'_>], name: &'static str) -> Result<impl Iterator<Item = bool> + use<'f>, PathError> {
    let mut values = Vec::with_capacity(input.len());
    for item in input {
        match &*item.atom() {
            Item::Boolean(value) => values.push(*value),
            other => return Err(type_error(name, other)),
        }
    }
    Ok(values.into_iter())
}
