//! The configuration file of Microsoft's FHIR anonymizer, read and compiled.

use sutura_fhir::{
    fhirpath::Expression,
    json::{Kind, Parser, Value},
};

/// Why a configuration cannot be used. Rules are named by their place in the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No JSON object with rules.
    #[error("the configuration is no JSON object with fhirPathRules")]
    NotAConfiguration,
    /// A rule without a path or method.
    #[error("rule {rule}: {reason}")]
    Rule {
        /// Place in the file, from 1.
        rule: usize,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A rule of this method needs something that is not there.
    #[error("rule {rule}: {method} needs {what}")]
    Missing {
        /// Place in the file, from 1.
        rule: usize,
        /// The method.
        method: &'static str,
        /// What it needs.
        what: &'static str,
    },
}

/// What `path` says: `Patient.nodesByType('Address').state` has all three parts.
#[derive(Debug)]
pub(super) struct Path {
    /// What the search below begins at; none: the resource.
    pub(super) base: Option<Expression>,
    pub(super) below: Option<Below>,
    /// Evaluated on each of what was found.
    pub(super) rest: Option<Expression>,
}

/// A search in everything below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Below {
    Type(String),
    Name(String),
}

#[derive(Debug)]
pub(super) enum Method {
    Keep,
    Redact,
    DateShift,
    CryptoHash,
    Encrypt,
    Substitute { replace_with: String },
    Perturb { span: f64, proportional: bool, round_to: u32 },
    Generalize { cases: Vec<(Expression, Expression)>, keeps_others: bool },
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) path: Path,
    pub(super) method: Method,
}

/// Of whom the days of a shift are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Scope {
    #[default]
    Resource,
    File,
    Folder,
}

/// `parameters`.
#[derive(Clone, Default)]
pub(super) struct Parameters {
    pub(super) date_shift_key: String,
    pub(super) scope: Scope,
    pub(super) hash_key: String,
    pub(super) partial_ages: bool,
    pub(super) partial_dates: bool,
    pub(super) partial_zips: bool,
    pub(super) restricted_zips: Vec<String>,
}

pub(super) struct Config {
    pub(super) rules: Vec<Rule>,
    pub(super) parameters: Parameters,
    /// `processingErrors`: `skip` gives an empty resource in place of an error.
    pub(super) skips_errors: bool,
}

fn text<'d>(value: Value<'d>, name: &str) -> Option<&'d str> {
    value.get(name)?.as_str()
}

impl Config {
    pub(super) fn parse(json: &[u8]) -> Result<Self, ConfigError> {
        let mut parser = Parser::default();
        let document = parser.parse(json).map_err(|_| ConfigError::NotAConfiguration)?;
        let root = document.root();
        let list = root.get("fhirPathRules").filter(|list| list.kind() == Kind::Array).ok_or(ConfigError::NotAConfiguration)?;
        let rules = list.items().enumerate().map(|(at, rule)| rule_of(at + 1, rule)).collect::<Result<Vec<_>, _>>()?;
        let skips_errors = text(root, "processingErrors").is_some_and(|word| word.eq_ignore_ascii_case("skip"));
        Ok(Self { rules, parameters: root.get("parameters").map(parameters).unwrap_or_default(), skips_errors })
    }
}

fn parameters(value: Value<'_>) -> Parameters {
    let flag = |name: &str| value.get(name).and_then(|flag| flag.as_bool()).unwrap_or_default();
    let own = |name: &str| text(value, name).unwrap_or_default().to_owned();
    Parameters {
        date_shift_key: own("dateShiftKey"),
        scope: match text(value, "dateShiftScope").unwrap_or_default().to_ascii_lowercase().as_str() {
            "file" => Scope::File,
            "folder" => Scope::Folder,
            _ => Scope::Resource,
        },
        hash_key: own("cryptoHashKey"),
        partial_ages: flag("enablePartialAgesForRedact"),
        partial_dates: flag("enablePartialDatesForRedact"),
        partial_zips: flag("enablePartialZipCodesForRedact"),
        restricted_zips: value
            .get("restrictedZipCodeTabulationAreas")
            .into_iter()
            .flat_map(|list| list.items())
            .filter_map(|zip| zip.as_str().map(str::to_owned))
            .collect(),
    }
}

