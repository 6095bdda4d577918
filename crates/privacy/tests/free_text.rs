//! Free text: every kind of identifier is found, and what looks like one and is none stays.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fmt::Write as _, sync::OnceLock};

use proptest::prelude::*;
use sutura_privacy::text::{
    ClassSet, KnownPatient, Model, Replacement, Replacements, RuleId, Rules, Scrubber, Span, Surrogates, TextClass, TextError,
};

fn english() -> &'static Scrubber {
    static SCRUBBER: OnceLock<Scrubber> = OnceLock::new();
    SCRUBBER.get_or_init(|| Scrubber::new(Rules::builtin(&["en"]).unwrap()))
}

fn spanish() -> &'static Scrubber {
    static SCRUBBER: OnceLock<Scrubber> = OnceLock::new();
    SCRUBBER.get_or_init(|| Scrubber::new(Rules::builtin(&["es"]).unwrap()))
}

fn spans(scrubber: &Scrubber, text: &str, known: Option<&KnownPatient>) -> Vec<Span> {
    let mut out = Vec::new();
    scrubber.spans(text, known, &mut out).unwrap();
    out
}

fn tagged(scrubber: &Scrubber, text: &str, known: Option<&KnownPatient>) -> String {
    let mut out = String::new();
    scrubber.replace(text, &spans(scrubber, text, known), &Replacements::all(Replacement::Tag), &mut out);
    out
}

/// Every pair: text in which the part between `{` and `}` must be found whole as the class, and nothing else.
fn check(scrubber: &Scrubber, class: TextClass, texts: &[&str]) {
    let mut wrong = Vec::new();
    for marked in texts {
        let text = marked.replace(['{', '}'], "");
        let start = marked.find('{').unwrap();
        let end = marked.find('}').unwrap() - 1;
        let found = spans(scrubber, &text, None);
        let hit = found.iter().find(|span| span.start <= start && span.end >= end);
        let extra = found.iter().any(|span| span.end <= start || span.start >= end);
        if hit.is_none_or(|span| span.class != class) || extra {
            wrong.push(format!(
                "{marked:?} gave {:?}",
                found.iter().map(|span| (&text[span.start..span.end], span.class, span.rule.0)).collect::<Vec<_>>()
            ));
        }
    }
    assert!(wrong.is_empty(), "{class}:\n{}", wrong.join("\n"));
}

fn stays(scrubber: &Scrubber, texts: &[&str]) {
    let mut wrong = Vec::new();
    for text in texts {
        let found = spans(scrubber, text, None);
        if !found.is_empty() {
            wrong.push(format!(
                "{text:?} gave {:?}",
                found.iter().map(|span| (&text[span.start..span.end], span.class, span.rule.0)).collect::<Vec<_>>()
            ));
        }
    }
    assert!(wrong.is_empty(), "touched:\n{}", wrong.join("\n"));
}

#[test]
fn names() {
    check(
        english(),
        TextClass::Name,
        &[
            "Seen by Dr. {Daniel Pollard}.",
            "Seen by Dr {O'Brien} today.",
            "Discussed with Mrs. {de la Cruz} at length.",
            "Name: {Shea, Rhonda}   Sex: F",
            "NAME: {SHEA, RHONDA M}",
            "name: {blake vang}",
            "Patient name: {Phazan Vanor}",
            "Electronically signed by: {Szabina Gelencs\u{e9}r}, MD",
            "Attending: {Smith-Jones, Mary}",
            "cc: {Kim}, MD",
            "Wife {Tyler} at bedside.",
            "His daughter, {Ngozi Okafor}, agrees.",
            "{Jacqueline Sharp} (daughter) agrees with plan.",
            "The plan was discussed with {Brawexva Wexwexmi}.",
            "The history was taken from {J. Daniel} by phone.",
            "We thank you for referring {Anna S.} to us.",
            "The nurse paged {Nguyen} twice.",
            "Reviewed with {Ludwig van den Berg}.",
            "Signed: {M\u{fc}ller, J\u{fc}rgen}",
            "Dr. {Graves} will follow.",
            "Mr. {Parkinson} was discharged.",
        ],
    );
}

