//! The method `scrub`: free text under a policy. What a [`Scrubber`] finds becomes its class in brackets, unless the policy keeps that
//! class; dates are treated as the policy treats dates. Columns are treated whole, single texts by a [`TextScrubber`].

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::array::{Array, StringViewArray, StringViewBuilder};
use chrono::Datelike;
use sutura_core::PhiClass;

use crate::{
    context::PrivacyContext,
    dates::{YearOrOlder, year_shown},
    error::PrivacyError,
    method::{DEFAULT_LANGUAGE, Method},
    plan::Deidentifier,
    policy::Policy,
    text::{ClassSet, KnownPatient, Model, Replacement, Replacements, Rules, Scrubber, Span, TextClass, TextError},
    transform::{Surroundings, Tally},
};

/// How a policy treats free text: the rules, and what becomes of each class.
#[derive(Debug, Clone)]
pub(crate) struct TextTreatment {
    scrubber: Scrubber,
    replacements: Replacements,
    dates: TextDates,
}

/// What becomes of dates in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextDates {
    Tag,
    Keep,
    Year,
    Shift { max_days: u16 },
}

impl TextTreatment {
    /// The treatment of a policy; without one, everything that is found becomes a tag.
    pub(crate) fn new(languages: &[String], policy: Option<&Policy>) -> Result<Self, TextError> {
        let method_of = |class: &PhiClass| policy.and_then(|policy| policy.class_method(class));
        let dates = match method_of(&PhiClass::Date) {
            Some(Method::Keep) => TextDates::Keep,
            Some(Method::Year) => TextDates::Year,
            Some(Method::ShiftDate { max_days }) => TextDates::Shift { max_days: *max_days },
            _ => TextDates::Tag,
        };
        let keeps_quasi = policy.is_none() || method_of(&PhiClass::Quasi) == Some(&Method::Keep);
        let limits_ages = dates == TextDates::Year || policy.is_some_and(|policy| policy.profile.limits_ages());
        let mut classes = if keeps_quasi { ClassSet::identifiers() } else { ClassSet::all() };
        if limits_ages {
            classes = classes.with(TextClass::Year);
        }
        let kept = TextClass::ALL.iter().filter(|class| method_of(&class.phi()) == Some(&Method::Keep));
        let replacements =
            kept.fold(Replacements::all(Replacement::Tag), |replacements, class| replacements.with(*class, Replacement::Keep));
        Ok(Self { scrubber: Scrubber::new(rules_of(languages)?).with_classes(classes), replacements, dates })
    }

    /// The same with a model of language beside the rules.
    pub(crate) fn with_model(mut self, model: Option<&Arc<dyn Model>>) -> Self {
        if let Some(model) = model {
            self.scrubber = self.scrubber.with_model(Arc::clone(model));
        }
        self
    }

    /// Whether it needs to know whose text it is.
    pub(crate) fn needs_patient(&self) -> bool {
        matches!(self.dates, TextDates::Shift { .. })
    }

    /// The same for tables that do not say whose text it is: dates that would move become tags.
    pub(crate) fn without_patient(mut self) -> Self {
        if self.needs_patient() {
            self.dates = TextDates::Tag;
        }
        self
    }

    /// Scrubs a column of texts.
    pub(crate) fn apply(
        &self,
        texts: &StringViewArray,
        around: &Surroundings<'_>,
        tally: &mut Tally,
    ) -> Result<StringViewArray, PrivacyError> {
        let mut builder = StringViewBuilder::with_capacity(texts.len());
        let (mut spans, mut out) = (Vec::new(), String::new());
        for row in 0..texts.len() {
            if texts.is_null(row) {
                builder.append_null();
                continue;
            }
            let text = texts.value(row);
            spans.clear();
            out.clear();
            let known = known_in_row(row, around.known);
            self.scrubber.spans(text, known.as_ref(), &mut spans).map_err(|_| CANNOT_SCRUB)?;
            let days = self.days_of(row, around);
            self.write(text, &spans, days, around.reference.year(), &mut out);
            tally.changed += u64::from(out != text);
            builder.append_value(&out);
        }
        Ok(builder.finish())
    }

    /// The days by which the dates of the row's patient move, if they do and the patient is known.
    fn days_of(&self, row: usize, around: &Surroundings<'_>) -> Option<i32> {
        let patients = around.patients.filter(|patients| patients.is_valid(row))?;
        self.days_of_patient(around.context?, patients.value(row))
    }