fn rule_of(rule: usize, value: Value<'_>) -> Result<Rule, ConfigError> {
    let wrong = |reason: String| ConfigError::Rule { rule, reason };
    let path = text(value, "path").ok_or_else(|| wrong("it has no path".into()))?;
    let method = text(value, "method").ok_or_else(|| wrong("it has no method".into()))?;
    let number = |name: &str| {
        let number = value.get(name)?;
        number.as_number().or(number.as_str())?.parse::<f64>().ok()
    };
    let method = match method.to_ascii_lowercase().as_str() {
        "keep" => Method::Keep,
        "redact" => Method::Redact,
        "dateshift" => Method::DateShift,
        "cryptohash" => Method::CryptoHash,
        "encrypt" => Method::Encrypt,
        "substitute" => {
            let with = value.get("replaceWith").ok_or(ConfigError::Missing { rule, method: "substitute", what: "replaceWith" })?;
            Method::Substitute { replace_with: with.raw_text().to_owned() }
        }
        "perturb" => Method::Perturb {
            span: number("span").ok_or(ConfigError::Missing { rule, method: "perturb", what: "span, a number" })?,
            proportional: text(value, "rangeType").is_some_and(|kind| kind.eq_ignore_ascii_case("proportional")),
            round_to: number("roundTo").unwrap_or_default().clamp(0.0, 28.0) as u32,
        },
        "generalize" => {
            let cases = value.get("cases").ok_or(ConfigError::Missing { rule, method: "generalize", what: "cases" })?;
            let expression = |text: &str| Expression::parse(text).map_err(|error| wrong(format!("a case is no FHIRPath: {error}")));
            let pair = |(when, then): (&str, Value<'_>)| Ok((expression(when)?, expression(then.as_str().unwrap_or_default())?));
            Method::Generalize {
                cases: cases.entries().map(pair).collect::<Result<Vec<_>, ConfigError>>()?,
                keeps_others: text(value, "otherValues").is_some_and(|word| word.eq_ignore_ascii_case("keep")),
            }
        }
        _ => {
            return Err(wrong(
                "the method is none of keep, redact, dateShift, cryptoHash, encrypt, substitute, perturb, generalize".into(),
            ));
        }
    };
    Ok(Rule { path: Path::parse(path).map_err(wrong)?, method })
}

impl Path {
    fn parse(text: &str) -> Result<Self, String> {
        let expression = |text: &str| Expression::parse(text).map_err(|error| format!("its path is no FHIRPath: {error}"));
        for (function, make) in [("nodesByType('", Below::Type as fn(String) -> Below), ("nodesByName('", Below::Name)] {
            let Some((before, after)) = text.split_once(function) else { continue };
            let Some((argument, rest)) = after.split_once("')") else { return Err("nodesByType and nodesByName take one text".into()) };
            let base = before.trim_end_matches('.');
            let rest = rest.trim_start_matches('.');
            return Ok(Self {
                base: (!base.is_empty()).then(|| expression(base)).transpose()?,
                below: Some(make(argument.to_owned())),
                rest: (!rest.is_empty()).then(|| expression(rest)).transpose()?,
            });
        }
        Ok(Self { base: Some(expression(text)?), below: None, rest: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_three_parts() {
        let path = Path::parse("Patient.nodesByType('Address').where(city = 'x')").unwrap();
        assert_eq!(path.base.unwrap().text(), "Patient");
        assert_eq!(path.below, Some(Below::Type("Address".into())));
        assert_eq!(path.rest.unwrap().text(), "where(city = 'x')");
        assert!(Path::parse("nodesByName('text')").unwrap().base.is_none());
        assert!(Path::parse("Patient.(").is_err());
    }

    #[test]
    fn mistakes_are_named_by_their_rule() {
        for (json, part) in [
            ("[]", "fhirPathRules"),
            (r#"{"fhirPathRules": [{"path": "Patient"}]}"#, "rule 1"),
            (r#"{"fhirPathRules": [{"path": "Patient", "method": "zap"}]}"#, "none of"),
            (r#"{"fhirPathRules": [{"path": "Patient", "method": "generalize"}]}"#, "cases"),
            (r#"{"fhirPathRules": [{"path": "Patient", "method": "perturb"}]}"#, "span"),
        ] {
            let error = Config::parse(json.as_bytes()).err().unwrap().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
