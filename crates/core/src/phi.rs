//! Classes of identifying information, and how a column carries its class.
//!
//! The class lives in the Arrow field metadata (`sutura.phi`) from the reader to Parquet, so that
//! a de-identification policy is written once, over classes, for every format.

use std::{borrow::Cow, collections::HashMap, fmt, str::FromStr};

use arrow::datatypes::Field;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Metadata key: the PHI class of a column.
pub const KEY_PHI: &str = "sutura.phi";
/// Metadata key: the standard's own path of a column (`PID-5.1`, `Patient.birthDate`).
pub const KEY_PATH: &str = "sutura.path";
/// Metadata key: the UCUM unit of a column's values.
pub const KEY_UNIT: &str = "sutura.unit";
/// Metadata key: `true` on the column that identifies the patient of the row.
pub const KEY_PATIENT: &str = "sutura.patient";
/// Metadata key: what the column means, in one sentence.
pub const KEY_DOC: &str = "sutura.doc";
/// Metadata key: how the column was treated (`method` or `method@policy/version`); absent if never.
pub const KEY_DEID: &str = "sutura.deid";

/// What kind of identifying information a column holds.
///
/// The first eighteen follow the identifiers of 45 CFR 164.514(b)(2)(i)(A)-(R).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PhiClass {
    /// (A) Names of the person, relatives, employers, household members; providers by convention.
    Name,
    /// (B) Geographic subdivisions smaller than a state.
    Geography,
    /// (C) Dates directly related to a person.
    Date,
    /// (D) Telephone numbers.
    Phone,
    /// (E) Fax numbers.
    Fax,
    /// (F) E-mail addresses.
    Email,
    /// (G) Social security numbers.
    Ssn,
    /// (H) Medical record numbers.
    Mrn,
    /// (I) Health plan beneficiary numbers.
    HealthPlan,
    /// (J) Account numbers.
    Account,
    /// (K) Certificate and licence numbers.
    Licence,
    /// (L) Vehicle identifiers.
    Vehicle,
    /// (M) Device identifiers and serial numbers.
    Device,
    /// (N) Web URLs.
    Url,
    /// (O) IP addresses.
    Ip,
    /// (P) Biometric identifiers.
    Biometric,
    /// (Q) Full-face photographs and comparable images.
    Photo,
    /// (R) Any other unique identifying number, characteristic or code.
    OtherId,
    /// Text that may hold any of the above.
    FreeText,
    /// An age in years; identifying above 89.
    Age,
    /// Quasi-identifiers: sex, race, language, state and the like.
    Quasi,
    /// A sensitive category that a law protects apart (`sensitive:ETH`, `sensitive:HIV`, ...).
    Sensitive(String),
    /// Clinical content without identifying information of its own.
    Clinical,
    /// Technical content: versions, counts, processing codes.
    Operational,
}

impl PhiClass {
    /// Every class without a parameter, in order.
    pub const ALL: [PhiClass; 23] = [
        PhiClass::Name,
        PhiClass::Geography,
        PhiClass::Date,
        PhiClass::Phone,
        PhiClass::Fax,
        PhiClass::Email,
        PhiClass::Ssn,
        PhiClass::Mrn,
        PhiClass::HealthPlan,
        PhiClass::Account,
        PhiClass::Licence,
        PhiClass::Vehicle,
        PhiClass::Device,
        PhiClass::Url,
        PhiClass::Ip,
        PhiClass::Biometric,
        PhiClass::Photo,
        PhiClass::OtherId,
        PhiClass::FreeText,
        PhiClass::Age,
        PhiClass::Quasi,
        PhiClass::Clinical,
        PhiClass::Operational,
    ];