#[test]
fn dates() {
    check(
        english(),
        TextClass::Date,
        &[
            "Seen {03/14/2018} in clinic.",
            "Seen {3-14-18} in clinic.",
            "Seen {2021-06-08} in clinic.",
            "Seen {2020-04-01T15:15:00} in clinic.",
            "Seen {20240704} in clinic.",
            "Seen {14.03.2018} in clinic.",
            "Seen {04-JUN-2024} in clinic.",
            "Seen {14Mar2018} in clinic.",
            "Seen {October 16, 2024} in clinic.",
            "Seen on the {3rd of May 2020} in clinic.",
            "Seen {14 Aug 2017} in clinic.",
            "Seen {Feb. 22nd} in clinic.",
            "Seen {June 2019} in clinic.",
            "Seen in {06/2019} in clinic.",
            "DOB: {02/09}",
            "Surgery on {3/14} went well.",
            "Last seen {Jan 22, '24} here.",
            "Received {20240704153012} by interface.",
            "Admitted {Oct 3-5, 2020} for fever.",
            "Next visit on {Tuesday} morning.",
            "Echo {03/05}: normal.",
            "Admitted {2105-3-4} from home.",
        ],
    );
}

#[test]
fn ages_over_89() {
    check(
        english(),
        TextClass::Age,
        &[
            "She is a {95} year old woman.",
            "A {101}-year-old man",
            "{92}yo male with cough",
            "Age: {94}",
            "{97} y/o F",
            "aged {90}",
            "She is in her {90s}.",
            "a {nonagenarian} in good health",
        ],
    );
    stays(english(), &["She is a 55-year-old woman.", "A 71yo man", "Age: 89", "in his 60s", "HR 95, RR 16"]);
}

#[test]
fn contacts() {
    check(english(), TextClass::Email, &["Write to {j.o-neil+x@mail.example.co.uk}.", "Email {linda51@yahoo.com}, please"]);
    check(
        english(),
        TextClass::Url,
        &["See {https://portal.example-health.org/p/590240?x=1} for it.", "See {www.example.com/a}.", "at {clinic.example.org} now"],
    );
    check(
        english(),
        TextClass::Ip,
        &[
            "from {10.21.183.73}.",
            "from {df08:8752:9e43:38f7:80c7:fd7:a07c:5d82}.",
            "from {fe80::1} today",
            "adapter {00:1A:2B:3C:4D:5E} seen",
        ],
    );
    check(
        english(),
        TextClass::Phone,
        &[
            "Call {1-508-747-7104} with questions.",
            "Call {(763)345-4619 x524} now",
            "Tel: {868-1150}",
            "reach him at {+44 20 7946 0958} please",
            "cell {5873543655}",
            "Number {615.854.2202} was busy.",
            "Phone {+1 988 857 2642}",
            "call {0161 496 0123} at night",
        ],
    );
    check(english(), TextClass::Fax, &["Fax results to {684-9677}.", "Fax: {(401) 371-9537}"]);
}

#[test]
fn numbers() {
    check(
        english(),
        TextClass::Mrn,
        &[
            "MRN: {257475}",
            "MRN {21-95-566}",
            "Prior MRN at outside hospital {821751}.",
            "(MRN: #{SF-998877})",
            "Medical record number is {E424196321}",
        ],
    );
    check(english(), TextClass::Ssn, &["SSN {555-74-1318}.", "SSN {108286166}", "his number {143-31-0234} is", "SSN {143 31 0234}"]);
    check(
        english(),
        TextClass::HealthPlan,
        &[
            "Medicare {1EG4TE5MK73}.",
            "Member ID {W768093960}.",
            "NHS number: {943 476 5919}",
            "with insurance number {HP-678901}",
            "holds {1EG4-TE5-MK73} since",
        ],
    );
    check(
        english(),
        TextClass::Account,
        &["Acct# {6761032243}.", "paid by {4111 1111 1111 1111} then", "paid by {4111111111111111} then", "IBAN {GB82WEST12345698765432}"],
    );
    check(english(), TextClass::Licence, &["DEA {AS7342435}.", "NPI {1234567893}.", "License no. {A-123456}", "used {AB1234563} to order"]);
    check(english(), TextClass::Vehicle, &["Plate {EJS-1369}.", "VIN {1M8GDM9AXKP042788}", "found {1M8GDM9AXKP042788} there"]);
    check(english(), TextClass::Device, &["Pacemaker serial {SN91275184}.", "serial number: {A12-99-33}", "Lot # {88231A}"]);
    check(
        english(),
        TextClass::NationalId,
        ["Passport {C01X00T47}", "owner {12345678Z} came", "NI number {AB 123456 C}"].get(..2).unwrap(),
    );
    check(
        english(),
        TextClass::OtherId,
        &[
            "Specimen {S21-44053} collected.",
            "Case number {4417-22}",
            "(ID: {987654321})",
            "tag {123e4567-e89b-12d3-a456-426614174000} set",
            "saw number {88124417} there",
        ],
    );
    check(english(), TextClass::Biometric, &["Fingerprint ID: {FP-221-88}"]);
}

