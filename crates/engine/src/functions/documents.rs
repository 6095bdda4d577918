//! `deid_hl7v2`, `deid_fhir`, `deid_ccda`: whole records de-identified in their own format, as the files of `sutura deidentify` are.

use std::{
    borrow::Cow,
    hash::{Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
};

use arrow::{
    array::StringViewBuilder,
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::{Result, plan_err},
    logical_expr::{
        ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
        expr::ScalarFunction,
        simplify::{ExprSimplifyResult, SimplifyContext},
    },
};
use sutura_core::{ColumnMeta, PhiClass};
use sutura_deid::{DeidError, DocumentDeidentifier, Ledger, ccda::CcdaDeidentifier, fhir::FhirDeidentifier, hl7v2::Hl7v2Deidentifier};

use super::{
    args::{TextArg, result},
    tally::Tally,
};
use crate::{
    EngineError,
    policy::{BoundPolicy, NO_POLICY},
};

pub(super) fn all(policy: Option<&Arc<BoundPolicy>>) -> impl Iterator<Item = ScalarUDF> {
    [Kind::Hl7v2, Kind::Fhir, Kind::Ccda].into_iter().map(move |kind| {
        let signature = Signature::any(1, Volatility::Stable);
        ScalarUDF::from(DocumentFunction { kind, policy: policy.cloned(), made: Arc::default(), signature, tally: None })
    })
}

/// What the texts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Hl7v2,
    Fhir,
    Ccda,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Hl7v2 => "deid_hl7v2",
            Kind::Fhir => "deid_fhir",
            Kind::Ccda => "deid_ccda",
        }
    }

    /// The bytes that the format's own rules read as this text, whatever character set the text declares of itself.
    fn bytes(self, text: &str) -> Cow<'_, [u8]> {
        match self {
            Kind::Hl7v2 => declared_as_utf8(text),
            Kind::Ccda => Cow::Owned([b"\xEF\xBB\xBF", text.trim_start_matches('\u{FEFF}').as_bytes()].concat()),
            Kind::Fhir => Cow::Borrowed(text.as_bytes()),
        }
    }
}

/// A message whose MSH-18 says UTF-8, where the difference matters.
fn declared_as_utf8(text: &str) -> Cow<'_, [u8]> {
    const CHARSET: usize = 17;
    let message = text.trim_start_matches(['\u{FEFF}', '\u{B}', '\r', '\n', ' ']);
    let separator = message.strip_prefix("MSH").and_then(|rest| rest.chars().next()).filter(char::is_ascii);
    let Some(separator) = separator.filter(|_| !text.is_ascii()) else { return Cow::Borrowed(text.as_bytes()) };
    let (header, rest) = message.split_at(message.find(['\r', '\n']).unwrap_or(message.len()));
    let mut fields: Vec<&str> = header.split(separator).collect();
    // MSH-18 is the 18th part: the separator itself is MSH-1.
    if fields.len() <= CHARSET {
        fields.resize(CHARSET + 1, "");
    }
    fields[CHARSET] = "UNICODE UTF-8";
    Cow::Owned([&fields.join(separator.encode_utf8(&mut [0; 4])), rest].concat().into_bytes())
}

#[derive(Debug)]
pub(super) struct DocumentFunction {
    kind: Kind,
    policy: Option<Arc<BoundPolicy>>,
    made: Arc<OnceLock<Result<Deidentifier, String>>>,
    signature: Signature,
    /// What could not be released in one query; none for the function as it is registered.
    tally: Option<Arc<Tally>>,
}

struct Deidentifier(Box<dyn DocumentDeidentifier>);

impl std::fmt::Debug for Deidentifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Deidentifier")
    }
}

impl DocumentFunction {
    /// A whole record, treated.
    pub(super) fn declared_meta(&self) -> ColumnMeta {
        let deid = self.policy.as_ref().map(|policy| format!("document@{}", policy.deidentifier().policy().tag()));
        ColumnMeta { deid, ..ColumnMeta::of(PhiClass::FreeText) }
    }

