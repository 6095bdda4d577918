//! Columns of a view: their Arrow types, the cells of a row, and the builders.

use std::{borrow::Cow, sync::Arc};

use arrow::{
    array::{ArrayBuilder, ArrayRef, BooleanBuilder, Decimal128Builder, Float64Builder, Int64Builder, ListArray, StringViewBuilder},
    buffer::OffsetBuffer,
    datatypes::{DataType, Field},
    error::ArrowError,
};

use crate::{
    fhirpath::{Decimal, Item},
    json::{Kind as JsonKind, Value},
};

/// The type of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text: everything that is not one of the others. Dates stay ISO text with their precision.
    Text,
    Boolean,
    Integer,
    Float,
    /// `DECIMAL(precision, scale)`.
    Decimal(u8, i8),
}

/// A value that fits its column.
#[derive(Debug, Clone)]
pub(super) enum Cell<'d> {
    Null,
    Text(&'d str),
    Owned(Box<str>),
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Decimal(i128),
    List(Vec<Cell<'d>>),
}

impl Cell<'_> {
    /// The bytes that a column has to hold for it, beyond what every row takes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Owned(text) => text.len(),
            Self::List(cells) => cells.iter().map(Self::held).sum(),
            _ => 0,
        }
    }

    /// The bytes that it takes here or in its column, whichever is more.
    pub(super) fn held(&self) -> usize {
        size_of::<Self>() + self.bytes()
    }
}

impl Kind {
    /// The kind of a FHIR or System type.
    pub(super) fn of_type(name: &str) -> Self {
        match name {
            "boolean" | "Boolean" => Self::Boolean,
            "integer" | "positiveInt" | "unsignedInt" | "integer64" | "Integer" => Self::Integer,
            "decimal" | "Decimal" => Self::Float,
            _ => Self::Text,
        }
    }

    /// The kind that an `ansi/type` tag asks for; `None` for a type that has no counterpart.
    pub(super) fn of_ansi(tag: &str) -> Option<Self> {
        let upper = tag.trim().to_ascii_uppercase();
        let (name, arguments) = match upper.split_once('(') {
            Some((name, rest)) => (name.trim_end(), rest.trim_end().strip_suffix(')')?.split(',').map(str::trim).collect::<Vec<_>>()),
            None => (upper.as_str(), Vec::new()),
        };
        Some(match name {
            "BOOLEAN" => Self::Boolean,
            "SMALLINT" | "INTEGER" | "INT" | "BIGINT" => Self::Integer,
            "REAL" | "FLOAT" | "DOUBLE" | "DOUBLE PRECISION" => Self::Float,
            "DECIMAL" | "NUMERIC" => {
                let precision = arguments.first().map_or(Some(38), |digits| digits.parse().ok())?;
                let scale = arguments.get(1).map_or(Some(if arguments.is_empty() { 9 } else { 0 }), |digits| digits.parse().ok())?;
                if !(1..=38).contains(&precision) || scale < 0 || scale as u8 > precision {
                    return None;
                }
                Self::Decimal(precision, scale)
            }
            "CHARACTER"
            | "CHARACTER VARYING"
            | "CHAR"
            | "VARCHAR"
            | "TEXT"
            | "STRING"
            | "DATE"
            | "TIME"
            | "TIMESTAMP"
            | "TIMESTAMP WITH TIME ZONE"
            | "CHARACTER LARGE OBJECT" => Self::Text,
            _ => return None,
        })
    }

    pub(super) fn data_type(self, list: bool) -> DataType {
        let one = match self {
            Self::Text => DataType::Utf8View,
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Decimal(precision, scale) => DataType::Decimal128(precision, scale),
        };
        if list { DataType::List(Arc::new(Field::new_list_field(one, true))) } else { one }
    }

    /// A JSON primitive as a cell; `None` if it does not fit.
    pub(super) fn cell_of_json(self, value: Value<'_>) -> Option<Cell<'_>> {
        match value.kind() {
            JsonKind::String => self.cell_of_text(Cow::Borrowed(value.as_str()?)),
            JsonKind::Number => self.cell_of_digits(value.as_number()?),
            JsonKind::Bool => match (self, value.as_bool()?) {
                (Self::Boolean, value) => Some(Cell::Boolean(value)),
                (Self::Text, value) => Some(Cell::Text(if value { "true" } else { "false" })),
                _ => None,
            },
            _ => None,
        }
    }

    fn cell_of_digits(self, digits: &str) -> Option<Cell<'_>> {
        Some(match self {
            Self::Text => Cell::Text(digits),
            Self::Integer => Cell::Integer(match digits.parse() {
                Ok(value) => value,
                Err(_) => Decimal::parse(digits)?.to_integer()?,
            }),
            // A number beyond the floats does not fit.
            Self::Float => Cell::Float(digits.parse().ok().filter(|number: &f64| number.is_finite())?),
            Self::Decimal(precision, scale) => Cell::Decimal(scaled(Decimal::parse(digits)?, precision, scale)?),
            Self::Boolean => return None,
        })
    }