#[test]
fn places() {
    check(
        english(),
        TextClass::Street,
        &[
            "Lives at {7083 Benjamin Lane}.",
            "Lives at {852 Derek Camp Suite 238}.",
            "Lives at {6494 Kelsey Circle Apt. 072}.",
            "Moved to {221B Baker Street}.",
            "Mail to {P.O. Box 1234}.",
        ],
    );
    check(
        english(),
        TextClass::Hospital,
        &[
            "Seen at {Henry Memorial Hospital} today.",
            "Seen at {St. Mary's Hospital}.",
            "transferred from {Mercy Long Clinic}.",
            "treated at {Methodist}.",
            "at {Brigham and Women's Hospital}",
            "to the {Hospital of the University of Pennsylvania} then",
        ],
    );
    check(
        english(),
        TextClass::City,
        &["She lives in {Claudiaville}.", "He was born in {New Robertbury}.", "He came from {Chicago} yesterday."],
    );
    check(english(), TextClass::Zip, &["zip code {95251}", "Postcode: {SW1A 1AA}", "flat in {K1A 0B1} there"]);
    assert_eq!(tagged(english(), "Lives at 547 Laura Bridge, Port Tabitha, NY 24707-1234.", None), "Lives at [STREET], [CITY], NY [ZIP].");
}

#[test]
fn what_is_no_identifier_stays() {
    stays(
        english(),
        &[
            "BP 120/80, HR 88, T 98.6, RR 16, SpO2 97% on 2L.",
            "Strength 5/5 bilaterally, reflexes 2/4, grade 2/6 systolic murmur.",
            "Labs: Na 138, K 4.2, Cr 1.1, WBC 7.3, Hgb 13.2, Plt 245.",
            "ICD-10 E11.9, I10; LOINC 4548-4; RxNorm 860975; CPT 99213.",
            "SNOMED CT 73211009 and NDC 0002-8215-01 were sent.",
            "History of Hodgkin lymphoma, Wilson disease ruled out, Bell palsy in 2009.",
            "Patient presents with Parkinson disease and a Foley catheter in place.",
            "Graves disease on methimazole; Addison crisis unlikely.",
            "Started metoprolol 25 mg PO BID and lisinopril 10-20 mg daily.",
            "Pain 3/10, worse over 2-3 weeks, improved with rest in may or june per report.",
            "Mild cough, will follow up; hope to wean O2.",
            "Glasgow coma scale 15, Apgar 8/9, Gleason 3+4.",
            "APACHE II 12/24, MELD 25, CHADS2 score of 3, Child-Pugh B.",
            "Echo 1.2 cm septum; E/A 0.8; gradient 12/5 mmHg.",
            "Wound 3 x 4 cm, stage 2, Braden 18.",
            "A positive Babinski sign and the Chaddock reflex.",
            "Pain improved from 8/10 to 3/10 over 2 days.",
            "Platelets 245000, given 1200000 units of penicillin.",
            "Dose 0.5-1 mg every 4-6 hours as needed, max 24 mg/24 h.",
            "He was diagnosed in 2021 and has smoked 1 ppd x 20 years.",
            "The Framingham Risk Score was 20%.",
            "Variant rs1799853 and NM_000059.3 c.5266dupC in BRCA1.",
            "Currently on Lantus, Humalog and Tylenol.",
            "T3N0M0, HbA1c 7.2, CA 19-9 normal, COVID-19 negative.",
            "She goes to a pain clinic and the emergency department.",
            "Seen in the ICU and at the outpatient clinic.",
            "Cultures 2/2 bottles; 3/12 cores positive.",
            "CABG x3 (LIMA to LAD, SVG to OM1), murmur at LUSB.",
            "WBC-12.3* MCV-91 Plt Ct-234",
            "Past Medical History: DM type II, A1c 8.2.",
            "EGD with Barrett's esophagus; Nissen fundoplication in 2010.",
        ],
    );
    stays(
        spanish(),
        &[
            "TA 120/80 mmHg, FC 88 lpm, temperatura 37,5 \u{ba}C.",
            "Tumor de Wilms, enfermedad de Crohn y sonda de Foley.",
            "Dolor 8/10 en la escala visual.",
            "Se administran 500 mg de amoxicilina cada 8 horas.",
        ],
    );
}

