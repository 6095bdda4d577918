//! `scrub(text [, patient [, known, ...]])`: free text as the session's policy treats it.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::{
    common::{Result, plan_err},
    logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};
use sutura_core::{ColumnMeta, PhiClass};
use sutura_privacy::Method;

use super::{
    args::{TextArg, result, text_rows},
    known::KnownColumns,
};
use crate::{
    EngineError, lineage,
    policy::{BoundPolicy, NO_POLICY},
};

const NAME: &str = "scrub";

pub(super) fn udf(policy: Option<&Arc<BoundPolicy>>) -> ScalarUDF {
    ScalarUDF::from(ScrubFunction { policy: policy.cloned(), signature: Signature::variadic_any(Volatility::Stable) })
}

#[derive(Debug)]
pub(super) struct ScrubFunction {
    policy: Option<Arc<BoundPolicy>>,
    signature: Signature,
}

impl ScrubFunction {
    /// The rules are made for text with words around what identifies: a name alone in a column is not taken for one. So only free text counts as treated.
    pub(super) fn declared_meta(args: &[ColumnMeta]) -> ColumnMeta {
        let input = lineage::mix(args.iter().take(1));
        match input.phi {
            Some(PhiClass::FreeText) => ColumnMeta { deid: Some(NAME.to_owned()), ..ColumnMeta::of(PhiClass::FreeText) },
            _ => input,
        }
    }

    fn policy(&self) -> Result<&BoundPolicy> {
        match &self.policy {
            Some(policy) => Ok(policy),
            None => plan_err!("{NAME} {NO_POLICY}"),
        }
    }
}

impl PartialEq for ScrubFunction {
    fn eq(&self, other: &Self) -> bool {
        self.policy.as_ref().map(Arc::as_ptr) == other.policy.as_ref().map(Arc::as_ptr)
    }
}

impl Eq for ScrubFunction {}

impl Hash for ScrubFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        NAME.hash(state);
    }
}

impl ScalarUDFImpl for ScrubFunction {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        if args.arg_fields.is_empty() {
            return plan_err!("call it as scrub(text [, patient [, known, ...]])");
        }
        if let Some(nested) = args.arg_fields.iter().find(|field| field.data_type().is_nested()) {
            return plan_err!("{NAME}: {:?} is nested; give one of its parts", nested.name());
        }
        let policy = self.policy()?;
        let method = Method::Scrub { languages: Vec::new() };
        let usable = policy.permits(&method).and_then(|()| policy.scrubber().map(|_| ()));
        if let Err(why) = usable {
            return plan_err!("{NAME}: {why}");
        }
        let metas: Vec<ColumnMeta> = args.arg_fields.iter().map(|field| ColumnMeta::from_field(field)).collect();
        Ok(Arc::new(Self::declared_meta(&metas).apply(Field::new(NAME, DataType::Utf8View, true))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let failed = |reason: String| EngineError::Function { name: NAME.to_owned(), reason };
        let scrubber = self.policy()?.scrubber().map_err(failed)?;
        let values = args.args.iter().map(TextArg::of).collect::<Result<Vec<_>>>()?;
        let [texts, others @ ..] = values.as_slice() else { return plan_err!("{NAME} needs a text") };
        let (patients, known) = others.split_first().map_or((None, others), |(patients, known)| (Some(patients), known));
        let classes = args.arg_fields.iter().skip(2).map(|field| ColumnMeta::from_field(field).phi).collect();
        let mut columns = KnownColumns::new(classes);
        let scalar = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let scrubbed = text_rows(rows, |row, out| {
            let Some(text) = texts.get(row) else { return Ok(false) };
            let patient = patients.and_then(|patients| patients.get(row));
            let known = columns.of_row(known.iter().map(|value| value.get(row)));
            scrubber.scrub(text, patient, known, out).map_err(|error| failed(error.to_string()))?;
            Ok(true)
        })?;
        result(scrubbed, scalar)
    }
}
