//! Operators over collections: singletons, three-valued logic, arithmetic.

use std::{borrow::Cow, cmp::Ordering};

use smallvec::smallvec;

use super::{Collection, Decimal, Item, Operator, PathError, Quantity, compare, dates, eval::Evaluator};
use crate::json::Kind;

/// The type error of an operator or function.
pub(crate) fn type_error(operation: &'static str, item: &Item<'_>) -> PathError {
    if is_long_number(item) {
        return PathError::NumberTooLong(operation);
    }
    PathError::Type { operation, found: item.type_name().into() }
}

/// The type error of an operator between two values.
pub(crate) fn types_error(operation: &'static str, left: &Item<'_>, right: &Item<'_>) -> PathError {
    if is_long_number(left) || is_long_number(right) {
        return PathError::NumberTooLong(operation);
    }
    PathError::Type { operation, found: format!("{} and {}", left.type_name(), right.type_name()).into() }
}

/// Whether it stayed a node though it is a number, because the number does not fit.
fn is_long_number(item: &Item<'_>) -> bool {
    matches!(item, Item::Node(node) if node.value.is_some_and(|value| value.kind() == Kind::Number) && node.atom().is_none())
}

/// The only item, `None` if there is none.
pub(crate) fn single<'f, 'd>(items: &'f [Item<'d>], operation: &'static str) -> Result<Option<&'f Item<'d>>, PathError> {
    match items {
        [] => Ok(None),
        [item] => Ok(Some(item)),
        _ => Err(PathError::NotSingleton(operation)),
    }
}

/// A truth value: a Boolean as it is, any other single item is true.
pub(crate) fn truth(items: &[Item<'_>], operation: &'static str) -> Result<Option<bool>, PathError> {
    Ok(single(items, operation)?.map(|item| match &*item.atom() {
        Item::Boolean(value) => *value,
        _ => true,
    }))
}

/// An integer argument.
pub(crate) fn integer(items: &[Item<'_>], operation: &'static str) -> Result<Option<i64>, PathError> {
    match single(items, operation)? {
        None => Ok(None),
        Some(item) => match &*item.atom() {
            Item::Integer(value) => Ok(Some(*value)),
            other => Err(type_error(operation, other)),
        },
    }
}

/// A text argument or input.
pub(crate) fn text<'d>(items: &[Item<'d>], operation: &'static str) -> Result<Option<Cow<'d, str>>, PathError> {
    match single(items, operation)? {
        None => Ok(None),
        Some(item) => match item.atom().into_owned() {
            Item::String(value) => Ok(Some(value)),
            // A primitive that has extensions only.
            Item::Node(node) if node.value.is_none() => Ok(None),
            other => Err(type_error(operation, &other)),
        },
    }
}

fn boolean<'d>(value: Option<bool>) -> Collection<'d> {
    value.map(Item::Boolean).into_iter().collect()
}

/// The result of a logical operator that its left operand decides.
pub(crate) fn decided(operator: Operator, left: &[Item<'_>]) -> Result<Option<bool>, PathError> {
    Ok(match operator {
        Operator::And if truth(left, "and")? == Some(false) => Some(false),
        Operator::Or if truth(left, "or")? == Some(true) => Some(true),
        Operator::Implies if truth(left, "implies")? == Some(false) => Some(true),
        _ => None,
    })
}

/// `-` and `+` before a number or a quantity.
pub(crate) fn sign<'d>(operand: &[Item<'d>], negative: bool) -> Result<Collection<'d>, PathError> {
    let operation = if negative { "-" } else { "+" };
    let Some(item) = single(operand, operation)? else { return Ok(Collection::new()) };
    let item = item.atom().into_owned();
    let result = match (&item, negative) {
        (Item::Integer(_) | Item::Decimal(_) | Item::Quantity(_), false) => Some(item),
        (Item::Integer(value), true) => value.checked_neg().map(Item::Integer),
        (Item::Decimal(value), true) => value.negate().map(Item::Decimal),
        (Item::Quantity(value), true) => value.value().negate().map(|number| Item::Quantity(Box::new(value.with_value(number)))),
        (other, _) => return Err(type_error(operation, other)),
    };
    Ok(result.into_iter().collect())
}