#[test]
fn an_eponym_stays_in_the_note_of_its_namesake() {
    let note = "Name: Wilson, Rose\nMs. Wilson has no Wilson disease. Wilson's cough improved.";
    assert_eq!(tagged(english(), note, None), "Name: [NAME]\nMs. [NAME] has no Wilson disease. [NAME]'s cough improved.");
}

#[test]
fn a_name_stated_once_is_found_again() {
    let note = "Name: Chance Week\nDenies pain. Week's symptoms began last week. Ms. Tevyor came. Tevyor agrees.";
    assert_eq!(
        tagged(english(), note, None),
        "Name: [NAME]\nDenies pain. [NAME]'s symptoms began last week. Ms. [NAME] came. [NAME] agrees."
    );
}

#[test]
fn spanish_needs_no_code() {
    check(
        spanish(),
        TextClass::Name,
        &[
            "Nombre: {Pedro}.",
            "Apellidos: {De Miguel Rivera}.",
            "Remitido por: Dra. {Estefan\u{ed}a Romero Selas}.",
            "Atendida por el Dr. {Garc\u{ed}a-Ripoll}.",
        ],
    );
    check(spanish(), TextClass::Date, &["Ingreso el {17/06/2016}.", "Desde {enero de 2007} con dolor.", "Nacido el {3 de mayo de 1980}."]);
    check(spanish(), TextClass::Mrn, &["NHC: {2569870}."]);
    check(spanish(), TextClass::HealthPlan, &["NASS: {47 39047534 02}."]);
    check(spanish(), TextClass::Licence, &["N\u{ba}Col: {28 28 20943}."]);
    check(spanish(), TextClass::Hospital, &["Trasladada al {Hospital Universitario Virgen del Roc\u{ed}o} ayer."]);
    check(spanish(), TextClass::Phone, &["Tel\u{e9}fono: {633 349 565}"]);
    check(spanish(), TextClass::NationalId, &["DNI {12345678Z}"]);
    assert_eq!(tagged(spanish(), "Domicilio: Calle Carmen Romero, 23, 1D.\nCP: 28035.", None), "Domicilio: [STREET].\nCP: [ZIP].");
}

#[test]
fn the_known_patient_is_found_in_any_form() {
    let mut known = KnownPatient::new();
    known.add_name("Shea, Rhonda May");
    known.add_relative("Mei Xu");
    known.add_identifier("MR-257475", TextClass::Mrn);
    known.add_phone("+1 (508) 747-7104");
    known.add_address("852 Derek Camp, Christophermouth, CA 95251");
    known.add_date(chrono::NaiveDate::from_ymd_opt(1980, 5, 17).unwrap());
    for text in [
        "rhonda is well",
        "SHEA IS WELL",
        "Rhonda Shae was here",
        "ronda came",
        "pt Rhondas came",
        "xu called",
        "mr257475",
        "mr 257 475",
        "5087477104 rang",
        "747-7104 rang",
        "at 852 derek camp",
        "derek camp 852",
        "in Christophermouth",
        "on 5/17 again",
    ] {
        assert!(!spans(english(), text, Some(&known)).is_empty(), "{text}");
    }
    for text in ["he may go", "in may", "a camp", "the code 257", "at 852 today"] {
        assert!(spans(english(), text, Some(&known)).is_empty(), "{text}: {:?}", spans(english(), text, Some(&known)));
    }
}