    /// The word used in metadata, policies and reports.
    pub fn as_str(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            PhiClass::Name => "name",
            PhiClass::Geography => "geography",
            PhiClass::Date => "date",
            PhiClass::Phone => "phone",
            PhiClass::Fax => "fax",
            PhiClass::Email => "email",
            PhiClass::Ssn => "ssn",
            PhiClass::Mrn => "mrn",
            PhiClass::HealthPlan => "health-plan",
            PhiClass::Account => "account",
            PhiClass::Licence => "licence",
            PhiClass::Vehicle => "vehicle",
            PhiClass::Device => "device",
            PhiClass::Url => "url",
            PhiClass::Ip => "ip",
            PhiClass::Biometric => "biometric",
            PhiClass::Photo => "photo",
            PhiClass::OtherId => "other-id",
            PhiClass::FreeText => "free-text",
            PhiClass::Age => "age",
            PhiClass::Quasi => "quasi",
            PhiClass::Sensitive(label) => return Cow::Owned(format!("sensitive:{label}")),
            PhiClass::Clinical => "clinical",
            PhiClass::Operational => "operational",
        })
    }

    /// Whether a sink must refuse an untreated column of this class unless told that it may hold PHI.
    ///
    /// Quasi-identifiers, clinical and operational content are not refused by themselves; a policy
    /// may still generalise them.
    pub fn is_identifying(&self) -> bool {
        !matches!(self, PhiClass::Quasi | PhiClass::Clinical | PhiClass::Operational)
    }

    /// How much a value of this class says about who the person is; used to choose the class of an
    /// expression over several columns (the greater wins, so a mixture is never under-classified).
    pub fn weight(&self) -> u8 {
        match self {
            PhiClass::Operational => 0,
            PhiClass::Clinical => 1,
            PhiClass::Quasi => 2,
            PhiClass::Age => 3,
            PhiClass::Date => 4,
            PhiClass::Geography => 5,
            PhiClass::Sensitive(_) => 6,
            PhiClass::OtherId => 7,
            PhiClass::Vehicle | PhiClass::Device | PhiClass::Url | PhiClass::Ip => 8,
            PhiClass::Account | PhiClass::HealthPlan | PhiClass::Licence => 9,
            PhiClass::Phone | PhiClass::Fax | PhiClass::Email => 10,
            PhiClass::Biometric | PhiClass::Photo => 11,
            PhiClass::Mrn => 12,
            PhiClass::Ssn => 13,
            PhiClass::Name => 14,
            PhiClass::FreeText => 15,
        }
    }

    /// The class of an expression over values of both classes: the weightier one; two different
    /// identifying classes mix into [`PhiClass::FreeText`], which every policy treats most carefully.
    pub fn mix(self, other: PhiClass) -> PhiClass {
        if self == other || !other.is_identifying() && self.weight() >= other.weight() {
            self
        } else if !self.is_identifying() && other.weight() >= self.weight() {
            other
        } else {
            PhiClass::FreeText
        }
    }
}

impl fmt::Display for PhiClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_str())
    }
}

/// A word that is no PHI class.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown PHI class; use one of name, geography, date, phone, fax, email, ssn, mrn, health-plan, account, licence, vehicle, device, url, ip, biometric, photo, other-id, free-text, age, quasi, sensitive:<label>, clinical, operational"
)]
pub struct UnknownPhiClass;

impl FromStr for PhiClass {
    type Err = UnknownPhiClass;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        if let Some(label) = word.strip_prefix("sensitive:").filter(|label| !label.is_empty()) {
            return Ok(PhiClass::Sensitive(label.to_owned()));
        }
        PhiClass::ALL.into_iter().find(|class| class.as_str() == word).ok_or(UnknownPhiClass)
    }
}

impl Serialize for PhiClass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.as_str())
    }
}

impl<'de> Deserialize<'de> for PhiClass {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        word.parse().map_err(serde::de::Error::custom)
    }
}

/// The Sutura metadata of one Arrow field, read and written as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnMeta {
    /// The class; `None` means unclassified, which sinks refuse.
    pub phi: Option<PhiClass>,
    /// The standard's path.
    pub path: Option<String>,
    /// UCUM unit.
    pub unit: Option<String>,
    /// Whether this column identifies the patient of the row.
    pub patient: bool,
    /// What the column means.
    pub doc: Option<String>,
    /// How it was treated (`method` or `method@policy/version`).
    pub deid: Option<String>,
}

