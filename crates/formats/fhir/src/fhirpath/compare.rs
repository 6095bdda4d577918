//! Equality, equivalence and order.

use std::cmp::Ordering;

use super::{DateTime, Decimal, Item, PathError, Quantity, eval::Evaluator, operators::types_error, quantity};
use crate::json::{Kind, Value};

/// A number or a quantity seen as a decimal.
fn number(item: &Item<'_>) -> Option<Decimal> {
    match item {
        Item::Integer(value) => Some(Decimal::from(*value)),
        Item::Decimal(value) => Some(*value),
        _ => None,
    }
}

fn moment(item: &Item<'_>) -> Option<DateTime> {
    match item {
        Item::Date(date) => Some(DateTime::from(*date)),
        Item::DateTime(moment) => Some(*moment),
        _ => None,
    }
}

/// A quantity, or a number as a quantity of unit `1`.
fn as_quantity(item: &Item<'_>) -> Option<Quantity> {
    match item {
        Item::Quantity(quantity) => Some((**quantity).clone()),
        _ => number(item).map(|value| Quantity::new(value, "1")),
    }
}

/// What two values are when seen as values of one type.
enum Pair {
    /// Comparable, and this is the order; `None` leaves it open.
    Ordered(Option<Ordering>),
    /// Not values of one type.
    Different,
}

fn pair(left: &Item<'_>, right: &Item<'_>) -> Pair {
    let order = match (left, right) {
        (Item::Integer(left), Item::Integer(right)) => Some(left.cmp(right)),
        (Item::String(left), Item::String(right)) => Some(left.cmp(right)),
        (Item::Time(left), Item::Time(right)) => left.compare(*right),
        _ => {
            if let (Some(left), Some(right)) = (number(left), number(right)) {
                Some(left.cmp(&right))
            } else if let (Some(left), Some(right)) = (moment(left), moment(right)) {
                left.compare(right)
            } else if let (Some(left), Some(right)) = (as_quantity(left), as_quantity(right)) {
                left.compare(&right)
            } else {
                return Pair::Different;
            }
        }
    };
    Pair::Ordered(order)
}

/// `<` and its kin: the order of two items, `None` if precision, zones or units leave it open.
pub(crate) fn order(left: &Item<'_>, right: &Item<'_>, operation: &'static str) -> Result<Option<Ordering>, PathError> {
    let (left, right) = (left.atom(), right.atom());
    match pair(&left, &right) {
        Pair::Ordered(order) => Ok(order),
        Pair::Different => Err(types_error(operation, &left, &right)),
    }
}