    fn deidentifier(&self) -> Result<&dyn DocumentDeidentifier> {
        let Some(policy) = &self.policy else { return plan_err!("{} {NO_POLICY}", self.kind.name()) };
        let make = || {
            let treatment = policy.documents()?.clone();
            Ok(Deidentifier(match self.kind {
                Kind::Hl7v2 => Box::new(Hl7v2Deidentifier::new(treatment)),
                Kind::Fhir => Box::new(FhirDeidentifier::new(treatment)),
                Kind::Ccda => Box::new(CcdaDeidentifier::new(treatment)),
            }))
        };
        match self.made.get_or_init(make) {
            Ok(made) => Ok(made.0.as_ref()),
            Err(why) => plan_err!("{}: {why}", self.kind.name()),
        }
    }

    /// One record; or the code of why it is not released. What no other record would be spared is an error.
    fn release(&self, deidentifier: &dyn DocumentDeidentifier, text: &str) -> Result<Result<String, &'static str>> {
        let bytes = self.kind.bytes(text);
        let mut out = Vec::with_capacity(bytes.len());
        // A defect costs the record that it has to do with.
        let released = catch_unwind(AssertUnwindSafe(|| deidentifier.deidentify(&bytes, &mut out, &mut Ledger::new())));
        match released {
            Ok(Ok(())) => Ok(String::from_utf8(out).map_err(|_| "not-utf-8")),
            Ok(Err(DeidError::Privacy(error))) => {
                Err(EngineError::Function { name: self.kind.name().to_owned(), reason: error.to_string() }.into())
            }
            Ok(Err(error)) => Ok(Err(error.code())),
            Err(_) => Ok(Err("defect")),
        }
    }
}

impl PartialEq for DocumentFunction {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.policy.as_ref().map(Arc::as_ptr) == other.policy.as_ref().map(Arc::as_ptr)
    }
}

impl Eq for DocumentFunction {}

impl Hash for DocumentFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
    }
}

impl ScalarUDFImpl for DocumentFunction {
    fn name(&self) -> &str {
        self.kind.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        if let Some(nested) = args.arg_fields.iter().find(|field| field.data_type().is_nested()) {
            return plan_err!("{}: {:?} is nested; give the text of a record", self.name(), nested.name());
        }
        self.deidentifier()?;
        Ok(Arc::new(self.declared_meta().apply(Field::new(self.name(), DataType::Utf8View, true))))
    }

    /// Each query gets a function of its own, which says at the end of the query what was not released.
    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        if self.tally.is_some() {
            return Ok(ExprSimplifyResult::Original(args));
        }
        let counting = Self {
            kind: self.kind,
            policy: self.policy.clone(),
            made: Arc::clone(&self.made),
            signature: self.signature.clone(),
            tally: Some(Arc::new(Tally::new(self.name(), "de-identified"))),
        };
        let call = ScalarFunction::new_udf(Arc::new(ScalarUDF::from(counting)), args);
        Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(call)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [argument] = args.args.as_slice() else { return plan_err!("{} takes the text of a record", self.name()) };
        let texts = TextArg::of(argument)?;
        let deidentifier = self.deidentifier()?;
        let scalar = matches!(texts, TextArg::Scalar(_));
        let rows = if scalar { 1 } else { args.number_rows };
        let mut builder = StringViewBuilder::with_capacity(rows);
        for row in 0..rows {
            match texts.get(row).map(|text| self.release(deidentifier, text)).transpose()? {
                Some(Ok(released)) => builder.append_value(released),
                Some(Err(code)) => {
                    builder.append_null();
                    if let Some(tally) = &self.tally {
                        tally.add(code);
                    }
                }
                None => builder.append_null(),
            }
        }
        result(Arc::new(builder.finish()), scalar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_in_utf8_says_so() {
        let of = |text: &str| String::from_utf8(declared_as_utf8(text).into_owned()).unwrap();
        assert_eq!(of("MSH|^~\\&|A\rPID|1"), "MSH|^~\\&|A\rPID|1");
        assert_eq!(of("MSH|^~\\&|A\rPID|\u{FC}"), "MSH|^~\\&|A|||||||||||||||UNICODE UTF-8\rPID|\u{FC}");
        let header = "MSH|^~\\&|||||2026||ADT^A01|1|P|2.5||||||8859/1|x";
        assert_eq!(of(&format!("\u{B}{header}\r\u{FC}")), "MSH|^~\\&|||||2026||ADT^A01|1|P|2.5||||||UNICODE UTF-8|x\r\u{FC}");
        assert_eq!((of("\u{FC}"), of("MSH\u{FC}")), ("\u{FC}".to_owned(), "MSH\u{FC}".to_owned()));
    }
}