#[test]
fn replacements_by_class() {
    let key = [7; 32];
    let surrogates = Surrogates::new(&key, "patient-1", -30);
    let note = "Ms. Shea (Rhonda Shea), MRN: 257475, seen 03/14/2018, call 508-747-7104.";
    let found = spans(english(), note, None);
    let written = |replacements: &Replacements| {
        let mut out = String::new();
        english().replace(note, &found, replacements, &mut out);
        out
    };
    let surrogate = written(&Replacements::all(Replacement::Surrogate(surrogates.clone())));
    assert_eq!(surrogate, written(&Replacements::all(Replacement::Surrogate(surrogates))));
    for value in ["Shea", "Rhonda", "257475", "747-7104"] {
        assert!(!surrogate.contains(value), "{surrogate}");
    }
    assert!(surrogate.contains("02/12/2018"), "{surrogate}");
    let family = surrogate.strip_prefix("Ms. ").unwrap().split(' ').next().unwrap().to_owned();
    assert_eq!(surrogate.matches(&family).count(), 2, "one person stays one person: {surrogate}");
    let other = written(&Replacements::all(Replacement::Surrogate(Surrogates::new(&key, "patient-2", -30))));
    assert_ne!(other, surrogate, "another patient gets other values");
    let mixed =
        written(&Replacements::all(Replacement::Mask).with(TextClass::Date, Replacement::Year).with(TextClass::Name, Replacement::Keep));
    assert_eq!(mixed, "Ms. Shea (Rhonda Shea), MRN: ******, seen 2018, call ************.");
}

#[test]
fn quasi_identifiers_only_when_asked_for() {
    let all = english().clone().with_classes(ClassSet::all());
    let text = "A 55-year-old woman from Texas, a retired teacher, since 2009; her mother is well.";
    stays(english(), &[text]);
    let classes: Vec<TextClass> = spans(&all, text, None).iter().map(|span| span.class).collect();
    for class in [TextClass::AgeUnder90, TextClass::Sex, TextClass::State, TextClass::Profession, TextClass::Year, TextClass::Relative] {
        assert!(classes.contains(&class), "{class}: {classes:?}");
    }
}

