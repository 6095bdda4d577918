//! FHIR R4 in SQL: FHIRPath over a resource, and what is wrong with it.
//!
//! What an expression gives has the class of the resource it is taken from: a path says nothing about what is at its end.

use std::{
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, PoisonError, Weak},
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
use sutura_fhir::{
    fhirpath::{Collection, Context, Expression, Item, PathError},
    json::Parser,
    validate::{Options, Validator, json_issue, operation_outcome},
};

use super::args::{TextArg, result};
use crate::{EngineError, profiles::ProfileStore};

pub(super) fn all(profiles: Option<&Arc<ProfileStore>>) -> [ScalarUDF; 2] {
    let store = || profiles.map_or_else(ProfileStore::new, |loaded| ProfileStore::over(Arc::clone(loaded)));
    // conformsTo() asks about one profile, whatever others the resource claims.
    let one_profile = Options { meta_profiles: false, open_bindings: false, ..Options::default() };
    let validators = [(Kind::Path, Validator::new(one_profile)), (Kind::Validate, Validator::default())];
    validators.map(|(kind, validator)| {
        let signature = Signature::variadic_any(Volatility::Stable);
        ScalarUDF::from(FhirFunction {
            kind,
            signature,
            validator: Arc::new(validator.with_profiles(store())),
            tally: None,
            tallies: Arc::default(),
        })
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Path,
    Validate,
}

impl Kind {
    /// What the second argument is.
    fn second(self) -> &'static str {
        match self {
            Kind::Path => "the expression",
            Kind::Validate => "the profile",
        }
    }
}

#[derive(Debug)]
struct FhirFunction {
    kind: Kind,
    signature: Signature,
    /// It keeps the invariants and profiles it has compiled. For `fhirpath` it answers `conformsTo()` and `memberOf()`.
    validator: Arc<Validator>,
    /// What went wrong in the rows of one query; none for the function as it is registered.
    tally: Option<Arc<Tally>>,
    /// The tallies of the queries that run: calls with the same expression share one, so that it is warned of once.
    tallies: Arc<Mutex<Vec<Weak<Tally>>>>,
}

impl FhirFunction {
    fn tally_of(&self, expression: Option<String>) -> Arc<Tally> {
        let mut known = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|tally| tally.strong_count() > 0);
        if let Some(tally) = known.iter().filter_map(Weak::upgrade).find(|tally| tally.expression == expression) {
            return tally;
        }
        let tally = Arc::new(Tally { expression, failures: Mutex::default() });
        known.push(Arc::downgrade(&tally));
        tally
    }
}

impl PartialEq for FhirFunction {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && Arc::ptr_eq(&self.validator, &other.validator)
    }
}

impl Eq for FhirFunction {}

impl Hash for FhirFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
    }
}

impl ScalarUDFImpl for FhirFunction {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Path => "fhirpath",
            Kind::Validate => "fhir_validate",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        // A value of the data would come back out through the error that it is no expression.
        let text = match args.scalar_arguments.get(1) {
            None => None,
            Some(Some(value)) if value.is_null() => None,
            Some(literal) => match literal.and_then(|value| value.try_as_str().flatten()) {
                Some(text) => Some(text),
                None => return plan_err!("{}: {} must be a text in quotes", self.name(), self.kind.second()),
            },
        };
        match (self.kind, args.arg_fields.len()) {
            (Kind::Path, 2) => {
                if let Some(text) = text {
                    let checked = Expression::parse(text).and_then(|expression| expression.check_alone());
                    checked.or_else(|error| plan_err!("fhirpath: {error}"))?;
                }
            }
            (Kind::Validate, 1 | 2) => {}
            (Kind::Path, _) => return plan_err!("fhirpath takes a resource and an expression: fhirpath(resource, 'name.family')"),
            (Kind::Validate, _) => {
                return plan_err!("fhir_validate takes a resource and perhaps a profile: fhir_validate(resource, 'url')");
            }
        }
        Ok(Arc::new(Field::new(self.name(), DataType::Utf8View, true)))
    }

    /// Each query gets a function of its own, which says at the end of the query what went wrong in its rows.
    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        if self.kind != Kind::Path || self.tally.is_some() {
            return Ok(ExprSimplifyResult::Original(args));
        }
        let expression = args.get(1).and_then(|text| text.as_literal()?.try_as_str().flatten().map(str::to_owned));
        let counting = Self {
            kind: self.kind,
            signature: self.signature.clone(),
            validator: Arc::clone(&self.validator),
            tally: Some(self.tally_of(expression)),
            tallies: Arc::clone(&self.tallies),
        };
        let call = ScalarFunction::new_udf(Arc::new(ScalarUDF::from(counting)), args);
        Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(call)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let values = args.args.iter().map(TextArg::of).collect::<Result<Vec<_>>>()?;
        let scalar = values.iter().all(|value| matches!(value, TextArg::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let mut builder = StringViewBuilder::with_capacity(rows);
        let mut parser = Parser::default();
        match (self.kind, values.as_slice()) {
            (Kind::Path, [resources, TextArg::Scalar(text)]) => {
                let expression = text.as_deref().map(Expression::parse).transpose().map_err(|error| failed(&error))?;
                let mut failures = Failures::default();
                for row in 0..rows {
                    let (Some(resource), Some(expression)) = (resources.get(row), &expression) else {
                        builder.append_null();
                        continue;
                    };
                    match evaluate(&mut parser, resource, expression, &self.validator) {
                        Ok(found) => builder.append_option(found),
                        // One odd record does not end the query.
                        Err(error) if error.is_of_the_record() => {
                            failures.add(error, 1);
                            builder.append_null();
                        }
                        Err(error) => return Err(failed(&error)),
                    }
                }
                match &self.tally {
                    Some(tally) if !failures.reasons.is_empty() => tally.add(failures),
                    Some(_) => {}
                    None => failures.log(None),
                }
            }
            (Kind::Validate, [resources] | [resources, TextArg::Scalar(_)]) => {
                let profile = values.get(1).and_then(|profile| profile.get(0));
                for row in 0..rows {
                    let outcome = resources.get(row).map(|resource| match parser.parse(resource.as_bytes()) {
                        Ok(document) => operation_outcome(&self.validator.validate_against(document.root(), profile.as_slice())),
                        Err(error) => operation_outcome(&[json_issue(&error)]),
                    });
                    builder.append_option(outcome);
                }
            }
            _ => return plan_err!("{} was called with other arguments than planned", self.name()),
        }
        result(Arc::new(builder.finish()), scalar)
    }
}