    fn days_of_patient(&self, context: &PrivacyContext, patient: &str) -> Option<i32> {
        let TextDates::Shift { max_days } = self.dates else { return None };
        context.shift_days(patient, max_days)
    }

    fn write(&self, text: &str, spans: &[Span], days: Option<i32>, this_year: i32, out: &mut String) {
        let mut done = 0;
        for span in spans {
            // Spans come in order and on character boundaries; one that did not would only widen what goes.
            let (Some(before), Some(value)) = (text.get(done..span.start), text.get(span.start..span.end)) else { continue };
            out.push_str(before);
            done = span.end;
            let alone = [Span { start: 0, end: value.len(), ..*span }];
            let replacement = match (span.class, self.dates) {
                (TextClass::Date | TextClass::Year, TextDates::Keep) => Replacement::Keep,
                (TextClass::Date, TextDates::Shift { .. }) => days.map_or(Replacement::Tag, |days| Replacement::ShiftDate { days }),
                (TextClass::Date, TextDates::Year) if year_may_stay(&self.year_of(value), this_year) => Replacement::Year,
                (TextClass::Date, _) => Replacement::Tag,
                (TextClass::Year, _) if !year_may_stay(value, this_year) => Replacement::Tag,
                (class, _) => self.replacements.of(class).clone(),
            };
            self.scrubber.replace(value, &alone, &Replacements::all(replacement), out);
        }
        out.push_str(text.get(done..).unwrap_or_default());
    }

    fn year_of(&self, date: &str) -> String {
        let span = Span { start: 0, end: date.len(), class: TextClass::Date, rule: crate::text::RuleId("date"), score: 1.0 };
        let mut out = String::new();
        self.scrubber.replace(date, &[span], &Replacements::all(Replacement::Year), &mut out);
        out
    }
}

/// The class of a column of which the text of the same row may repeat the values: names and numbers of people, where they live.
pub(crate) fn is_known_class(class: &PhiClass) -> bool {
    use PhiClass::{Account, Email, Fax, Geography, HealthPlan, Licence, Mrn, Name, OtherId, Phone, Ssn};
    matches!(class, Name | Geography | Phone | Fax | Email | Ssn | Mrn | HealthPlan | Account | Licence | OtherId)
}

/// What the other columns of a row say of the people in it.
fn known_in_row(row: usize, columns: &[(PhiClass, StringViewArray)]) -> Option<KnownPatient> {
    let mut known = KnownPatient::new();
    for (class, values) in columns.iter().filter(|(_, values)| values.is_valid(row)) {
        known.add(class, values.value(row));
    }
    (!known.is_empty()).then_some(known)
}

/// Free text one at a time, exactly as the method `scrub` of a policy treats a column; and what it finds there. Shared by threads.
#[derive(Debug, Clone)]
pub struct TextScrubber {
    treatment: TextTreatment,
    languages: Vec<String>,
    /// Keys of shifted dates, and the year from which ages are counted.
    under: Option<(Arc<PrivacyContext>, i32)>,
}

impl TextScrubber {
    /// Under a policy, in these languages; without any in those that the policy names for free text, else English. Without a policy
    /// everything that identifies becomes its class in brackets.
    ///
    /// # Errors
    /// When there is no rule set of a language.
    pub fn new(privacy: Option<&Deidentifier>, languages: &[String]) -> Result<Self, TextError> {
        let policy = privacy.map(Deidentifier::policy);
        let languages = match (languages, policy.and_then(|policy| policy.class_method(&PhiClass::FreeText))) {
            ([], Some(Method::Scrub { languages })) => languages.clone(),
            ([], _) => vec![DEFAULT_LANGUAGE.to_owned()],
            (stated, _) => stated.to_vec(),
        };
        let treatment = TextTreatment::new(&languages, policy)?.with_model(privacy.and_then(Deidentifier::text_model));
        let under = privacy.map(|privacy| (Arc::clone(privacy.context()), privacy.reference.year()));
        Ok(Self { treatment, languages, under })
    }

    /// The same with other classes looked for.
    #[must_use]
    pub fn with_classes(mut self, classes: ClassSet) -> Self {
        self.treatment.scrubber = self.treatment.scrubber.with_classes(classes);
        self
    }

    /// The languages of its rules.
    pub fn languages(&self) -> &[String] {
        &self.languages
    }

