//! Conditions on rows that a scan may be asked to apply itself.
//!
//! A condition is about one column of one table and a constant. What it means is decided here, once for every format: a row
//! stays when the condition is true; false and unknown (a null compared with anything) both drop it, as in SQL's `where`.
//! Text is compared byte by byte, truth values with false before true. [`Format::pushes`](crate::Format::pushes) says what a
//! format makes of one.

use std::{cmp::Ordering, fmt};

use arrow::datatypes::DataType;

/// What a row of a table has to fulfil in one of its columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// Position of the column in [`TableDef::columns`](crate::TableDef::columns); it need not be among the wanted ones.
    pub column: usize,
    /// What its value has to be.
    pub test: Test,
}

/// What a value has to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// In that relation to a constant.
    Compare(Comparison, Constant),
    /// One of these.
    OneOf(Vec<Constant>),
    /// Null.
    IsNull,
    /// Anything but null.
    IsNotNull,
}

/// A relation of a value to a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A constant in a condition. It comes from a query, which may name a person: `Debug` does not show it.
#[derive(Clone, PartialEq)]
pub enum Constant {
    /// Text.
    Text(Box<str>),
    /// A whole number.
    Integer(i64),
    /// A floating-point number.
    Number(f64),
    /// A truth value.
    Flag(bool),
}

/// What a format makes of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pushed {
    /// Nothing: every row comes out.
    No,
    /// It drops some rows that do not fulfil the condition, and none that does; the caller has to look again.
    Inexact,
    /// Exactly the rows that fulfil the condition come out.
    Exact,
}

impl Comparison {
    /// Whether a value that stands in this order to the constant fulfils it.
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }

    /// The comparison with its sides exchanged.
    #[must_use]
    pub fn flipped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl Test {
    /// How exactly the methods below decide for a column of that type. Floating-point numbers inexactly: SQL engines differ over
    /// the order of NaN and of the two zeros.
    pub fn exactness(&self, column: &DataType) -> Pushed {
        let of = |constant: &Constant| match (constant, column) {
            (Constant::Text(_), DataType::Utf8View | DataType::Utf8 | DataType::LargeUtf8)
            | (Constant::Integer(_), DataType::Int64)
            | (Constant::Flag(_), DataType::Boolean) => Pushed::Exact,
            (Constant::Number(_), DataType::Float64) => Pushed::Inexact,
            _ => Pushed::No,
        };
        match self {
            Self::Compare(_, constant) => of(constant),
            Self::OneOf(constants) => constants.iter().map(of).min().unwrap_or(Pushed::No),
            Self::IsNull | Self::IsNotNull => match column {
                DataType::Utf8View | DataType::Utf8 | DataType::LargeUtf8 | DataType::Int64 | DataType::Boolean | DataType::Float64 => {
                    Pushed::Exact
                }
                _ => Pushed::No,
            },
        }
    }

    /// Whether null stays.
    pub fn null(&self) -> bool {
        matches!(self, Self::IsNull)
    }

    /// Whether a text stays.
    pub fn text(&self, value: &str) -> bool {
        self.decide(|constant| match constant {
            Constant::Text(text) => Some(value.as_bytes().cmp(text.as_bytes())),
            _ => None,
        })
    }

    /// Whether a whole number stays.
    pub fn integer(&self, value: i64) -> bool {
        self.decide(|constant| match constant {
            Constant::Integer(number) => Some(value.cmp(number)),
            _ => None,
        })
    }

    /// Whether a truth value stays.
    pub fn flag(&self, value: bool) -> bool {
        self.decide(|constant| match constant {
            Constant::Flag(flag) => Some(value.cmp(flag)),
            _ => None,
        })
    }

    /// Whether a floating-point number may stay: it does where either of IEEE 754's orders says so.
    pub fn number(&self, value: f64) -> bool {
        let total = |constant: &Constant| match constant {
            Constant::Number(number) => Some(value.total_cmp(number)),
            _ => None,
        };
        let partial = |constant: &Constant| match constant {
            Constant::Number(number) => value.partial_cmp(number),
            _ => None,
        };
        self.decide(total) || self.decide(partial)
    }

    fn decide(&self, order: impl Fn(&Constant) -> Option<Ordering>) -> bool {
        match self {
            Self::Compare(comparison, constant) => order(constant).is_some_and(|order| comparison.holds(order)),
            Self::OneOf(constants) => constants.iter().any(|constant| order(constant).is_some_and(Ordering::is_eq)),
            Self::IsNull => false,
            Self::IsNotNull => true,
        }
    }

    /// The condition as SQL over a column of that name, constants included: for whoever wrote the query.
    pub fn as_sql(&self, column: &str) -> String {
        match self {
            Self::Compare(comparison, constant) => format!("{column} {} {}", comparison.sign(), constant.as_sql()),
            Self::OneOf(constants) => {
                format!("{column} in ({})", constants.iter().map(Constant::as_sql).collect::<Vec<_>>().join(", "))
            }
            Self::IsNull => format!("{column} is null"),
            Self::IsNotNull => format!("{column} is not null"),
        }
    }
}

