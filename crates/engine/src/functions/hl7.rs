//! HL7 v2 in SQL: values by path, timestamps, escapes.

use std::sync::Arc;

use arrow::{
    array::StringViewBuilder,
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::{Result, plan_err},
    logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};
use sutura_hl7v2::{Delimiters, Message, Path, State, escape, timestamp};

use super::args::{TextArg, result, text_rows};
use crate::EngineError;

pub(super) fn all() -> impl Iterator<Item = ScalarUDF> {
    [Kind::Value, Kind::Timestamp, Kind::Unescape]
        .into_iter()
        .map(|kind| ScalarUDF::from(Hl7Function { kind, signature: Signature::variadic_any(Volatility::Immutable) }))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Value,
    Timestamp,
    Unescape,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Hl7Function {
    kind: Kind,
    signature: Signature,
}

impl ScalarUDFImpl for Hl7Function {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Value => "hl7",
            Kind::Timestamp => "hl7_timestamp",
            Kind::Unescape => "hl7_unescape",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        match (self.kind, args.arg_fields.len()) {
            (Kind::Value, 2) => {
                if let Some(Some(Some(path))) = args.scalar_arguments.get(1).map(|path| path.map(|path| path.try_as_str().flatten())) {
                    Path::parse(path).or_else(|error| plan_err!("hl7: {error}"))?;
                }
            }
            (Kind::Timestamp | Kind::Unescape, 1) => {}
            (Kind::Value, _) => return plan_err!("hl7 takes a message and a path: hl7(message, 'PID-5.1')"),
            (Kind::Timestamp | Kind::Unescape, _) => return plan_err!("{} takes one text", self.name()),
        }
        Ok(Arc::new(Field::new(self.name(), DataType::Utf8View, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let values = args.args.iter().map(TextArg::of).collect::<Result<Vec<_>>>()?;
        let scalar = values.iter().all(|value| matches!(value, TextArg::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let made = match (self.kind, values.as_slice()) {
            (Kind::Value, [messages, paths]) => values_by_path(messages, paths, rows)?,
            (Kind::Timestamp, [texts]) => {
                let mut iso = Vec::with_capacity(40);
                text_rows(rows, |row, out| {
                    iso.clear();
                    let valid = texts.get(row).is_some_and(|text| timestamp::write_iso(text.trim().as_bytes(), &mut iso));
                    out.push_str(std::str::from_utf8(&iso).unwrap_or_default());
                    Ok(valid)
                })?
            }
            (Kind::Unescape, [texts]) => {
                let mut builder = StringViewBuilder::with_capacity(rows);
                for row in 0..rows {
                    builder.append_option(texts.get(row).map(|text| escape::unescape(text, &Delimiters::STANDARD)));
                }
                Arc::new(builder.finish())
            }
            _ => return plan_err!("{} was called with the wrong number of arguments", self.name()),
        };
        result(made, scalar)
    }
}

/// A text that is no message gives null, as an absent field does.
fn values_by_path(messages: &TextArg, paths: &TextArg, rows: usize) -> Result<arrow::array::ArrayRef> {
    let parse = |text: &str| Path::parse(text).map_err(|error| EngineError::Function { name: "hl7".to_owned(), reason: error.to_string() });
    let fixed = match paths {
        TextArg::Scalar(Some(path)) => Some(parse(path)?),
        _ => None,
    };
    let mut builder = StringViewBuilder::with_capacity(rows);
    for row in 0..rows {
        let own = match (&fixed, paths.get(row)) {
            (None, Some(path)) => Some(parse(path)?),
            _ => None,
        };
        let part = match (fixed.as_ref().or(own.as_ref()), messages.get(row)) {
            (Some(path), Some(text)) => Message::parse(text).ok().and_then(|message| message.get(path)),
            _ => None,
        };
        match part {
            None => builder.append_null(),
            Some(part) => match part.state() {
                State::Absent => builder.append_null(),
                State::Null => builder.append_value(""),
                State::Value => builder.append_value(part.text()),
            },
        }
    }
    Ok(Arc::new(builder.finish()))
}