impl<'d> Evaluator<'_, 'd> {
    /// `=` of two items.
    pub(crate) fn equal(&mut self, left: &Item<'d>, right: &Item<'d>) -> Result<Option<bool>, PathError> {
        self.tick(1)?;
        let (left, right) = (left.atom(), right.atom());
        if let (Item::String(left), Item::String(right)) = (&*left, &*right) {
            self.tick(left.len().min(right.len()) / 64)?;
        }
        Ok(match (&*left, &*right) {
            (Item::Boolean(left), Item::Boolean(right)) => Some(left == right),
            (Item::Type { namespace, name }, Item::Type { namespace: other_namespace, name: other }) => {
                Some(namespace == other_namespace && name == other)
            }
            (Item::Node(left), Item::Node(right)) => {
                let values = match (left.value, right.value) {
                    (Some(left), Some(right)) => self.deep_equal(left, right)?,
                    (left, right) => left.is_none() && right.is_none(),
                };
                let beside = match (left.extension, right.extension) {
                    (Some(left), Some(right)) => self.deep_equal(left, right)?,
                    (left, right) => left.is_none() && right.is_none(),
                };
                Some(values && beside)
            }
            (left, right) => match pair(left, right) {
                Pair::Ordered(order) => order.map(|order| order == Ordering::Equal),
                Pair::Different => Some(false),
            },
        })
    }

    /// `~` of two items.
    pub(crate) fn equivalent(&mut self, left: &Item<'d>, right: &Item<'d>) -> Result<bool, PathError> {
        self.tick(1)?;
        let (left, right) = (left.atom(), right.atom());
        match (&*left, &*right) {
            (Item::String(left), Item::String(right)) => {
                self.tick((left.len() + right.len()) / 64)?;
                Ok(text_equivalent(left, right))
            }
            (Item::Node(left), Item::Node(right)) => match (left.value, right.value) {
                (Some(left), Some(right)) => self.deep_equivalent(left, right),
                (left, right) => Ok(left.is_none() && right.is_none()),
            },
            (left, right) => {
                if let (Some(left), Some(right)) = (number(left), number(right)) {
                    return Ok(quantity::equivalent(left, right));
                }
                if let (Some(left), Some(right)) = (as_quantity(left), as_quantity(right)) {
                    return Ok(left.equivalent(&right));
                }
                Ok(self.equal(left, right)? == Some(true))
            }
        }
    }

    /// `=` of collections: same length, equal pairwise in order.
    pub(crate) fn collections_equal(&mut self, left: &[Item<'d>], right: &[Item<'d>]) -> Result<Option<bool>, PathError> {
        if left.is_empty() || right.is_empty() {
            return Ok(None);
        }
        if left.len() != right.len() {
            return Ok(Some(false));
        }
        let mut open = false;
        for (left, right) in left.iter().zip(right) {
            match self.equal(left, right)? {
                Some(true) => {}
                Some(false) => return Ok(Some(false)),
                None => open = true,
            }
        }
        Ok((!open).then_some(true))
    }

    /// `~` of collections: same length, equivalent in any order.
    pub(crate) fn collections_equivalent(&mut self, left: &[Item<'d>], right: &[Item<'d>]) -> Result<bool, PathError> {
        if left.len() != right.len() {
            return Ok(false);
        }
        let mut taken = vec![false; right.len()];
        for item in left {
            let mut found = false;
            for (at, candidate) in right.iter().enumerate() {
                if !taken[at] && self.equivalent(item, candidate)? {
                    taken[at] = true;
                    found = true;
                    break;
                }
            }
            if !found {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether `items` holds an item equal to `item`.
    pub(crate) fn holds(&mut self, items: &[Item<'d>], item: &Item<'d>) -> Result<bool, PathError> {
        for candidate in items {
            if self.equal(candidate, item)? == Some(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn deep_equal(&mut self, left: Value<'d>, right: Value<'d>) -> Result<bool, PathError> {
        self.tick(1)?;
        if left.kind() != right.kind() {
            return Ok(false);
        }
        Ok(match left.kind() {
            Kind::Null => true,
            Kind::Bool => left.as_bool() == right.as_bool(),
            Kind::String => {
                self.tick(left.raw().len().min(right.raw().len()) / 64)?;
                left.as_str() == right.as_str()
            }
            Kind::Number => numbers_equal(left, right),
            Kind::Array => {
                if left.len() != right.len() {
                    return Ok(false);
                }
                for (left, right) in left.items().zip(right.items()) {
                    if !self.deep_equal(left, right)? {
                        return Ok(false);
                    }
                }
                true
            }
            Kind::Object => {
                if left.len() != right.len() {
                    return Ok(false);
                }
                for (key, value) in left.entries() {
                    self.tick(1 + right.len() / 32)?;
                    match right.get(key) {
                        Some(other) if self.deep_equal(value, other)? => {}
                        _ => return Ok(false),
                    }
                }
                true
            }
        })
    }

    /// As [`Self::deep_equal`], but texts by `~`, arrays in any order, numbers to the smaller precision.
    fn deep_equivalent(&mut self, left: Value<'d>, right: Value<'d>) -> Result<bool, PathError> {
        self.tick(1)?;
        if left.kind() != right.kind() {
            return Ok(false);
        }
        match left.kind() {
            Kind::String => {
                self.tick((left.raw().len() + right.raw().len()) / 64)?;
                Ok(text_equivalent(left.as_str().unwrap_or_default(), right.as_str().unwrap_or_default()))
            }
            Kind::Number => {
                let decimal = |value: Value<'d>| value.as_number().and_then(Decimal::parse);
                Ok(matches!((decimal(left), decimal(right)), (Some(left), Some(right)) if quantity::equivalent(left, right)))
            }
            Kind::Array => {
                if left.len() != right.len() {
                    return Ok(false);
                }
                self.tick(right.len() / 16)?;
                let mut open: Vec<Value<'d>> = right.items().collect();
                for item in left.items() {
                    let mut found = None;
                    for (at, candidate) in open.iter().enumerate() {
                        if self.deep_equivalent(item, *candidate)? {
                            found = Some(at);
                            break;
                        }
                    }
                    match found {
                        Some(at) => drop(open.swap_remove(at)),
                        None => return Ok(false),
                    }
                }
                Ok(true)
            }
            Kind::Object => {
                if left.len() != right.len() {
                    return Ok(false);
                }
                for (key, value) in left.entries() {
                    self.tick(1 + right.len() / 32)?;
                    match right.get(key) {
                        Some(other) if self.deep_equivalent(value, other)? => {}
                        _ => return Ok(false),
                    }
                }
                Ok(true)
            }
            _ => self.deep_equal(left, right),
        }
    }
}

fn numbers_equal(left: Value<'_>, right: Value<'_>) -> bool {
    let (left, right) = (left.as_number().unwrap_or_default(), right.as_number().unwrap_or_default());
    left == right || matches!((Decimal::parse(left), Decimal::parse(right)), (Some(left), Some(right)) if left == right)
}

/// Case does not count, and white space of any kind and length is one blank.
fn text_equivalent(left: &str, right: &str) -> bool {
    fn words(text: &str) -> impl Iterator<Item = char> {
        let mut blank = false;
        text.trim().chars().filter_map(move |letter| {
            if letter.is_whitespace() {
                let first = !blank;
                blank = true;
                return first.then_some(' ');
            }
            blank = false;
            Some(letter)
        })
    }
    words(left).flat_map(char::to_lowercase).eq(words(right).flat_map(char::to_lowercase))
}