impl ColumnMeta {
    /// Only a class.
    pub fn of(phi: PhiClass) -> Self {
        Self { phi: Some(phi), ..Self::default() }
    }

    /// Reads the metadata of a field. An unknown class word reads as unclassified.
    pub fn from_field(field: &Field) -> Self {
        Self::from_map(field.metadata())
    }

    /// Reads from a metadata map.
    pub fn from_map(map: &HashMap<String, String>) -> Self {
        Self {
            phi: map.get(KEY_PHI).and_then(|word| word.parse().ok()),
            path: map.get(KEY_PATH).cloned(),
            unit: map.get(KEY_UNIT).cloned(),
            patient: map.get(KEY_PATIENT).is_some_and(|flag| flag == "true"),
            doc: map.get(KEY_DOC).cloned(),
            deid: map.get(KEY_DEID).cloned(),
        }
    }

    /// As a metadata map; absent parts are left out.
    pub fn to_map(&self) -> HashMap<String, String> {
        let mut map = HashMap::new();
        let mut put = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                map.insert(key.to_owned(), value);
            }
        };
        put(KEY_PHI, self.phi.as_ref().map(|phi| phi.as_str().into_owned()));
        put(KEY_PATH, self.path.clone());
        put(KEY_UNIT, self.unit.clone());
        put(KEY_PATIENT, self.patient.then(|| "true".to_owned()));
        put(KEY_DOC, self.doc.clone());
        put(KEY_DEID, self.deid.clone());
        map
    }

    /// The field with this metadata in place of any Sutura metadata it had; foreign keys stay.
    pub fn apply(&self, field: Field) -> Field {
        let mut map: HashMap<String, String> =
            field.metadata().iter().filter(|(key, _)| !key.starts_with("sutura.")).map(|(k, v)| (k.clone(), v.clone())).collect();
        map.extend(self.to_map());
        field.with_metadata(map)
    }

    /// Whether a sink must refuse the column without `allow_phi`: it is unclassified, or it
    /// identifies and was not treated.
    pub fn must_refuse(&self) -> bool {
        match &self.phi {
            None => true,
            Some(class) => class.is_identifying() && self.deid.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::DataType;

    #[test]
    fn words_read_back() {
        for class in PhiClass::ALL.into_iter().chain([PhiClass::Sensitive("HIV".into())]) {
            assert_eq!(class.as_str().parse::<PhiClass>().unwrap(), class);
        }
        assert!("sensitive:".parse::<PhiClass>().is_err());
        assert!("Name".parse::<PhiClass>().is_err());
    }

    #[test]
    fn mixing_never_lowers_the_class() {
        for a in PhiClass::ALL {
            for b in PhiClass::ALL {
                let mixed = a.clone().mix(b.clone());
                assert!(mixed.weight() >= a.weight().max(b.weight()), "{a} with {b} gave {mixed}");
            }
        }
        assert_eq!(PhiClass::Name.mix(PhiClass::Phone), PhiClass::FreeText);
        assert_eq!(PhiClass::Name.mix(PhiClass::Clinical), PhiClass::Name);
    }

    #[test]
    fn metadata_survives_a_field() {
        let meta = ColumnMeta { phi: Some(PhiClass::Mrn), path: Some("PID-3.1".into()), patient: true, ..ColumnMeta::default() };
        let field = meta.apply(Field::new("mrn", DataType::Utf8View, true));
        assert_eq!(ColumnMeta::from_field(&field), meta);
        assert!(meta.must_refuse());
        assert!(ColumnMeta::default().must_refuse(), "unclassified means refused");
        assert!(!ColumnMeta { deid: Some("vault-code".into()), ..meta }.must_refuse());
    }
}