impl<'d> Evaluator<'_, 'd> {
    /// A binary operator on evaluated operands.
    pub(crate) fn apply(&mut self, operator: Operator, left: Collection<'d>, right: Collection<'d>) -> Result<Collection<'d>, PathError> {
        let name = operator.name();
        Ok(match operator {
            Operator::Equal => boolean(self.collections_equal(&left, &right)?),
            Operator::NotEqual => boolean(self.collections_equal(&left, &right)?.map(|equal| !equal)),
            Operator::Equivalent => boolean(Some(self.collections_equivalent(&left, &right)?)),
            Operator::NotEquivalent => boolean(Some(!self.collections_equivalent(&left, &right)?)),
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
                let (Some(left), Some(right)) = (single(&left, name)?, single(&right, name)?) else { return Ok(Collection::new()) };
                boolean(compare::order(left, right, name)?.map(|order| match operator {
                    Operator::Less => order == Ordering::Less,
                    Operator::LessOrEqual => order != Ordering::Greater,
                    Operator::Greater => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                }))
            }
            Operator::In => self.contained(&left, &right, name)?,
            Operator::Contains => self.contained(&right, &left, name)?,
            Operator::Union => self.union(left, right)?,
            Operator::And => boolean(match (truth(&left, name)?, truth(&right, name)?) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            }),
            Operator::Or => boolean(match (truth(&left, name)?, truth(&right, name)?) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            }),
            Operator::Xor => boolean(match (truth(&left, name)?, truth(&right, name)?) {
                (Some(left), Some(right)) => Some(left != right),
                _ => None,
            }),
            Operator::Implies => boolean(match (truth(&left, name)?, truth(&right, name)?) {
                (Some(false), _) | (_, Some(true)) => Some(true),
                (Some(true), right) => right,
                _ => None,
            }),
            Operator::Concatenate => {
                let (left, right) = (text(&left, name)?.unwrap_or_default(), text(&right, name)?.unwrap_or_default());
                self.check_text(left.len() + right.len())?;
                smallvec![Item::String(Cow::Owned(format!("{left}{right}")))]
            }
            Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Div | Operator::Mod => {
                let (Some(left), Some(right)) = (single(&left, name)?, single(&right, name)?) else { return Ok(Collection::new()) };
                let (left, right) = (left.atom(), right.atom());
                if let (Item::String(left), Item::String(right), Operator::Add) = (&*left, &*right, operator) {
                    self.check_text(left.len() + right.len())?;
                    return Ok(smallvec![Item::String(Cow::Owned(format!("{left}{right}")))]);
                }
                arithmetic(operator, &left, &right)?.into_iter().collect()
            }
        })
    }

    fn contained(&mut self, item: &[Item<'d>], items: &[Item<'d>], name: &'static str) -> Result<Collection<'d>, PathError> {
        match single(item, name)? {
            None => Ok(Collection::new()),
            Some(item) => Ok(boolean(Some(self.holds(items, item)?))),
        }
    }

    /// `|`: both, without duplicates.
    pub(crate) fn union(&mut self, left: Collection<'d>, right: Collection<'d>) -> Result<Collection<'d>, PathError> {
        let mut all = left;
        all.extend(right);
        self.distinct(all)
    }

    /// Without duplicates, in the order of the first ones.
    pub(crate) fn distinct(&mut self, items: Collection<'d>) -> Result<Collection<'d>, PathError> {
        let mut kept = Collection::new();
        for item in items {
            if !self.holds(&kept, &item)? {
                kept.push(item);
            }
        }
        Ok(kept)
    }
}

/// Arithmetic of two single values; overflow and division by zero are empty.
fn arithmetic<'d>(operator: Operator, left: &Item<'d>, right: &Item<'d>) -> Result<Option<Item<'d>>, PathError> {
    use Operator::{Add, Div, Divide, Mod, Multiply, Subtract};
    if let (Item::Integer(left), Item::Integer(right)) = (left, right) {
        let result = match operator {
            Add => left.checked_add(*right),
            Subtract => left.checked_sub(*right),
            Multiply => left.checked_mul(*right),
            Div => left.checked_div(*right),
            Mod => left.checked_rem(*right),
            _ => return Ok(Decimal::from(*left).divide(Decimal::from(*right)).map(Item::Decimal)),
        };
        return Ok(result.map(Item::Integer));
    }
    let number = |item: &Item<'_>| match item {
        Item::Integer(value) => Some(Decimal::from(*value)),
        Item::Decimal(value) => Some(*value),
        _ => None,
    };
    if let (Some(left), Some(right)) = (number(left), number(right)) {
        let result = match operator {
            Add => left.plus(right),
            Subtract => left.subtract(right),
            Multiply => left.multiply(right),
            Div => return Ok(left.divide_whole(right).and_then(Decimal::to_integer).map(Item::Integer)),
            Mod => left.remainder(right),
            _ => left.divide(right),
        };
        return Ok(result.map(Item::Decimal));
    }
    let quantity = |item: &Item<'_>| match item {
        Item::Quantity(value) => Some((**value).clone()),
        _ => number(item).map(|value| Quantity::new(value, "1")),
    };
    match (left, right) {
        (Item::Date(_) | Item::DateTime(_) | Item::Time(_), Item::Quantity(amount)) if matches!(operator, Add | Subtract) => {
            dates::shift(left, amount, operator == Subtract)
        }
        _ => {
            let (Some(left_quantity), Some(right_quantity)) = (quantity(left), quantity(right)) else {
                return Err(types_error(operator.name(), left, right));
            };
            let result = match operator {
                Add | Subtract => left_quantity.add(&right_quantity, operator == Subtract),
                Multiply => left_quantity.multiply(&right_quantity),
                Divide => left_quantity.divide(&right_quantity),
                _ => return Err(type_error(operator.name(), left)),
            };
            Ok(result.map(|quantity| Item::Quantity(Box::new(quantity))))
        }
    }
}
