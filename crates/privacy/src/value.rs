//! The policy on single values, for documents that stay documents: what comes out is what a column of the same name, path and class would hold.
//!
//! A plan is made once for each place of a format and used for every value found there. Methods that have no rule for single values here
//! are run as a column of one row, so a new method works the day it exists.

use std::{borrow::Cow, fmt, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Float64Array, StringViewArray},
    compute::cast,
    datatypes::{DataType, Field},
};
use chrono::{Datelike, NaiveDate};
use sutura_core::{ColumnMeta, PhiClass};

use crate::{
    context::PrivacyContext,
    error::PrivacyError,
    functions,
    method::{AgeScheme, Method},
    places::zip3,
    plan::Deidentifier,
    profile::{Profile, RuleOf},
    shape::{AGES, CodeShape, has_more_digits},
    transform::{MASKED, Surroundings, Treatment},
};

/// What a value is, as a column of it would be typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// Text; dates and times too, as ISO 8601.
    Text,
    /// A number.
    Number,
}

/// A place of a format: what a column of it would be called, and what it holds.
#[derive(Debug, Clone)]
pub struct ValuePlace<'a> {
    /// The table that has the column, if there is one.
    pub table: Option<&'a str>,
    /// The column's name, in small letters with `_`; rules may name it.
    pub column: &'a str,
    /// The standard's path (`PID-5.1`, `Patient.birthDate`).
    pub path: &'a str,
    /// What identifying information it holds.
    pub class: PhiClass,
    /// What type a column of it would have.
    pub kind: ValueKind,
    /// What a value that stays must look like beyond what its path says, where the profile makes a legal claim: for places that are no
    /// columns, of which the path says nothing.
    pub shape: Option<CodeShape>,
}

/// What became of a value.
#[derive(Clone, PartialEq, Eq)]
pub enum Treated {
    /// It stays as it is.
    Keep,
    /// It goes.
    Remove,
    /// Something else stands for it.
    Replace(String),
}

/// The new value may still be of a person (a moved date): only the kind is shown.
impl fmt::Debug for Treated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Treated::Keep => "Keep",
            Treated::Remove => "Remove",
            Treated::Replace(_) => "Replace(..)",
        })
    }
}

/// What a policy does to the values of one place. `Send + Sync`.
#[derive(Debug, Clone)]
pub struct ValuePlan {
    class: PhiClass,
    method: Method,
    /// None where the policy drops the column.
    treatment: Option<Treatment>,
    kind: ValueKind,
    shape: Option<CodeShape>,
    most_digits: Option<u32>,
    context: Arc<PrivacyContext>,
    reference: NaiveDate,
}

/// Whether a LOINC code says that the number beside it is an age: over 89 it is an identifier (45 CFR 164.514(b)(2)(i)(C)).
pub fn is_age_code(code: &str) -> bool {
    AGES.contains(&code)
}

impl Deidentifier {
    /// Plans the values of one place as a column of it would be planned.
    ///
    /// # Errors
    /// When the policy has no rule for the class, or the profile does not permit the rule there is, as for a column.
    pub fn value_plan(&self, place: &ValuePlace<'_>) -> Result<ValuePlan, PrivacyError> {
        let meta = ColumnMeta { path: (!place.path.is_empty()).then(|| place.path.to_owned()), ..ColumnMeta::of(place.class.clone()) };
        let data_type = match place.kind {
            ValueKind::Text => DataType::Utf8View,
            ValueKind::Number => DataType::Float64,
        };
        let field = meta.apply(Field::new(place.column, data_type, true));
        let column = self
            .plan_column(place.table, 0, &field, &meta, Some(0))
            .map_err(|problem| PrivacyError::Plan { policy: self.policy().tag(), problems: vec![problem] })?;
        let method = column.method().clone();
        let rule = self.policy().rule_for(place.table, place.column, meta.path.as_deref(), &place.class).map(|(_, rule)| rule);
        let by_column = rule == Some(RuleOf::Column) && place.class != PhiClass::Operational;
        let held = method == Method::Keep && self.policy().profile != Profile::None && !by_column && !place.class.is_identifying();
        Ok(ValuePlan {
            class: place.class.clone(),
            method,
            treatment: column.treatment,
            kind: place.kind,
            shape: place.shape.filter(|_| held),
            // Numbers of operational places are counts and positions.
            most_digits: (held && place.kind == ValueKind::Number && place.class == PhiClass::Operational).then_some(5),
            context: Arc::clone(self.context()),
            reference: self.reference,
        })
    }