    fn cell_of_text(self, text: Cow<'_, str>) -> Option<Cell<'_>> {
        match (self, text) {
            (Self::Text, Cow::Borrowed(text)) => Some(Cell::Text(text)),
            (Self::Text, Cow::Owned(text)) => Some(Cell::Owned(text.into())),
            _ => None,
        }
    }

    /// An item as a cell; `None` if it does not fit.
    pub(super) fn cell_of_item<'d>(self, item: &Item<'d>) -> Option<Cell<'d>> {
        match (self, item) {
            (_, Item::Node(node)) => match node.value {
                Some(value) => self.cell_of_json(value),
                None => Some(Cell::Null),
            },
            (Self::Boolean, Item::Boolean(value)) => Some(Cell::Boolean(*value)),
            (Self::Integer, Item::Integer(value)) => Some(Cell::Integer(*value)),
            (Self::Integer, Item::Decimal(value)) => value.to_integer().map(Cell::Integer),
            (Self::Float, Item::Integer(value)) => Some(Cell::Float(*value as f64)),
            (Self::Float, Item::Decimal(value)) => Some(Cell::Float(value.to_f64())),
            (Self::Decimal(precision, scale), Item::Decimal(value)) => scaled(*value, precision, scale).map(Cell::Decimal),
            (Self::Decimal(precision, scale), Item::Integer(value)) => scaled((*value).into(), precision, scale).map(Cell::Decimal),
            (Self::Text, item) => self.cell_of_text(item.to_text()?),
            _ => None,
        }
    }

    pub(super) fn builder(self, list: bool) -> Builder {
        let one = match self {
            Self::Text => Builder::Text(StringViewBuilder::new().with_fixed_block_size(256 * 1024)),
            Self::Boolean => Builder::Boolean(BooleanBuilder::new()),
            Self::Integer => Builder::Integer(Int64Builder::new()),
            Self::Float => Builder::Float(Float64Builder::new()),
            Self::Decimal(precision, scale) => {
                Builder::Decimal(Decimal128Builder::new().with_data_type(DataType::Decimal128(precision, scale)))
            }
        };
        if list { Builder::List { offsets: vec![0], values: Box::new(one), kind: self } } else { one }
    }
}

/// The number with exactly `scale` digits; `None` if digits would be lost on the left.
fn scaled(value: Decimal, precision: u8, scale: i8) -> Option<i128> {
    let mantissa = value.round(scale.unsigned_abs().into())?.mantissa();
    let most = 10_i128.checked_pow(precision.into())?;
    (mantissa.abs() < most).then_some(mantissa)
}

/// The builder of one column.
#[derive(Debug)]
pub(super) enum Builder {
    Text(StringViewBuilder),
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Float(Float64Builder),
    Decimal(Decimal128Builder),
    List { offsets: Vec<i32>, values: Box<Builder>, kind: Kind },
}

impl Builder {
    /// Appends a cell of the builder's kind; any other cell is a null.
    pub(super) fn append(&mut self, cell: &Cell<'_>) {
        match (self, cell) {
            (Self::Text(builder), Cell::Text(text)) => builder.append_value(text),
            (Self::Text(builder), Cell::Owned(text)) => builder.append_value(text),
            (Self::Text(builder), _) => builder.append_null(),
            (Self::Boolean(builder), Cell::Boolean(value)) => builder.append_value(*value),
            (Self::Boolean(builder), _) => builder.append_null(),
            (Self::Integer(builder), Cell::Integer(value)) => builder.append_value(*value),
            (Self::Integer(builder), _) => builder.append_null(),
            (Self::Float(builder), Cell::Float(value)) => builder.append_value(*value),
            (Self::Float(builder), _) => builder.append_null(),
            (Self::Decimal(builder), Cell::Decimal(value)) => builder.append_value(*value),
            (Self::Decimal(builder), _) => builder.append_null(),
            (Self::List { offsets, values, .. }, cell) => {
                if let Cell::List(cells) = cell {
                    for cell in cells {
                        values.append(cell);
                    }
                }
                offsets.push(values.len() as i32);
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(builder) => builder.len(),
            Self::Boolean(builder) => builder.len(),
            Self::Integer(builder) => builder.len(),
            Self::Float(builder) => builder.len(),
            Self::Decimal(builder) => builder.len(),
            Self::List { offsets, .. } => offsets.len() - 1,
        }
    }

    /// The values so far as an array; the builder starts again.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Float(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder) => Arc::new(builder.finish()),
            Self::List { offsets, values, kind } => {
                let field = Arc::new(Field::new_list_field(kind.data_type(false), true));
                let offsets = OffsetBuffer::new(std::mem::replace(offsets, vec![0]).into());
                Arc::new(ListArray::try_new(field, offsets, values.finish()?, None)?)
            }
        })
    }
}