/// A model that finds one word.
struct OneWord(&'static str);

impl Model for OneWord {
    fn spans(&self, text: &str) -> Result<Vec<Span>, TextError> {
        if self.0.is_empty() {
            return Err(TextError::Model("no weights".to_owned()));
        }
        let spans = text.match_indices(self.0).map(|(at, found)| Span {
            start: at,
            end: at + found.len(),
            class: TextClass::OtherId,
            rule: RuleId("model"),
            score: 0.9,
        });
        Ok(spans.chain([Span { start: 5, end: 9_999_999, class: TextClass::Name, rule: RuleId("model"), score: 1.0 }]).collect())
    }
}

#[test]
fn a_model_joins_in_and_its_failure_is_no_success() {
    let with = english().clone().with_model(std::sync::Arc::new(OneWord("zebra")));
    assert_eq!(tagged(&with, "The zebra saw Dr. Kim.", None), "The [OTHER-ID] saw Dr. [NAME].");
    let failing = english().clone().with_model(std::sync::Arc::new(OneWord("")));
    assert!(failing.spans("text", None, &mut Vec::new()).is_err());
}

#[test]
fn a_stream_gives_what_the_whole_text_gives() {
    let mut text = String::new();
    for number in 0..12_000 {
        let _ = writeln!(text, "Line {number}: seen by Dr. Kova\u{10d} on 03/14/2018, MRN: {}. BP 120/80, no fever.", 100_000 + number);
    }
    let replacements = Replacements::all(Replacement::Tag);
    let mut streamed = Vec::new();
    let count = english().scrub(text.as_bytes(), None, &replacements, &mut streamed).unwrap();
    let whole = tagged(english(), &text, None);
    assert_eq!(String::from_utf8(streamed).unwrap(), whole);
    assert_eq!(count, 36_000);
    assert!(!whole.contains("Kova") && !whole.contains("/2018"));
}

#[test]
fn bytes_that_are_no_text_do_not_stop_a_stream() {
    let mut out = Vec::new();
    english().scrub(&b"Dr. Kim \xff\xfe saw \xc3"[..], None, &Replacements::all(Replacement::Tag), &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "Dr. [NAME] \u{fffd}\u{fffd} saw \u{fffd}");
}

#[test]
fn cost_is_linear() {
    // What is long of one kind must not be looked at again and again.
    for unit in [
        "a.",
        "1-",
        "A ",
        "Dr. ",
        "1 ",
        "(",
        "::",
        "@",
        "12/",
        "St. ",
        "Mary ",
        "MRN ",
        "of the ",
        "Hospital ",
        "0",
        "x",
        "de la ",
        "Mary de ",
        "Calle ",
        "1-2 ",
        "May ",
    ] {
        let time = |count: usize| {
            let text = unit.repeat(count);
            let start = std::time::Instant::now();
            let _ = spans(english(), &text, None);
            start.elapsed().as_secs_f64()
        };
        let (small, large) = (time(1_000), time(16_000));
        assert!(large < 16.0 * 12.0 * small.max(0.002), "{unit:?}: {small} then {large}");
    }
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => Just("Dr. Smith "), 2 => Just("MRN: "), 2 => Just("257475"), 2 => Just("03/14/2018"), 1 => Just("\n\n"), 1 => Just("\u{e9}\u{301}"), 1 => Just("\u{1f600}"),
        1 => Just("a@b.co"), 1 => Just("Name: "), 1 => Just("Calle "), 1 => Just("St. "), 1 => Just("Hospital "), 1 => Just("of the "), 1 => Just("(555) 123-"), 1 => Just("::1"),
        1 => Just("May "), 1 => Just("\u{130}\u{df} "), 1 => Just("'"), 1 => Just(", "), 1 => Just("95 year old "), 1 => Just("#"), 1 => Just("O\u{2019}Neil "), 1 => Just("n\u{ba} 3\u{aa} ")
    ];
    prop_oneof![proptest::collection::vec(piece, 0..40).prop_map(|parts| parts.concat()), "\\PC{0,200}", any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn spans_are_in_order_within_bounds_and_on_characters(text in pieces()) {
        let all = english().clone().with_classes(ClassSet::all());
        let mut known = KnownPatient::new();
        known.add_name("Smith Anna");
        known.add_address("3 Hospital of the St");
        known.add_identifier("257475", TextClass::Mrn);
        for scrubber in [&all, spanish()] {
            let found = spans(scrubber, &text, Some(&known));
            let mut last = 0;
            for span in &found {
                prop_assert!(last <= span.start && span.start < span.end && span.end <= text.len());
                prop_assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end));
                prop_assert!((0.0..=1.0).contains(&span.score));
                last = span.end;
            }
            let kept = { let mut out = String::new(); scrubber.replace(&text, &found, &Replacements::all(Replacement::Keep), &mut out); out };
            prop_assert_eq!(&kept, &text);
        }
    }

    #[test]
    fn replacing_never_fails(text in pieces(), cuts in proptest::collection::vec((0usize..300, 0usize..300), 0..8), days in -90_000i32..90_000) {
        let spans: Vec<Span> = cuts.into_iter().map(|(start, end)| Span { start, end, class: TextClass::ALL[(start + end) % TextClass::ALL.len()], rule: RuleId("test"), score: 0.5 }).collect();
        let surrogates = Surrogates::new(&[1; 32], "p", days);
        for replacement in [Replacement::Tag, Replacement::Mask, Replacement::ShiftDate { days }, Replacement::Year, Replacement::Surrogate(surrogates)] {
            let mut out = String::new();
            english().replace(&text, &spans, &Replacements::all(replacement), &mut out);
        }
    }
}