    /// Whether ages over 89 must not be shown, and so results that are ages go when they are.
    pub fn limits_ages(&self) -> bool {
        self.policy().profile.limits_ages()
    }

    /// The day from which ages are counted.
    pub fn reference_date(&self) -> NaiveDate {
        self.reference
    }
}

impl ValuePlan {
    /// The class of the place.
    pub fn class(&self) -> &PhiClass {
        &self.class
    }

    /// The policy's method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Whether nothing of any value is left, whatever it is.
    pub fn removes_all(&self) -> bool {
        matches!(self.treatment, None | Some(Treatment::Redact))
    }

    /// Whether it needs to know whose value it is.
    pub fn needs_patient(&self) -> bool {
        self.treatment.as_ref().is_some_and(Treatment::needs_patient)
    }

    /// Whether values stay as they are because a rule says so and not because their shape was looked at.
    pub fn keeps_unseen(&self) -> bool {
        matches!(self.treatment, Some(Treatment::Keep)) && self.shape.is_none() && self.most_digits.is_none()
    }

    /// Treats a value of `patient`. A value that cannot be treated (no date, no patient for a shift, not the shape of a code) goes.
    ///
    /// # Errors
    /// When the vault fails or the method needs a key that is not there.
    pub fn apply(&self, value: &str, patient: Option<&str>) -> Result<Treated, PrivacyError> {
        let Some(treatment) = &self.treatment else { return Ok(Treated::Remove) };
        if self.kind == ValueKind::Number {
            return self.number(treatment, value, patient);
        }
        if self.shape.is_some_and(|shape| !shape.fits(value)) {
            return Ok(Treated::Remove);
        }
        let replaced = |text: Option<String>| text.map_or(Treated::Remove, Treated::Replace);
        Ok(match treatment {
            Treatment::Keep => Treated::Keep,
            Treatment::Codes(shape) if shape.fits(value) => Treated::Keep,
            Treatment::Codes(_) | Treatment::Redact => Treated::Remove,
            Treatment::Mask => Treated::Replace(MASKED.to_owned()),
            Treatment::Pseudonym { kind } => replaced(self.context.pseudonym(kind, value)),
            Treatment::VaultCode { kind } => replaced(self.context.vault_code(kind, value)?),
            Treatment::Encrypt { column } => Treated::Replace(self.context.encrypt(column, value)?),
            Treatment::ShiftDate { max_days } => replaced(patient.and_then(|patient| self.context.shift_date(value, patient, *max_days))),
            Treatment::Year => replaced(functions::year_of_iso(value, self.reference.year())),
            Treatment::Zip3 => Treated::Replace(zip3(value).to_owned()),
            other => self
                .as_column(other, &(Arc::new(StringViewArray::from(vec![value])) as ArrayRef), patient)?
                .map_or(Treated::Remove, Treated::Replace),
        })
    }

