//! `toX()` and `convertsToX()`.

use smallvec::smallvec;

use super::{
    Collection, DateTime, Decimal, Function, Item, PathError, Quantity, Time,
    eval::{Call, Evaluator},
    operators::single,
};

impl<'d> Evaluator<'_, 'd> {
    /// `toX()`: empty if the value does not convert.
    pub(crate) fn convert(&mut self, call: &Call<'_, 'd>) -> Result<Collection<'d>, PathError> {
        let name = call.function.name();
        let Some(item) = single(&call.input, name)? else { return Ok(Collection::new()) };
        let converted = converted(&item.atom(), call.function);
        let Some(Item::Quantity(quantity)) = &converted else { return Ok(converted.into_iter().collect()) };
        // `toQuantity('kg')` also converts the unit.
        let Some(argument) = call.arguments.first() else { return Ok(converted.into_iter().collect()) };
        let unit = super::operators::text(&self.scoped(argument, call.frame)?, name)?;
        Ok(unit.and_then(|unit| quantity.to_unit(&unit)).map(|quantity| Item::Quantity(Box::new(quantity))).into_iter().collect())
    }

    /// `convertsToX()`: whether [`Self::convert`] would give a value.
    pub(crate) fn converts(&mut self, call: &Call<'_, 'd>) -> Result<Collection<'d>, PathError> {
        let target = match call.function {
            Function::ConvertsToBoolean => Function::ToBoolean,
            Function::ConvertsToInteger => Function::ToInteger,
            Function::ConvertsToLong => Function::ToLong,
            Function::ConvertsToDecimal => Function::ToDecimal,
            Function::ConvertsToDate => Function::ToDate,
            Function::ConvertsToDateTime => Function::ToDateTime,
            Function::ConvertsToTime => Function::ToTime,
            Function::ConvertsToQuantity => Function::ToQuantity,
            _ => Function::ToString,
        };
        if call.input.is_empty() {
            return Ok(Collection::new());
        }
        let call = Call { function: target, input: call.input.clone(), ..*call };
        Ok(smallvec![Item::Boolean(!self.convert(&call)?.is_empty())])
    }
}

fn converted<'d>(item: &Item<'d>, target: Function) -> Option<Item<'d>> {
    Some(match target {
        Function::ToBoolean => Item::Boolean(match item {
            Item::Boolean(value) => *value,
            Item::Integer(1) => true,
            Item::Integer(0) => false,
            Item::Decimal(value) if *value == Decimal::from(1) => true,
            Item::Decimal(value) if value.is_zero() => false,
            Item::String(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "t" | "yes" | "y" | "1" | "1.0" => true,
                "false" | "f" | "no" | "n" | "0" | "0.0" => false,
                _ => return None,
            },
            _ => return None,
        }),
        Function::ToInteger | Function::ToLong => Item::Integer(match item {
            Item::Integer(value) => *value,
            Item::Boolean(value) => i64::from(*value),
            Item::String(text) => text.parse().ok().filter(|_| !text.is_empty())?,
            _ => return None,
        }),
        Function::ToDecimal => Item::Decimal(match item {
            Item::Integer(value) => Decimal::from(*value),
            Item::Decimal(value) => *value,
            Item::Boolean(value) => Decimal::new(i128::from(*value) * 10, 1),
            Item::String(text) if !text.contains(['e', 'E']) => Decimal::parse(text)?,
            _ => return None,
        }),
        Function::ToDate => Item::Date(match item {
            Item::Date(date) => *date,
            Item::DateTime(moment) => moment.date(),
            Item::String(text) => DateTime::parse(text)?.date(),
            _ => return None,
        }),
        Function::ToDateTime => Item::DateTime(match item {
            Item::Date(date) => DateTime::from(*date),
            Item::DateTime(moment) => *moment,
            Item::String(text) => DateTime::parse(text)?,
            _ => return None,
        }),
        Function::ToTime => Item::Time(match item {
            Item::Time(time) => *time,
            Item::String(text) => Time::parse(text)?,
            _ => return None,
        }),
        Function::ToQuantity => Item::Quantity(match item {
            Item::Quantity(quantity) => quantity.clone(),
            Item::Integer(value) => Box::new(Quantity::new(Decimal::from(*value), "1")),
            Item::Decimal(value) => Box::new(Quantity::new(*value, "1")),
            Item::Boolean(value) => Box::new(Quantity::new(Decimal::new(i128::from(*value) * 10, 1), "1")),
            Item::String(text) => Box::new(Quantity::parse(text)?),
            _ => return None,
        }),
        _ => Item::String(item.to_text()?),
    })
}
