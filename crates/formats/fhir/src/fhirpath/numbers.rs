//! Functions of numbers.

use super::{
    Collection, Decimal, Function, Item, PathError,
    eval::{Call, Evaluator},
    operators::{single, type_error},
};

impl<'d> Evaluator<'_, 'd> {
    /// The functions of this file. What is not defined (the root of a negative number) is empty.
    pub(crate) fn number_function(&mut self, call: &Call<'_, 'd>) -> Result<Collection<'d>, PathError> {
        let name = call.function.name();
        let Some(item) = single(&call.input, name)? else { return Ok(Collection::new()) };
        let item = item.atom().into_owned();
        let (value, whole) = match &item {
            Item::Integer(value) => (Decimal::from(*value), Some(*value)),
            Item::Decimal(value) => (*value, None),
            Item::Quantity(quantity) => (quantity.value(), None),
            other => return Err(type_error(name, other)),
        };
        let argument = match call.arguments.first() {
            None => None,
            Some(tree) => {
                let argument = self.scoped(tree, call.frame)?;
                match single(&argument, name)?.map(|item| item.atom().into_owned()) {
                    Some(argument @ (Item::Integer(_) | Item::Decimal(_))) => Some(argument),
                    Some(other) => return Err(type_error(name, &other)),
                    None => return Ok(Collection::new()),
                }
            }
        };
        let number = |item: &Item<'_>| match item {
            Item::Integer(value) => Decimal::from(*value),
            Item::Decimal(value) => *value,
            _ => Decimal::ZERO,
        };
        let float = |result: f64| Decimal::from_f64(result).map(Item::Decimal);
        let integer = |result: Option<i128>| result.and_then(|whole| i64::try_from(whole).ok()).map(Item::Integer);
        let result = match call.function {
            Function::Abs => match &item {
                Item::Integer(value) => value.checked_abs().map(Item::Integer),
                Item::Quantity(quantity) => value.abs().map(|value| Item::Quantity(Box::new(quantity.with_value(value)))),
                _ => value.abs().map(Item::Decimal),
            },
            Function::Ceiling => integer(value.ceiling()),
            Function::Floor => integer(value.floor()),
            Function::Truncate => integer(value.whole()),
            Function::Round => {
                let digits = match &argument {
                    Some(Item::Integer(digits)) => match u32::try_from(*digits) {
                        Ok(digits) => digits,
                        Err(_) => return Err(PathError::Type { operation: name, found: "a negative precision".into() }),
                    },
                    Some(other) => return Err(type_error(name, other)),
                    None => 0,
                };
                let rounded = value.round(digits.min(value.scale()));
                match (&item, whole) {
                    (_, Some(whole)) => Some(Item::Integer(whole)),
                    (Item::Quantity(quantity), _) => rounded.map(|value| Item::Quantity(Box::new(quantity.with_value(value)))),
                    _ => rounded.map(Item::Decimal),
                }
            }
            Function::Sqrt => (!value.is_negative()).then(|| float(value.to_f64().sqrt())).flatten(),
            Function::Exp => float(value.to_f64().exp()),
            Function::Ln => (!value.is_negative() && !value.is_zero()).then(|| float(value.to_f64().ln())).flatten(),
            Function::Log => {
                let base = argument.as_ref().map_or(f64::NAN, |base| number(base).to_f64());
                let value = value.to_f64();
                // The exact functions for the two usual bases: 1000.log(10) is 3, not 2.9999999999999996.
                let is = |wanted: f64| (base - wanted).abs() < f64::EPSILON;
                let result = if is(10.0) {
                    value.log10()
                } else if is(2.0) {
                    value.log2()
                } else {
                    value.ln() / base.ln()
                };
                (value > 0.0 && base > 0.0 && !is(1.0)).then(|| float(result)).flatten()
            }
            Function::Power => match (&argument, whole) {
                (Some(Item::Integer(exponent)), Some(base)) if *exponent >= 0 => {
                    u32::try_from(*exponent).ok().and_then(|exponent| base.checked_pow(exponent)).map(Item::Integer)
                }
                (Some(Item::Integer(exponent)), _) if (0..=64).contains(exponent) => {
                    (0..*exponent).try_fold(Decimal::from(1), |product, _| product.multiply(value)).map(Item::Decimal)
                }
                (Some(exponent), _) => float(value.to_f64().powf(number(exponent).to_f64())),
                (None, _) => None,
            },
            _ => None,
        };
        Ok(result.into_iter().collect())
    }
}