    fn number(&self, treatment: &Treatment, value: &str, patient: Option<&str>) -> Result<Treated, PrivacyError> {
        let Some(number) = value.trim().parse::<f64>().ok().filter(|number| number.is_finite()) else { return Ok(Treated::Remove) };
        if self.most_digits.is_some_and(|most| has_more_digits(number, most)) {
            return Ok(Treated::Remove);
        }
        Ok(match treatment {
            Treatment::Keep => Treated::Keep,
            Treatment::Measures { most_digits } if has_more_digits(number, *most_digits) => Treated::Remove,
            Treatment::Measures { .. } => Treated::Keep,
            Treatment::AgeBand { scheme: AgeScheme::TopCode } if (0.0..=89.0).contains(&number) => Treated::Keep,
            other => self
                .as_column(other, &(Arc::new(Float64Array::from(vec![number])) as ArrayRef), patient)?
                .map_or(Treated::Remove, Treated::Replace),
        })
    }

    /// The method on a column of this one value.
    fn as_column(&self, treatment: &Treatment, values: &ArrayRef, patient: Option<&str>) -> Result<Option<String>, PrivacyError> {
        let patients = StringViewArray::from(vec![patient]);
        let around = Surroundings { context: Some(&self.context), reference: self.reference, patients: Some(&patients), known: &[] };
        let (out, _) = treatment.apply(values, &around)?;
        if out.is_null(0) {
            return Ok(None);
        }
        if let Some(number) = out.as_primitive_opt::<arrow::datatypes::Float64Type>() {
            return Ok(Some(number.value(0).to_string()));
        }
        let text = cast(&out, &DataType::Utf8View)?;
        Ok(text.as_string_view_opt().map(|text| text.value(0).to_owned()))
    }
}

/// A name of a standard as a column would be called: `birthDate` and `Birth Date` are `birth_date`.
pub fn column_name(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len() + 4);
    let mut before = '_';
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()) {
            out.push('_');
        }
        if letter.is_alphanumeric() {
            out.extend(letter.to_lowercase());
        } else if !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
        before = letter;
    }
    Cow::Owned(out.trim_end_matches('_').to_owned())
}

#[cfg(test)]
mod tests {
    use arrow::{array::RecordBatch, datatypes::Schema};
    use proptest::prelude::*;

    use super::*;
    use crate::{KeyRing, MemoryVault, Policy, Scope};

    fn privacy(policy: &str) -> Deidentifier {
        let facts = crate::LegalBasis {
            agreement: Some("a".into()),
            recipient: Some("b".into()),
            purpose: Some("research".into()),
            expert: Some("e".into()),
            method: Some("m".into()),
            document: Some("d".into()),
            determined_on: Some("2026-01-01".into()),
            expires_on: Some("2999-01-01".into()),
            quasi_identifiers: Some("q".into()),
            ..crate::LegalBasis::default()
        };
        let policy = Policy::builtin(policy).unwrap().with_legal(&facts);
        let vault = Arc::new(MemoryVault::new().unwrap());
        Deidentifier::new(policy, &KeyRing::generate().unwrap(), Scope::new("p", "d"), Some(vault)).unwrap()
    }

    /// The same value as a column of its own.
    fn as_column(
        privacy: &Deidentifier,
        name: &str,
        path: &str,
        class: &PhiClass,
        value: &str,
        patient: &str,
        number: bool,
    ) -> Option<String> {
        let whose = ColumnMeta { patient: true, ..ColumnMeta::of(PhiClass::Mrn) };
        let meta = ColumnMeta { path: Some(path.to_owned()), ..ColumnMeta::of(class.clone()) };
        let data_type = if number { DataType::Float64 } else { DataType::Utf8View };
        let schema =
            Schema::new(vec![whose.apply(Field::new("who", DataType::Utf8View, true)), meta.apply(Field::new(name, data_type, true))]);
        let plan = privacy.plan(&schema).unwrap();
        let text = |value: &str| Arc::new(StringViewArray::from(vec![value])) as ArrayRef;
        let values = if number { Arc::new(Float64Array::from(vec![value.parse::<f64>().unwrap()])) } else { text(value) };
        let out = plan.apply(&RecordBatch::try_new(plan.input_schema(), vec![text(patient), values]).unwrap()).unwrap();
        let column = out.column_by_name(name)?;
        let shown = cast(column, &DataType::Utf8View).unwrap();
        column.is_valid(0).then(|| shown.as_string_view().value(0).to_owned())
    }

