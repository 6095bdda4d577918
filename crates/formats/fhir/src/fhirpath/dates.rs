//! Functions of dates and times: arithmetic, boundaries, precision, components.

use super::{
    Collection, Date, DateTime, Function, Item, PathError,
    eval::{Call, Evaluator},
    moment::Calendar,
    operators::{self, single, text, type_error},
};

/// A date or time plus or minus a quantity. Units above seconds count whole (`7.7 days` are 7 days).
pub(crate) fn shift<'d>(moment: &Item<'d>, amount: &super::Quantity, subtract: bool) -> Result<Option<Item<'d>>, PathError> {
    let Some(unit) = amount.calendar_unit() else {
        return Err(PathError::Type {
            operation: if subtract { "-" } else { "+" },
            found: "a date and a unit that is no calendar unit".into(),
        });
    };
    // A fraction of a second is counted in milliseconds.
    let (value, unit) = match unit {
        Calendar::Second if amount.value().to_integer().is_none() => {
            (amount.value().multiply(super::Decimal::from(1000)), Calendar::Millisecond)
        }
        unit => (Some(amount.value()), unit),
    };
    let Some(whole) = value.and_then(super::Decimal::whole).and_then(|whole| i64::try_from(whole).ok()) else { return Ok(None) };
    let Some(whole) = (if subtract { whole.checked_neg() } else { Some(whole) }) else { return Ok(None) };
    Ok(match moment {
        Item::Date(date) => date.add(whole, unit).map(Item::Date),
        Item::DateTime(moment) => moment.add(i128::from(whole), unit).map(Item::DateTime),
        Item::Time(time) => time.add(i128::from(whole), unit).map(Item::Time),
        _ => None,
    })
}

impl<'d> Evaluator<'_, 'd> {
    /// The functions of this file.
    pub(crate) fn date_function(&mut self, call: &Call<'_, 'd>) -> Result<Collection<'d>, PathError> {
        let name = call.function.name();
        match call.function {
            Function::Now => return Ok(one(Item::DateTime(self.context.fixed_now()))),
            Function::Today => return Ok(one(Item::Date(self.today()))),
            Function::TimeOfDay => return Ok(self.context.fixed_now().time().map(Item::Time).into_iter().collect()),
            _ => {}
        }
        let Some(item) = single(&call.input, name)? else { return Ok(Collection::new()) };
        let item = item.atom().into_owned();
        let result = match call.function {
            Function::LowBoundary | Function::HighBoundary => {
                let high = call.function == Function::HighBoundary;
                let wanted = match call.arguments.first() {
                    Some(argument) => match operators::integer(&self.scoped(argument, call.frame)?, name)? {
                        Some(wanted) => Some(wanted),
                        None => return Ok(Collection::new()),
                    },
                    None => None,
                };
                boundary(&item, high, wanted, name)?
            }
            Function::Precision => Some(Item::Integer(match &item {
                Item::Integer(_) => 0,
                Item::Decimal(value) => i64::from(value.scale()),
                Item::Date(date) => date.precision(),
                Item::DateTime(moment) => moment.precision(),
                Item::Time(time) => time.precision(),
                other => return Err(type_error(name, other)),
            })),
            Function::Difference | Function::Duration => {
                let [other, unit] = call.arguments else { return Ok(Collection::new()) };
                let other = self.scoped(other, call.frame)?;
                let unit = text(&self.scoped(unit, call.frame)?, name)?;
                let (Some(other), Some(unit)) = (single(&other, name)?, unit) else { return Ok(Collection::new()) };
                let Some(unit) = Calendar::of_word(&unit) else { return Ok(Collection::new()) };
                let (from, to) = (as_moment(&item, name)?, as_moment(&other.atom(), name)?);
                from.units_until(to, unit, call.function == Function::Difference).map(Item::Integer)
            }
            _ => component(call.function, &item)?,
        };
        Ok(result.into_iter().collect())
    }
}

fn one(item: Item<'_>) -> Collection<'_> {
    std::iter::once(item).collect()
}

/// Times are moments of one day.
fn as_moment(item: &Item<'_>, name: &'static str) -> Result<DateTime, PathError> {
    let moment = match item {
        Item::Date(date) => Some(DateTime::from(*date)),
        Item::DateTime(moment) => Some(*moment),
        Item::Time(time) => DateTime::parse(&format!("2000-01-01T{time}")),
        _ => None,
    };
    moment.ok_or_else(|| type_error(name, item))
}

/// `lowBoundary()` and `highBoundary()` of any type; empty where the precision does not exist for the type.
fn boundary<'d>(item: &Item<'d>, high: bool, wanted: Option<i64>, name: &'static str) -> Result<Option<Item<'d>>, PathError> {
    Ok(match item {
        Item::Integer(value) => decimal_boundary((*value).into(), high, wanted).map(Item::Decimal),
        Item::Decimal(value) => decimal_boundary(*value, high, wanted).map(Item::Decimal),
        Item::Quantity(quantity) => {
            decimal_boundary(quantity.value(), high, wanted).map(|value| Item::Quantity(Box::new(quantity.with_value(value))))
        }
        Item::Date(date) => match wanted.unwrap_or(8) {
            wanted @ ..=8 => date.boundary(high, wanted).map(Item::Date),
            wanted => DateTime::from(*date).boundary(high, wanted).map(Item::DateTime),
        },
        Item::DateTime(moment) => moment.boundary(high, wanted.unwrap_or(17)).map(Item::DateTime),
        Item::Time(time) => time.boundary(high, wanted.unwrap_or(9)).map(Item::Time),
        other => return Err(type_error(name, other)),
    })
}

/// Half a unit of the last digit down or up; cut towards zero, rounded away from it. Eight digits unless said otherwise.
fn decimal_boundary(value: super::Decimal, high: bool, wanted: Option<i64>) -> Option<super::Decimal> {
    let wanted = u32::try_from(wanted.unwrap_or(8)).ok().filter(|wanted| *wanted <= 28)?;
    let half = super::Decimal::new(5, value.scale() + 1);
    let bound = if high { value.plus(half)? } else { value.subtract(half)? };
    let away = high != bound.is_negative();
    if away { bound.round(wanted) } else { bound.cut(wanted) }
}

fn component<'d>(function: Function, item: &Item<'d>) -> Result<Option<Item<'d>>, PathError> {
    let (date, time, offset): (Option<Date>, _, _) = match item {
        Item::Date(date) => (Some(*date), None, None),
        Item::DateTime(moment) => (Some(moment.date()), moment.time(), moment.offset_minutes()),
        Item::Time(time) => (None, Some(*time), None),
        other => return Err(type_error(function.name(), other)),
    };
    let integer = |value: Option<i64>| value.map(Item::Integer);
    Ok(match function {
        Function::YearOf => integer(date.map(|date| i64::from(date.year()))),
        Function::MonthOf => integer(date.and_then(Date::month).map(i64::from)),
        Function::DayOf => integer(date.and_then(Date::day).map(i64::from)),
        Function::HourOf => integer(time.map(|time| i64::from(time.hour()))),
        Function::MinuteOf => integer(time.and_then(super::Time::minute).map(i64::from)),
        Function::SecondOf => integer(time.and_then(super::Time::second).map(i64::from)),
        Function::MillisecondOf => integer(time.and_then(super::Time::millisecond).map(i64::from)),
        Function::TimezoneOffsetOf => {
            offset.and_then(|offset| super::Decimal::from(i64::from(offset)).divide(60.into())).map(Item::Decimal)
        }
        Function::DateOf => date.map(Item::Date),
        Function::TimeOf => time.map(Item::Time),
        _ => None,
    })
}