    /// Appends what identifies in a text, in order, without overlaps, in bytes of the text.
    ///
    /// # Errors
    /// When a model of language is set and fails.
    pub fn spans(&self, text: &str, known: Option<&KnownPatient>, out: &mut Vec<Span>) -> Result<(), PrivacyError> {
        self.treatment.scrubber.spans(text, known, out).map_err(|_| CANNOT_SCRUB)
    }

    /// Appends a text without what identifies. Dates that the policy moves are moved by the patient's days, and become tags where the
    /// patient is not known.
    ///
    /// # Errors
    /// When a model of language is set and fails; nothing is appended then.
    pub fn scrub(&self, text: &str, patient: Option<&str>, known: Option<&KnownPatient>, out: &mut String) -> Result<(), PrivacyError> {
        let mut spans = Vec::new();
        self.spans(text, known, &mut spans)?;
        let year = self.under.as_ref().map_or_else(|| chrono::Utc::now().year(), |(_, year)| *year);
        let days = self.under.as_ref().zip(patient).and_then(|((context, _), patient)| self.treatment.days_of_patient(context, patient));
        self.treatment.write(text, &spans, days, year, out);
        Ok(())
    }
}

const CANNOT_SCRUB: PrivacyError =
    PrivacyError::Operation { operation: "scrubbing free text", reason: "the model of language failed; the text is not released" };

/// Whether a year tells no age over 89.
fn year_may_stay(year: &str, this_year: i32) -> bool {
    let digits: String = year.chars().filter(char::is_ascii_digit).collect();
    match digits.parse::<i32>() {
        Ok(year) if digits.len() == 4 => matches!(year_shown(year, this_year), YearOrOlder::Year(_)),
        _ => false,
    }
}