    proptest! {
        #[test]
        fn a_value_becomes_what_its_column_would_hold(
            class in prop::sample::select(PhiClass::ALL.to_vec()),
            column in prop::sample::select(vec!["birth_date", "postal_code", "city", "value", "observation_code"]),
            path in prop::sample::select(vec!["", "PID-7", "PID-11.5", "OBX-3.1", "MSH-9.1", "Patient.gender"]),
            value in prop::sample::select(vec![
                "2024-03-01", "1912", "2024-03-01T10:15:00-05:00", "02139", "Smith", "718-7", "ADT", " A-17 ", "47", "93", "", "E11.9", "a@b.example",
            ]),
            policy in prop::sample::select(vec!["hipaa-safe-harbor", "limited-data-set", "expert-determination", "gdpr-pseudonymised"]),
        ) {
            let privacy = privacy(policy);
            let place = ValuePlace { table: None, column, path, class: class.clone(), kind: ValueKind::Text, shape: None };
            // A rule for a path that does not suit the class is refused for both.
            let Ok(plan) = privacy.value_plan(&place) else { return Ok(()) };
            let ours = match plan.apply(value, Some("A-17")).unwrap() {
                Treated::Keep => Some(value.to_owned()),
                Treated::Remove => None,
                Treated::Replace(text) => Some(text),
            };
            prop_assert_eq!(ours, as_column(&privacy, column, path, &class, value, "A-17", false));
        }

        #[test]
        fn so_does_a_number(
            class in prop::sample::select(vec![PhiClass::Clinical, PhiClass::Quasi, PhiClass::Age]),
            number in prop::sample::select(vec!["13.5", "47", "93", "140", "19800517", "0", "-1"]),
            policy in prop::sample::select(vec!["hipaa-safe-harbor", "limited-data-set", "expert-determination"]),
        ) {
            let privacy = privacy(policy);
            let place = ValuePlace { table: None, column: "value", path: "x", class: class.clone(), kind: ValueKind::Number, shape: None };
            let ours = match privacy.value_plan(&place).unwrap().apply(number, None).unwrap() {
                Treated::Keep => Some(number.parse::<f64>().unwrap()),
                Treated::Remove => None,
                Treated::Replace(text) => Some(text.parse().unwrap()),
            };
            let theirs = as_column(&privacy, "value", "x", &class, number, "p", true).map(|text| text.parse::<f64>().unwrap());
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn extra_shapes_hold_kept_codes_and_nothing_else() {
        let privacy = privacy("hipaa-safe-harbor");
        let plan = |class, shape| {
            privacy
                .value_plan(&ValuePlace { table: None, column: "x", path: "", class, kind: ValueKind::Text, shape: Some(shape) })
                .unwrap()
        };
        assert_eq!(plan(PhiClass::Operational, CodeShape::Letter).apply("Smith", None).unwrap(), Treated::Remove);
        assert_eq!(plan(PhiClass::Operational, CodeShape::Letter).apply("S", None).unwrap(), Treated::Keep);
        assert!(matches!(plan(PhiClass::Mrn, CodeShape::Letter).apply("A-17", None).unwrap(), Treated::Replace(_)));
        assert!(plan(PhiClass::Name, CodeShape::Letter).removes_all());
    }

    #[test]
    fn names_of_standards_become_names_of_columns() {
        for (name, column) in [
            ("birthDate", "birth_date"),
            ("postalCode", "postal_code"),
            ("Zip or Postal Code", "zip_or_postal_code"),
            ("Date Time Of Birth", "date_time_of_birth"),
            ("city", "city"),
            ("valueQuantity", "value_quantity"),
        ] {
            assert_eq!(column_name(name), column);
        }
    }
}
