//! Columns of a query as what is known of the patient of a text.

use sutura_core::PhiClass;
use sutura_privacy::text::KnownPatient;

/// Makes the known patient of each row. Rows of one patient that follow one another share it.
#[derive(Debug)]
pub(crate) struct KnownColumns {
    classes: Vec<Option<PhiClass>>,
    values: Vec<Option<String>>,
    patient: KnownPatient,
}

impl KnownColumns {
    /// Columns by their classes. One without a class that says what to look for counts as a name and as a number.
    pub(crate) fn new(classes: Vec<Option<PhiClass>>) -> Self {
        Self { values: vec![None; classes.len()], classes, patient: KnownPatient::new() }
    }

    /// The patient of a row, by the values of the columns in it.
    pub(crate) fn of_row<'v>(&mut self, values: impl Iterator<Item = Option<&'v str>> + Clone) -> Option<&KnownPatient> {
        if values.clone().zip(&self.values).any(|(value, known)| value != known.as_deref()) {
            self.values = values.map(|value| value.map(str::to_owned)).collect();
            self.patient = KnownPatient::new();
            for (class, value) in self.classes.iter().zip(&self.values) {
                let Some(value) = value else { continue };
                match class {
                    Some(class) if says_what_to_look_for(class) => self.patient.add(class, value),
                    _ => {
                        self.patient.add(&PhiClass::Name, value);
                        self.patient.add(&PhiClass::OtherId, value);
                    }
                }
            }
        }
        (!self.patient.is_empty()).then_some(&self.patient)
    }
}

fn says_what_to_look_for(class: &PhiClass) -> bool {
    class.is_identifying() && !matches!(class, PhiClass::FreeText | PhiClass::Age | PhiClass::Sensitive(_))
}

#[cfg(test)]
mod tests {
    use sutura_privacy::TextScrubber;

    use super::*;

    #[test]
    fn values_are_looked_for_by_the_class_of_their_column() {
        let scrubber = TextScrubber::new(None, &[]).unwrap();
        let mut known = KnownColumns::new(vec![Some(PhiClass::Name), Some(PhiClass::Phone), None]);
        let mut of = |values: [Option<&str>; 3], text: &str| {
            let mut out = String::new();
            scrubber.scrub(text, None, known.of_row(values.into_iter()), &mut out).unwrap();
            out
        };
        let text = "quorra came, call 0199 4432 77, chart zz81k";
        assert_eq!(of([Some("Quorra"), Some("0199443277"), Some("ZZ81K")], text), "[NAME] came, call [PHONE], chart [OTHER-ID]");
        assert!(of([None, None, None], text).starts_with("quorra came"));
    }
}