/// The built-in rule sets of some languages. Reading them takes a while, so that each set is read once.
fn rules_of(languages: &[String]) -> Result<Rules, TextError> {
    static READ: Mutex<BTreeMap<Vec<String>, Rules>> = Mutex::new(BTreeMap::new());
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(rules) = read.get(languages) {
        return Ok(rules.clone());
    }
    let words: Vec<&str> = languages.iter().map(String::as_str).collect();
    let rules = Rules::builtin(&words)?;
    read.insert(languages.to_vec(), rules.clone());
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{ArrayRef, AsArray, RecordBatch},
        datatypes::{DataType, Field, Schema},
    };
    use sutura_core::ColumnMeta;

    use super::*;
    use crate::{KeyRing, Scope, functions};

    const NOTE: &str = "Seen 03/14/2018 by Dr. Stevens, MRN: 257475. zorka was well.";

    /// A model that finds one word, or fails.
    struct OneWord(&'static str);

    impl Model for OneWord {
        fn spans(&self, text: &str) -> Result<Vec<Span>, TextError> {
            let found = text.match_indices(self.0).map(|(start, word)| Span {
                start,
                end: start + word.len(),
                class: TextClass::Hospital,
                rule: crate::text::RuleId("model"),
                score: 0.9,
            });
            if self.0.is_empty() { Err(TextError::Model("no weights".to_owned())) } else { Ok(found.collect()) }
        }
    }

    #[test]
    fn a_model_joins_in_for_columns_too_and_its_failure_releases_nothing() {
        let text = "name = \"p\"\nversion = \"1\"\nprofile = \"none\"\n[classes]\nfree-text = \"scrub\"\n";
        let policy = Policy::from_toml(text, "p.toml").unwrap();
        let privacy = Deidentifier::new(policy, &KeyRing::generate().unwrap(), Scope::new("p", "d"), None).unwrap();
        let schema = Schema::new(vec![ColumnMeta::of(PhiClass::FreeText).apply(Field::new("note", DataType::Utf8View, true))]);
        let note = Arc::new(StringViewArray::from(vec!["at zebra with Dr. Kim"])) as ArrayRef;
        let batch = RecordBatch::try_new(Arc::new(schema), vec![note]).unwrap();
        let with = |word| privacy.clone().with_text_model(Arc::new(OneWord(word))).plan(&batch.schema()).unwrap().apply(&batch);
        assert_eq!(with("zebra").unwrap().column(0).as_string_view().value(0), "at [HOSPITAL] with Dr. [NAME]");
        assert!(with("").is_err());
    }

    #[test]
    fn the_text_of_a_row_does_not_repeat_its_names() {
        let text =
            "name = \"p\"\nversion = \"1\"\nprofile = \"none\"\n[classes]\nname = \"drop\"\nmrn = \"pseudonym\"\nfree-text = \"scrub\"\n";
        let policy = Policy::from_toml(text, "p.toml").unwrap();
        let privacy = Deidentifier::new(policy, &KeyRing::generate().unwrap(), Scope::new("p", "d"), None).unwrap();
        let field = |name, class| ColumnMeta::of(class).apply(Field::new(name, DataType::Utf8View, true));
        let schema = Schema::new(vec![field("family", PhiClass::Name), field("mrn", PhiClass::Mrn), field("note", PhiClass::FreeText)]);
        let column = |values: [Option<&str>; 2]| Arc::new(StringViewArray::from(values.to_vec())) as ArrayRef;
        let columns = vec![
            column([Some("Zorkwood"), Some("Quillbar")]),
            column([Some("x77q1"), None]),
            column([Some("zorkwood is X77-Q1, quillbar is not"), Some("zorkwood came with Quilbar")]),
        ];
        let batch = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
        let out = privacy.plan(&batch.schema()).unwrap().apply(&batch).unwrap();
        let notes: Vec<_> = out.column_by_name("note").unwrap().as_string_view().iter().flatten().collect();
        assert_eq!(notes, ["[NAME] is [MRN], quillbar is not", "zorkwood came with [NAME]"]);
    }

    fn privacy() -> Deidentifier {
        let policy = Policy::from_toml(
            "name = \"a\"\nversion = \"1\"\nprofile = \"none\"\n[classes]\ndate = \"shift-date\"\nfree-text = \"scrub\"\nquasi = \"keep\"\n",
            "a.toml",
        );
        Deidentifier::new(policy.unwrap(), &KeyRing::generate().unwrap(), Scope::new("p", ""), None).unwrap()
    }

    #[test]
    fn one_text_is_treated_as_a_column_is() {
        let privacy = privacy();
        let scrubber = TextScrubber::new(Some(&privacy), &[]).unwrap();
        assert_eq!(scrubber.languages(), ["en"]);
        let mut alone = String::new();
        scrubber.scrub(NOTE, Some("p1"), None, &mut alone).unwrap();
        let moved = privacy.context().shift_date("2018-03-14", "p1", crate::DEFAULT_SHIFT_DAYS).unwrap();
        let (year, month, day) = (&moved[..4], &moved[5..7], &moved[8..]);
        assert_eq!(alone, format!("Seen {month}/{day}/{year} by Dr. [NAME], MRN: [MRN]. zorka was well."));
        // Nobody's dates do not move.
        alone.clear();
        scrubber.scrub(NOTE, None, None, &mut alone).unwrap();
        let column: ArrayRef = Arc::new(StringViewArray::from(vec![NOTE]));
        let today = chrono::Utc::now().date_naive();
        let whole = functions::apply(&Method::from_word("scrub").unwrap(), "", &column, None, today, None).unwrap();
        assert_eq!(alone, whole.as_string_view().value(0));
        assert!(alone.starts_with("Seen [DATE] by"), "{alone}");
        // The model of the policy joins in.
        let with = |word| TextScrubber::new(Some(&privacy.clone().with_text_model(Arc::new(OneWord(word)))), &[]).unwrap();
        alone.clear();
        with("zorka").scrub(NOTE, None, None, &mut alone).unwrap();
        assert!(alone.ends_with("[HOSPITAL] was well."), "{alone}");
        assert!(with("").scrub(NOTE, None, None, &mut alone).is_err());
    }

    #[test]
    fn the_known_are_found_and_classes_can_be_chosen() {
        let mut known = KnownPatient::new();
        known.add(&PhiClass::Name, "zorka");
        let scrubber = TextScrubber::new(None, &[]).unwrap();
        let classes = |scrubber: &TextScrubber, known| {
            let mut spans = Vec::new();
            scrubber.spans(NOTE, known, &mut spans).unwrap();
            spans.iter().map(|span| span.class.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(classes(&scrubber, Some(&known)), ["date", "name", "mrn", "name"]);
        let dates = scrubber.with_classes(ClassSet::all().without(TextClass::Name).without(TextClass::Mrn));
        assert_eq!(classes(&dates, Some(&known)), ["date"]);
        assert!(TextScrubber::new(None, &["xx".to_owned()]).is_err());
    }
}