/// Rows that an expression could not be evaluated on, by the reason. Reasons hold no content of a record.
#[derive(Debug, Default)]
struct Failures {
    reasons: Vec<(PathError, u64)>,
    /// Rows with other reasons than those.
    others: u64,
}

/// Reasons told apart.
const MOST_REASONS: usize = 8;

impl Failures {
    fn add(&mut self, error: PathError, rows: u64) {
        if let Some((_, count)) = self.reasons.iter_mut().find(|(known, _)| *known == error) {
            *count += rows;
        } else if self.reasons.len() < MOST_REASONS {
            self.reasons.push((error, rows));
        } else {
            self.others += rows;
        }
    }

    fn log(&self, expression: Option<&str>) {
        let rows = self.others + self.reasons.iter().map(|(_, count)| count).sum::<u64>();
        if rows == 0 {
            return;
        }
        let mut reasons: Vec<String> = self.reasons.iter().map(|(error, count)| format!("{error} ({count})")).collect();
        if self.others > 0 {
            reasons.push(format!("other reasons ({})", self.others));
        }
        let reasons = reasons.join("; ");
        let expression = expression.map_or_else(|| "(not a constant)".to_owned(), without_values);
        tracing::warn!(rows, %expression, %reasons, "fhirpath() gave null where a record did not fit the expression");
    }
}

/// An expression as a log may show it: texts, numbers and dates in it may be those of a person, so they are left out.
fn without_values(expression: &str) -> String {
    let mut out = String::new();
    let mut characters = expression.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\'' | '"' => {
                out.extend([character, '…', character]);
                while let Some(inner) = characters.next().filter(|inner| *inner != character) {
                    if inner == '\\' {
                        characters.next();
                    }
                }
            }
            '0'..='9' => {
                out.push('…');
                while characters.next_if(|next| next.is_ascii_digit() || "-:.TZ+".contains(*next)).is_some() {}
            }
            // A comment.
            '/' if matches!(characters.peek(), Some('/' | '*')) => break,
            _ => out.push(character),
        }
        if out.len() > LONGEST_EXPRESSION {
            break;
        }
    }
    out
}

/// Bytes of an expression that are shown.
const LONGEST_EXPRESSION: usize = 200;

/// The failures of all parts of one query that evaluate one expression. They are logged when its plan is dropped, which is when it has ended.
#[derive(Debug)]
struct Tally {
    /// None where it is no constant.
    expression: Option<String>,
    failures: Mutex<Failures>,
}

impl Tally {
    fn add(&self, failures: Failures) {
        let mut all = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        for (error, rows) in failures.reasons {
            all.add(error, rows);
        }
        all.others += failures.others;
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.failures.get_mut().unwrap_or_else(PoisonError::into_inner).log(self.expression.as_deref());
    }
}

fn failed(reason: &dyn std::fmt::Display) -> datafusion::error::DataFusionError {
    EngineError::Function { name: "fhirpath".to_owned(), reason: reason.to_string() }.into()
}

/// The value as text: null for nothing, the text of one primitive, JSON for an element, a JSON array for several. A text that is no
/// JSON gives null, as a resource without the element does.
fn evaluate(parser: &mut Parser, resource: &str, expression: &Expression, known: &Validator) -> Result<Option<String>, PathError> {
    let Ok(document) = parser.parse(resource.as_bytes()) else { return Ok(None) };
    let focus = Item::resource(document.root());
    let mut context = Context::new().resource(focus.clone()).root_resource(focus.clone()).terminology(known).profiles(known);
    let found: Collection<'_> = expression.evaluate(focus, &mut context)?;
    Ok(match found.as_slice() {
        [] => None,
        [item] => item.to_text().map(std::borrow::Cow::into_owned).or_else(|| Some(json(item))),
        several => Some(format!("[{}]", several.iter().map(json).collect::<Vec<_>>().join(","))),
    })
}

/// An item as JSON: elements as they were sent, numbers and truth values bare, the rest as strings.
fn json(item: &Item<'_>) -> String {
    if let Item::Node(node) = item
        && let Some(value) = node.value
    {
        return String::from_utf8_lossy(value.raw()).into_owned();
    }
    let text = item.to_text().unwrap_or_default();
    match item {
        Item::Boolean(_) | Item::Integer(_) | Item::Decimal(_) => text.into_owned(),
        _ => serde_json::Value::from(text.into_owned()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_values;

    #[test]
    fn a_log_shows_the_path_and_no_value() {
        let shown = without_values(r"name.where(family = 'O\'Hara' and given[0] = `x`).birthDate > @1950-03-02T10:00:00.5Z // Ann");
        assert_eq!(shown, "name.where(family = '…' and given[…] = `x`).birthDate > @… ");
        assert_eq!(without_values("'cut"), "'…'");
        assert!(without_values(&"ä".repeat(1000)).len() < 300);
    }
}