impl Constant {
    fn as_sql(&self) -> String {
        match self {
            Self::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Self::Integer(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
        }
    }
}

impl fmt::Debug for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(..)",
            Self::Integer(_) => "Integer(..)",
            Self::Number(_) => "Number(..)",
            Self::Flag(_) => "Flag(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(comparison: Comparison, text: &str) -> Test {
        Test::Compare(comparison, Constant::Text(text.into()))
    }

    #[test]
    fn comparisons_are_those_of_sql() {
        let order = [Comparison::Less, Comparison::LessOrEqual, Comparison::Equal, Comparison::GreaterOrEqual, Comparison::Greater];
        let of = |value: &str| order.map(|comparison| text(comparison, "b").text(value));
        assert_eq!(of("a"), [true, true, false, false, false]);
        assert_eq!(of("b"), [false, true, true, true, false]);
        assert_eq!(of("ba"), [false, false, false, true, true]);
        assert!(text(Comparison::NotEqual, "b").text("c") && !text(Comparison::NotEqual, "b").text("b"));
        let five = |comparison| Test::Compare(comparison, Constant::Integer(5));
        assert!(five(Comparison::Less).integer(4) && !five(Comparison::Less).integer(5));
        assert!(Test::Compare(Comparison::Greater, Constant::Flag(false)).flag(true));
        assert!(Test::OneOf(vec![Constant::Text("x".into()), Constant::Text("y".into())]).text("y"));
        for comparison in order {
            assert_eq!(comparison.holds(Ordering::Less), comparison.flipped().holds(Ordering::Greater));
        }
    }

    #[test]
    fn null_is_neither_equal_nor_different() {
        for test in [text(Comparison::Equal, ""), text(Comparison::NotEqual, ""), Test::OneOf(Vec::new()), Test::IsNotNull] {
            assert!(!test.null(), "{test:?}");
        }
        assert!(Test::IsNull.null() && !Test::IsNull.text("") && Test::IsNotNull.integer(0));
    }

    /// Whatever an engine thinks of NaN and -0, no row that it would keep is dropped.
    #[test]
    fn floating_point_keeps_in_doubt() {
        let is = |comparison, constant| Test::Compare(comparison, Constant::Number(constant));
        assert!(is(Comparison::Equal, 0.0).number(-0.0) && is(Comparison::Less, 0.0).number(-0.0));
        assert!(is(Comparison::Greater, 1.0).number(f64::NAN) && is(Comparison::Equal, f64::NAN).number(f64::NAN));
        assert!(!is(Comparison::Greater, 1.0).number(0.5));
        assert_eq!(is(Comparison::Less, 1.0).exactness(&DataType::Float64), Pushed::Inexact);
    }

    #[test]
    fn only_what_has_the_columns_type_is_pushed() {
        assert_eq!(text(Comparison::Equal, "a").exactness(&DataType::Utf8View), Pushed::Exact);
        assert_eq!(text(Comparison::Equal, "a").exactness(&DataType::Int64), Pushed::No);
        assert_eq!(Test::OneOf(vec![Constant::Integer(1), Constant::Text("a".into())]).exactness(&DataType::Int64), Pushed::No);
        assert_eq!(Test::IsNull.exactness(&DataType::Decimal128(9, 2)), Pushed::No);
    }

    #[test]
    fn constants_show_in_sql_and_nowhere_else() {
        let test = text(Comparison::GreaterOrEqual, "O'Brien");
        assert_eq!(test.as_sql("family"), "family >= 'O''Brien'");
        assert!(!format!("{test:?}").contains("Brien"));
    }
}
