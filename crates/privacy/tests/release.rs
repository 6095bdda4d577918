//! Whole releases: what each profile lets out of a table, and what it refuses.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Date32Array, DictionaryArray, Float64Array, Int32Array, Int64Array, LargeStringArray,
        ListArray, RecordBatch, StringArray, StringViewArray, StructArray, TimestampMicrosecondArray,
    },
    buffer::OffsetBuffer,
    datatypes::{DataType, Date32Type, Field, Int32Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType},
    ipc::writer::StreamWriter,
};
use proptest::prelude::*;
use sutura_core::{ColumnMeta, PhiClass};
use sutura_privacy::{BUILTIN, Deidentifier, KeyRing, LegalBasis, MemoryVault, Method, Policy, PrivacyError, Profile, Scope, Vault};

fn text(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringViewArray::from(values.to_vec()))
}

fn field(name: &str, array: &ArrayRef, class: PhiClass) -> Field {
    let meta = ColumnMeta { phi: Some(class), patient: name == "patient_id", ..ColumnMeta::default() };
    meta.apply(Field::new(name, array.data_type().clone(), true))
}

fn table(columns: Vec<(&str, PhiClass, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> = columns.iter().map(|(name, class, array)| field(name, array, class.clone())).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, _, array)| array).collect()).unwrap()
}

fn facts() -> LegalBasis {
    let mut facts = LegalBasis::default();
    for (key, value) in [
        ("agreement", "DUA-7"),
        ("recipient", "a university"),
        ("purpose", "research"),
        ("expert", "A. Statistician"),
        ("method", "k-anonymity"),
        ("document", "R-2026-1"),
        ("determined_on", "2026-01-01"),
        ("expires_on", "2999-12-31"),
        ("quasi_identifiers", "assessed"),
        ("assessment", "A-2026-3"),
        ("singling_out", "groups of ten and more"),
        ("linkability", "no codes"),
        ("inference", "assessed"),
        ("release_context", "a secure room"),
    ] {
        facts.set(key, value);
    }
    facts
}

fn deidentifier(policy: Policy) -> Deidentifier {
    let vault: Arc<dyn Vault> = Arc::new(MemoryVault::new().unwrap());
    Deidentifier::new(policy.with_legal(&facts()), &KeyRing::generate().unwrap(), Scope::new("project", "domain"), Some(vault)).unwrap()
}

fn builtin(name: &str) -> Deidentifier {
    deidentifier(Policy::builtin(name).unwrap())
}

fn policy(profile: &str, rules: &str) -> Policy {
    let text = format!(
        "name = \"test\"\nversion = \"1\"\nprofile = \"{profile}\"\nreference_date = 2999-01-01\n[legal]\nquasi_identifiers = \"assessed\"\n{rules}"
    );
    Policy::from_toml(&text, "test.toml").unwrap()
}

/// Rules for `profile = "none"` that give one class one method.
fn one(class: &str, method: &str) -> Deidentifier {
    deidentifier(policy("none", &format!("[classes]\nmrn = \"keep\"\n{class} = {method}\n")))
}

fn apply(deidentifier: &Deidentifier, batch: &RecordBatch) -> RecordBatch {
    deidentifier.plan(&batch.schema()).unwrap().apply(batch).unwrap()
}

fn column(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let array = batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
    array.as_string_view().iter().map(|value| value.map(str::to_owned)).collect()
}

/// Every byte that a reader of the output could see, metadata included.
fn bytes_of(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn holds(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

/// One planted value for every class, in columns the policies have no special rule for.
fn planted() -> (RecordBatch, Vec<&'static str>) {
    let mut columns: Vec<(&str, PhiClass, ArrayRef)> = Vec::new();
    let mut secrets = Vec::new();
    let classes: [(&str, PhiClass, &'static str); 20] = [
        ("patient_id", PhiClass::Mrn, "PLANTED-MRN-0001"),
        ("family_name", PhiClass::Name, "PLANTED-NAME-0002"),
        ("street", PhiClass::Geography, "PLANTED-STREET-0003"),
        ("postal_code", PhiClass::Geography, "02139-4307"),
        ("birth_date", PhiClass::Date, "1980-05-17"),
        ("phone", PhiClass::Phone, "617-555-0104"),
        ("fax", PhiClass::Fax, "617-555-0105"),
        ("email", PhiClass::Email, "planted06@example.org"),
        ("ssn", PhiClass::Ssn, "900-12-3407"),
        ("member", PhiClass::HealthPlan, "PLANTED-PLAN-0008"),
        ("account", PhiClass::Account, "PLANTED-ACCOUNT-0009"),
        ("licence", PhiClass::Licence, "PLANTED-LICENCE-0010"),
        ("plate", PhiClass::Vehicle, "PLANTED-PLATE-0011"),
        ("device", PhiClass::Device, "PLANTED-DEVICE-0012"),
        ("url", PhiClass::Url, "https://planted13.example.org"),
        ("ip", PhiClass::Ip, "203.0.113.14"),
        ("finger", PhiClass::Biometric, "PLANTED-FINGER-0015"),
        ("face", PhiClass::Photo, "PLANTED-FACE-0016"),
        ("order_number", PhiClass::OtherId, "PLANTED-OTHER-0017"),
        ("note", PhiClass::FreeText, "PLANTED-NOTE-0018 seen by PLANTED-NAME-0002"),
    ];
    for (name, class, secret) in classes {
        columns.push((name, class, text(&[Some(secret), None])));
        secrets.push(secret);
    }
    // A clinical column whose views point into a buffer that holds a whole message.
    let message = StringArray::from(vec![Some("MSH|PLANTED-BUFFER-0019|glucose in blood"), Some("unused")]);
    let (_, values, _) = message.into_parts();
    let mut views = arrow::array::StringViewBuilder::new();
    let block = views.append_block(values);
    views.try_append_view(block, 24, 16).unwrap();
    views.append_null();
    columns.push(("test_name", PhiClass::Clinical, Arc::new(views.finish())));
    secrets.push("PLANTED-BUFFER-0019");
    (table(columns), secrets)
}

#[test]
fn nothing_planted_leaves_under_safe_harbor() {
    let (batch, secrets) = planted();
    let deidentifier = builtin("hipaa-safe-harbor");
    let plan = deidentifier.plan(&batch.schema()).unwrap();
    let released = plan.apply(&batch).unwrap();
    let bytes = bytes_of(&released);
    for secret in &secrets {
        assert!(!holds(&bytes, secret), "{secret} left");
        assert!(!format!("{plan:?} {deidentifier:?}").contains(secret));
    }
    assert!(!holds(&bytes, "-05-17") && !holds(&bytes, "02139"));
    assert_eq!(column(&released, "birth_date"), [Some("1980".into()), None]);
    assert_eq!(column(&released, "postal_code"), [Some("021".into()), None]);
    assert_eq!(column(&released, "note"), [None, None]);
    assert_eq!(column(&released, "test_name"), [Some("glucose in blood".into()), None]);
    assert!(column(&released, "patient_id")[0].as_ref().unwrap().starts_with("mrn-"));
    assert!(released.column_by_name("family_name").is_none());
    for field in released.schema().fields() {
        let meta = ColumnMeta::from_field(field);
        assert!(!meta.must_refuse(), "a sink would refuse {}", field.name());
    }
    let year = ColumnMeta::from_field(released.schema().field_with_name("birth_date").unwrap());
    assert_eq!(year.deid.as_deref(), Some("year@hipaa-safe-harbor/1"));
}

#[test]
fn direct_identifiers_leave_under_no_builtin() {
    let (batch, secrets) = planted();
    for (name, _) in BUILTIN {
        let bytes = bytes_of(&apply(&builtin(name), &batch));
        for secret in secrets.iter().filter(|secret| !["1980-05-17", "02139-4307"].contains(secret)) {
            assert!(!holds(&bytes, secret), "{secret} left under {name}");
        }
    }
}

#[test]
fn a_limited_data_set_keeps_dates_and_zip_but_stays_phi() {
    let (batch, _) = planted();
    let released = apply(&builtin("limited-data-set"), &batch);
    assert_eq!(column(&released, "birth_date"), [Some("1980-05-17".into()), None]);
    assert_eq!(column(&released, "postal_code"), [Some("02139-4307".into()), None]);
    let schema = released.schema();
    assert!(ColumnMeta::from_field(schema.field_with_name("birth_date").unwrap()).must_refuse(), "still PHI: the sink asks for a purpose");
    assert!(!ColumnMeta::from_field(schema.field_with_name("patient_id").unwrap()).must_refuse());
}

#[test]
fn every_forbidden_combination_is_refused_with_its_paragraph() {
    use PhiClass::*;
    let direct = [Name, Phone, Fax, Email, Ssn, Mrn, HealthPlan, Account, Licence, Vehicle, Device, Url, Ip, Biometric, Photo];
    let word = |word: &str| Method::from_word(word).unwrap();
    let refused = |profile: Profile, class: &PhiClass, method: &str, citation: &str| {
        let refusal = profile.permits(class, &word(method)).unwrap_err();
        assert!(refusal.citation.contains(citation), "{profile} {class} {method}: {refusal}");
    };
    let allowed = |profile: Profile, class: &PhiClass, method: &str| {
        profile.permits(class, &word(method)).unwrap_or_else(|refusal| panic!("{profile} {class} {method}: {refusal}"));
    };
    let safe = Profile::HipaaSafeHarbor;
    // A code for a text, a picture or a date helps nobody but who wants to find the person.
    for (class, profile) in [FreeText, Photo, Date].iter().flat_map(|class| Profile::ALL.map(|profile| (class, profile))) {
        assert!(profile.permits(class, &word("vault-code")).is_err(), "{class} under {profile}");
    }
    for class in &PhiClass::ALL {
        refused(safe, class, "pseudonym", "164.514(c)(1)");
        refused(safe, class, "encrypt", "164.514(c)(1)");
        for profile in Profile::ALL {
            for method in ["drop", "redact", "mask"] {
                allowed(profile, class, method);
            }
            if *class != Date {
                assert!(profile.permits(class, &word("shift-date")).is_err() && profile.permits(class, &word("year")).is_err());
            }
            if *class != Geography {
                assert!(profile.permits(class, &word("zip3")).is_err());
            }
        }
    }
    for (class, letter) in direct.iter().zip(["A", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P", "Q"]) {
        refused(safe, class, "keep", &format!("164.514(b)(2)(i)({letter})"));
        if *class != Photo {
            allowed(safe, class, "vault-code");
        }
        refused(Profile::LimitedDataSet, class, "keep", "164.514(e)(2)");
        refused(Profile::ExpertDetermination, class, "keep", "164.514(b)(1)");
        refused(Profile::GdprPseudonymised, class, "keep", "GDPR Art. 4(5)");
        for profile in [Profile::LimitedDataSet, Profile::ExpertDetermination, Profile::GdprPseudonymised] {
            allowed(profile, class, "pseudonym");
            refused(profile, &FreeText, "keep", "");
        }
    }
    for (class, method, citation) in [
        (Geography, "keep", "(B)"),
        (Date, "keep", "(C)"),
        (Date, "shift-date", "(C)"),
        (Age, "keep", "(C)"),
        (OtherId, "keep", "(R)"),
        (FreeText, "keep", "164.514(b)(2)(i)"),
    ] {
        refused(safe, &class, method, citation);
    }
    for (class, method) in [(Date, "year"), (Date, "age-band"), (Age, "age-band"), (Geography, "zip3"), (Quasi, "keep"), (Clinical, "keep")]
    {
        allowed(safe, &class, method);
    }
    refused(Profile::LimitedDataSet, &Geography, "keep", "164.514(e)(2)(ii)");
    allowed(Profile::LimitedDataSet, &Date, "keep");
    allowed(Profile::LimitedDataSet, &Age, "keep");
    allowed(Profile::ExpertDetermination, &Date, "shift-date");
    refused(Profile::ExpertDetermination, &OtherId, "keep", "164.514(b)(1)");
    for class in [Date, Geography, Age] {
        refused(Profile::GdprPseudonymised, &class, "keep", "GDPR");
    }
    allowed(Profile::None, &Name, "keep");
}

/// What the laws without a fixed list refuse whatever the assessment says.
#[test]
fn anonymous_data_has_no_codes_and_the_assessed_profiles_keep_no_identifier() {
    use PhiClass::*;
    let word = |word: &str| Method::from_word(word).unwrap();
    let citation =
        |profile: Profile, class: &PhiClass, method: &str| profile.permits(class, &word(method)).map_err(|refusal| refusal.citation);
    for class in &PhiClass::ALL {
        for method in ["pseudonym", "vault-code", "encrypt", "shift-date", "scrub"] {
            assert!(Profile::GdprAnonymous.permits(class, &word(method)).is_err(), "{class} {method}");
        }
        assert!(Profile::Pipeda.permits(class, &word("encrypt")).is_err() && Profile::Australia.permits(class, &word("encrypt")).is_err());
    }
    assert_eq!(citation(Profile::GdprAnonymous, &Mrn, "vault-code"), Err("GDPR Recital 26, WP216 (linkability)"));
    assert!(Profile::GdprAnonymous.permits(&Age, &Method::AgeBand { scheme: sutura_privacy::AgeScheme::TopCode }).is_err());
    for (class, method) in [(Date, "year"), (Age, "age-band"), (Geography, "zip3"), (Clinical, "keep"), (Operational, "keep")] {
        citation(Profile::GdprAnonymous, &class, method).unwrap();
    }
    for class in [Quasi, Age, Date, Geography, Name, OtherId] {
        citation(Profile::GdprAnonymous, &class, "keep").unwrap_err();
    }
    for (profile, law) in [(Profile::Pipeda, "PIPEDA s. 2(1)"), (Profile::Australia, "Privacy Act 1988")] {
        for class in [Name, Mrn, Ssn, Photo, OtherId, FreeText, Date, Age, Geography] {
            assert!(citation(profile, &class, "keep").unwrap_err().starts_with(law), "{profile} {class}");
        }
        for (class, method) in [(Mrn, "vault-code"), (Mrn, "pseudonym"), (Date, "shift-date"), (Quasi, "keep"), (FreeText, "scrub")] {
            citation(profile, &class, method).unwrap();
        }
    }
    // Medicare numbers, IHI and tax file numbers: no code worked out from them.
    for class in [Ssn, HealthPlan] {
        assert_eq!(citation(Profile::Australia, &class, "pseudonym"), Err("Privacy Act 1988 (Cth) Sch. 1, APP 9.1"));
        citation(Profile::Australia, &class, "vault-code").unwrap();
        citation(Profile::Pipeda, &class, "pseudonym").unwrap();
    }
    // A column that the assessment covers may stay by name.
    policy("pipeda", "[classes]\ndate=\"year\"\nage=\"drop\"\nquasi=\"keep\"\ngeography=\"drop\"\n[columns]\nadmitted = \"keep\"\n");
}

#[test]
fn the_assessed_profiles_need_their_facts() {
    let today = chrono::NaiveDate::from_ymd_opt(2026, 6, 1).unwrap();
    for (name, needed) in [
        ("gdpr-anonymous", vec!["assessment", "singling_out", "linkability", "inference"]),
        ("pipeda", vec!["assessment", "quasi_identifiers"]),
        ("australia", vec!["assessment", "release_context"]),
    ] {
        let policy = Policy::builtin(name).unwrap();
        let missing: Vec<String> = policy.check_legal(today).unwrap_err().into_iter().map(|problem| problem.key).collect();
        assert_eq!(missing, needed.iter().map(|key| format!("legal.{key}")).collect::<Vec<_>>());
        assert!(Deidentifier::new(policy.clone(), &KeyRing::generate().unwrap(), Scope::new("p", "d"), None).is_err());
        policy.with_legal(&facts()).check_legal(today).unwrap();
    }
}

#[test]
fn text_is_scrubbed_and_its_dates_follow_the_policy() {
    let note = "Seen 03/14/2018 by Dr. Stevens, MRN: 257475, born 07/04/1921. BP 120/80.";
    let batch =
        table(vec![("patient_id", PhiClass::Mrn, text(&[Some("A-1"), None])), ("note", PhiClass::FreeText, text(&[Some(note), None]))]);
    let scrubbed = |profile: &str, date: &str| {
        let rules = format!("extends = \"{profile}\"\n[classes]\nfree-text = \"scrub\"\n{date}");
        let policy = Policy::from_toml(&format!("name = \"t\"\nversion = \"1\"\n{rules}"), "t.toml").unwrap();
        let released = apply(&deidentifier(policy), &batch);
        assert!(ColumnMeta::from_field(released.schema().field_with_name("note").unwrap()).deid.as_deref() == Some("scrub@t/1"));
        let notes = column(&released, "note");
        assert_eq!(notes[1], None);
        notes[0].clone().unwrap()
    };
    let safe = scrubbed("hipaa-safe-harbor", "");
    assert_eq!(safe, "Seen 2018 by Dr. [NAME], MRN: [MRN], born [DATE]. BP 120/80.", "a year that shows an age over 89 goes");
    assert!(scrubbed("limited-data-set", "").contains("Seen 03/14/2018 by Dr. [NAME]"));
    let moved = scrubbed("expert-determination", "");
    assert!(!moved.contains("03/14/2018") && !moved.contains("[DATE]") && moved.contains("[MRN]"), "{moved}");
    assert!(scrubbed("expert-determination", "date = \"redact\"\n").starts_with("Seen [DATE] by"));
    // Without a patient nothing can move, and nothing stays.
    let alone = table(vec![("note", PhiClass::FreeText, text(&[Some(note)]))]);
    let rules = "[classes]\nfree-text = \"scrub\"\ndate = \"shift-date\"\n";
    assert!(column(&apply(&deidentifier(policy("none", rules)), &alone), "note")[0].as_ref().unwrap().starts_with("Seen [DATE] by"));
    let spanish = "[classes]\nfree-text = { method = \"scrub\", languages = [\"es\"] }\n";
    assert_eq!(policy("none", spanish).classes[0].method, Method::Scrub { languages: vec!["es".into()] });
    for wrong in ["[\"fr\"]", "[]", "\"en\"", "[1]"] {
        let rules = format!(
            "name = \"p\"\nversion = \"1\"\nprofile = \"none\"\n[classes]\nfree-text = {{ method = \"scrub\", languages = {wrong} }}\n"
        );
        let Err(PrivacyError::Policy(problems)) = Policy::from_toml(&rules, "p.toml") else { panic!("{wrong} loaded") };
        assert_eq!(problems[0].key, "classes.free-text.languages");
    }
}

#[test]
fn a_policy_that_its_profile_forbids_does_not_load() {
    let text = "name = \"p\"\nversion = \"1\"\nextends = \"hipaa-safe-harbor\"\n[classes]\nmrn = \"pseudonym\"\n[columns]\nbirth_date = \"shift-date\"\n";
    let Err(PrivacyError::Policy(problems)) = Policy::from_toml(text, "p.toml") else { panic!("loaded") };
    assert_eq!(
        problems.iter().map(|problem| (problem.line, problem.key.as_str())).collect::<Vec<_>>(),
        [(5, "classes.mrn"), (7, "columns.birth_date")]
    );
    assert!(problems[0].message.contains("164.514(c)(1)") && problems[0].message.contains("vault-code"));
}

#[test]
fn a_vault_code_for_texts_pictures_or_dates_does_not_load() {
    let rules = "[classes]\nfree-text = \"vault-code\"\nphoto = \"vault-code\"\ndate = \"vault-code\"\nother-id = \"vault-code\"\n";
    let text = format!("name = \"p\"\nversion = \"1\"\nextends = \"hipaa-safe-harbor\"\n{rules}");
    let Err(PrivacyError::Policy(problems)) = Policy::from_toml(&text, "p.toml") else { panic!("loaded") };
    let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["classes.date", "classes.free-text", "classes.photo"]);
}

#[test]
fn text_in_the_place_of_a_code_is_suppressed_and_counted() {
    let array = text(&[Some("ADT"), Some("JOHN SMITH 555-0100"), None, Some("ORU"), Some("1980-01-01")]);
    let column = |path: &str| {
        let meta = ColumnMeta { path: Some(path.into()), ..ColumnMeta::of(PhiClass::Operational) };
        meta.apply(Field::new("code", array.data_type().clone(), true))
    };
    for (profile, path, kept) in
        [("hipaa-safe-harbor", "MSH-9.1", 2), ("hipaa-safe-harbor", "ZPI-1", 4), ("gdpr-pseudonymised", "OBX-2", 2)]
    {
        let schema = Arc::new(Schema::new(vec![column(path)]));
        let plan = builtin(profile).plan(&schema).unwrap();
        let out = plan.apply(&RecordBatch::try_new(Arc::clone(&schema), vec![Arc::clone(&array)]).unwrap()).unwrap();
        let values: Vec<Option<&str>> = out.column(0).as_string_view().iter().collect();
        assert_eq!(values.iter().flatten().count(), kept, "{values:?}");
        assert_eq!((values[0], values[3]), (Some("ADT"), Some("ORU")));
        assert_eq!(plan.statistics()[0].suppressed, 4 - kept as u64);
    }
}

/// Operational columns of FHIR: the last element of the path says what they hold.
#[test]
fn operational_columns_of_fhir_are_held_to_a_form() {
    let cases: [(&str, &[&str], &[&str]); 6] = [
        (
            "Observation.status",
            &["final", "entered-in-error", "EVN", "R1.1"],
            &["John Smith 919-28-3746 born 1931-07-13", "1931-07-13", "JohnSmith", "smith@mail.example"],
        ),
        (
            "Observation.code.coding.system",
            &[
                "http://loinc.org",
                "http://terminology.hl7.org/CodeSystem/v2-0203",
                "urn:oid:2.16.840.1.113883.6.238",
                "https://labs.example/codes",
            ],
            &["mailto:john.smith@mail.example?tel=617-555-0199", "http://h.example/mrn/919283746", "http://h.example/JohnSmith", "Smith"],
        ),
        (
            "Resource.meta.profile",
            &["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient|5.0.1 http://hl7.org/fhir/StructureDefinition/Patient"],
            &["http://h.example/john-1931-07-13", "http://hl7.org/fhir/StructureDefinition/JohnSmith-1931-07-13"],
        ),
        (
            "DocumentReference.content.attachment.contentType",
            &["application/pdf", "text/plain; charset=utf-8"],
            &["text/plain; name=John Smith"],
        ),
        ("Device.version.value", &["4.2.1", "R3-b"], &["19310713", "John Smith"]),
        (
            "ClinicalDocument.templateId",
            &["2.16.840.1.113883.10.20.22.1.2:2015-08-01 2.16.840.1.113883.10.20.22.1.1"],
            &["1.2.3.919283746", "John"],
        ),
    ];
    for (path, stay, go) in cases {
        let values: Vec<Option<&str>> = stay.iter().chain(go).map(|value| Some(*value)).collect();
        let meta = ColumnMeta { path: Some(path.into()), ..ColumnMeta::of(PhiClass::Operational) };
        let array = text(&values);
        let schema = Arc::new(Schema::new(vec![meta.apply(Field::new("column", array.data_type().clone(), true))]));
        let plan = builtin("hipaa-safe-harbor").plan(&schema).unwrap();
        let out = plan.apply(&RecordBatch::try_new(schema, vec![array]).unwrap()).unwrap();
        let out: Vec<Option<&str>> = out.column(0).as_string_view().iter().collect();
        let wanted: Vec<Option<&str>> = stay.iter().map(|value| Some(*value)).chain(go.iter().map(|_| None)).collect();
        assert_eq!(out, wanted, "{path}");
    }
}

#[test]
fn columns_of_images_are_held_to_a_form_and_uids_stay_uids() {
    let values = |rows: &[&str]| text(&rows.iter().map(|row| Some(*row)).collect::<Vec<_>>());
    let of = |name: &str, path: &str, class: PhiClass| {
        let meta = ColumnMeta { path: Some(path.to_owned()), ..ColumnMeta::of(class) };
        meta.apply(Field::new(name, DataType::Utf8View, true))
    };
    let (technical, id) = (PhiClass::Operational, PhiClass::OtherId);
    let columns = [
        ("sop_class_uid", "(0008,0016)", technical.clone(), ["1.2.840.10008.5.1.4.1.1.2", "1.2.840.113619.2.55.3.2831178355.9"]),
        ("implementation_class_uid", "(0002,0012)", technical.clone(), ["1.2.276.0.7230010.3.0.3.6.4", "1.2.3.19611224.1"]),
        ("manufacturer_model_name", "(0008,1090)", technical.clone(), ["Discovery MR750w", "scanner of 24.12.1961"]),
        ("specific_character_set", "(0008,0005)", technical.clone(), ["ISO_IR 100\\ISO 2022 IR 87", "Jane Doe"]),
        ("image_flag", "(0028,0006)", technical, ["ORIGINAL\\PRIMARY", "Jane Doe was here"]),
        ("sop_instance_uid", "(0008,0018)", id, ["1.2.3", "1.2.4"]),
    ];
    let schema = Schema::new(columns.iter().map(|(name, path, class, _)| of(name, path, class.clone())).collect::<Vec<_>>());
    let batch = RecordBatch::try_new(Arc::new(schema), columns.iter().map(|(.., rows)| values(rows)).collect()).unwrap();
    let deidentifier = builtin("gdpr-pseudonymised");
    let released = apply(&deidentifier, &batch);
    for (name, _, _, rows) in &columns[..5] {
        assert_eq!(column(&released, name), [Some(rows[0].to_owned()), None], "{name}");
    }
    let code = |uid: &str| deidentifier.context().pseudonym("other-id", uid).map(|code| sutura_privacy::uid_of_code(&code));
    assert_eq!(column(&released, "sop_instance_uid"), [code("1.2.3"), code("1.2.4")]);
}

#[test]
fn columns_that_cannot_be_released_are_all_named() {
    let number: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
    let batch = table(vec![
        ("weird", PhiClass::Mrn, number.clone()),
        ("town", PhiClass::Geography, text(&[Some("x")])),
        ("value", PhiClass::Clinical, number.clone()),
    ]);
    let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("mystery", DataType::Utf8View, true)));
    let schema = Schema::new(fields);
    let rules = "[classes]\nmrn = \"vault-code\"\ngeography = \"zip3\"\n";
    let Err(PrivacyError::Plan { problems, .. }) = deidentifier(policy("hipaa-safe-harbor", rules)).plan(&schema) else {
        panic!("planned")
    };
    let found: Vec<_> = problems.iter().map(|problem| (problem.column.as_str(), problem.class.as_str())).collect();
    assert_eq!(found, [("weird", "mrn"), ("value", "clinical"), ("mystery", "unclassified")]);
    assert!(problems[0].reason.contains("Float64"));
}

#[test]
fn a_shift_needs_the_patient() {
    let batch = table(vec![("date", PhiClass::Date, text(&[Some("2026-03-01")]))]);
    let Err(PrivacyError::Plan { problems, .. }) = one("date", "\"shift-date\"").plan(&batch.schema()) else { panic!("planned") };
    assert!(problems[0].reason.contains("sutura.patient"));
}

#[test]
fn vault_codes_need_a_vault() {
    let batch = table(vec![("patient_id", PhiClass::Mrn, text(&[Some("1")]))]);
    let policy = Policy::builtin("hipaa-safe-harbor").unwrap();
    let deidentifier = Deidentifier::new(policy, &KeyRing::generate().unwrap(), Scope::new("p", "d"), None).unwrap();
    assert!(deidentifier.plan(&batch.schema()).unwrap_err().to_string().contains("vault"));
}

#[test]
fn missing_legal_facts_stop_a_release() {
    let keys = KeyRing::generate().unwrap();
    for name in ["limited-data-set", "expert-determination"] {
        let result = Deidentifier::new(Policy::builtin(name).unwrap(), &keys, Scope::new("p", "d"), None);
        assert!(matches!(result, Err(PrivacyError::Policy(_))), "{name}");
    }
    let result = Deidentifier::new(Policy::builtin("gdpr-pseudonymised").unwrap(), &keys, Scope::new("p", " "), None);
    assert!(result.unwrap_err().to_string().contains("domain"));
}

#[test]
fn what_a_query_treated_passes_only_if_the_profile_permits_it() {
    let treated = |deid: &str| {
        let meta = ColumnMeta { phi: Some(PhiClass::Mrn), deid: Some(deid.into()), ..ColumnMeta::default() };
        Schema::new(vec![meta.apply(Field::new("id", DataType::Utf8View, true))])
    };
    let safe = builtin("hipaa-safe-harbor");
    for good in ["vault-code@hipaa-safe-harbor/1", "mask", "zip3@x/1+age-band"] {
        let plan = safe.plan(&treated(good)).unwrap();
        assert!(plan.columns()[0].was_treated(), "{good}");
        assert_eq!(ColumnMeta::from_field(plan.output_schema().field(0)).deid.as_deref(), Some(good));
    }
    for bad in ["pseudonym@other/1", "encrypt", "zip3+pseudonym", "keep@other/1", "magic", ""] {
        assert!(safe.plan(&treated(bad)).is_err(), "{bad}");
    }
}

#[test]
fn the_same_patient_is_the_same_in_every_table_type_and_batch() {
    let deidentifier = deidentifier(policy("none", "[classes]\nmrn = \"pseudonym\"\ndate = \"shift-date\"\n"));
    let ids = ["7", "8", "7"];
    let forms: Vec<ArrayRef> = vec![
        Arc::new(StringViewArray::from(ids.to_vec())),
        Arc::new(StringArray::from(ids.to_vec())),
        Arc::new(LargeStringArray::from(ids.to_vec())),
        Arc::new(ids.into_iter().collect::<DictionaryArray<Int32Type>>()),
        Arc::new(Int64Array::from(vec![7, 8, 7])),
        Arc::new(Int32Array::from(vec![7, 8, 7])),
    ];
    let mut answers = Vec::new();
    for form in forms {
        let batch = table(vec![
            ("patient_id", PhiClass::Mrn, form),
            ("when", PhiClass::Date, text(&[Some("2026-03-01"), Some("2026-03-01"), Some("2026-03-05T10:00-05:00")])),
            ("day", PhiClass::Date, Arc::new(Date32Array::from(vec![Some(20_513), None, Some(20_517)]))),
        ]);
        let out = apply(&deidentifier, &batch);
        let days: Vec<_> = out.column_by_name("day").unwrap().as_primitive::<Date32Type>().iter().collect();
        assert_eq!(days[2].unwrap() - days[0].unwrap(), 4, "intervals stay");
        answers.push((column(&out, "patient_id"), column(&out, "when"), days));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let (ids, when, days) = &answers[0];
    assert_eq!(ids[0], ids[2]);
    assert_ne!(ids[0], ids[1]);
    assert!(when[2].as_ref().unwrap().ends_with("T10:00-05:00"));
    // 20513 days after 1970-01-01 is 2026-03-01: text and date columns moved alike.
    let moved = chrono::NaiveDate::parse_from_str(when[0].as_ref().unwrap(), "%Y-%m-%d").unwrap();
    assert_eq!((moved - chrono::NaiveDate::from_ymd_opt(1970, 1, 1).unwrap()).num_days(), i64::from(days[0].unwrap()));
}

#[test]
fn rows_without_patient_lose_their_dates_and_are_counted() {
    let batch = table(vec![
        ("patient_id", PhiClass::Mrn, text(&[None, Some(" "), Some("1"), Some("1")])),
        ("when", PhiClass::Date, text(&[Some("2026-03-01"), Some("2026-03-01"), Some("2026-03"), None])),
        (
            "instant",
            PhiClass::Date,
            Arc::new(TimestampMicrosecondArray::from(vec![Some(0), Some(0), Some(1_000_000), Some(i64::MAX)]).with_timezone("UTC")),
        ),
    ]);
    let plan = one("date", "\"shift-date\"").plan(&batch.schema()).unwrap();
    let out = plan.apply(&batch).unwrap();
    assert_eq!(column(&out, "when"), [None, None, None, None]);
    let instants = out.column_by_name("instant").unwrap();
    assert_eq!(instants.data_type(), &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    let moved = instants.as_primitive::<TimestampMicrosecondType>();
    assert!(moved.is_null(0) && moved.is_valid(2));
    assert_eq!(moved.value(2).rem_euclid(86_400_000_000), 1_000_000, "the clock stays");
    let statistics = plan.statistics();
    assert_eq!((statistics[1].rows, statistics[1].nulls, statistics[1].changed, statistics[1].suppressed), (4, 1, 0, 3));
}

#[test]
fn years_bands_and_zip_codes_by_type() {
    let reference = "reference_date = 2999-01-01";
    let rules =
        "[classes]\nmrn = \"keep\"\ndate = \"year\"\nage = { method = \"age-band\", scheme = \"top-code\" }\ngeography = \"zip3\"\n";
    let text_policy = format!("name = \"t\"\nversion = \"1\"\nprofile = \"none\"\n{}\n{rules}", reference.replace("2999", "2026"));
    let deidentifier = deidentifier(Policy::from_toml(&text_policy, "t").unwrap());
    let batch = table(vec![
        ("d", PhiClass::Date, Arc::new(Date32Array::from(vec![Some(3_789), Some(-20_000), None]))),
        ("t", PhiClass::Date, text(&[Some("1980-05-17T08:00"), Some("1915"), Some("soon")])),
        ("a", PhiClass::Age, Arc::new(Int64Array::from(vec![Some(47), Some(104), Some(-3)]))),
        ("f", PhiClass::Age, Arc::new(Float64Array::from(vec![Some(47.5), Some(93.0), Some(f64::NAN)]))),
        ("b", PhiClass::Age, text(&[Some("47"), Some("104"), Some("old")])),
        ("z", PhiClass::Geography, Arc::new(Int64Array::from(vec![Some(2139), Some(3601), None]))),
    ]);
    let plan = deidentifier.plan(&batch.schema()).unwrap();
    let out = plan.apply(&batch).unwrap();
    assert_eq!(out.column(0).as_primitive::<Int32Type>().iter().collect::<Vec<_>>(), [Some(1980), None, None]);
    assert_eq!(column(&out, "t"), [Some("1980".into()), Some("1936-or-earlier".into()), None]);
    assert_eq!(out.column(2).as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(47), Some(90), None]);
    let floats = out.column(3).as_primitive::<arrow::datatypes::Float64Type>();
    assert_eq!(floats.iter().collect::<Vec<_>>(), [Some(47.5), Some(90.0), None]);
    assert_eq!(column(&out, "b"), [Some("47".into()), Some("90+".into()), None]);
    assert_eq!(column(&out, "z"), [Some("021".into()), Some("000".into()), None]);
    let counts: Vec<_> = plan.statistics().iter().map(|column| (column.nulls, column.changed, column.suppressed)).collect();
    assert_eq!(counts, [(1, 1, 1), (0, 2, 1), (0, 1, 1), (0, 1, 1), (0, 1, 1), (1, 1, 1)]);
}

#[test]
fn birth_dates_become_age_groups() {
    let rules = "[classes]\ndate = { method = \"age-band\", scheme = \"life-stage\" }\n";
    let deidentifier = deidentifier(
        Policy::from_toml(
            &format!("name = \"t\"\nversion = \"1\"\nprofile = \"hipaa-safe-harbor\"\nreference_date = 2999-06-01\n{rules}"),
            "t",
        )
        .unwrap(),
    );
    let days = |year| {
        (chrono::NaiveDate::from_ymd_opt(year, 6, 2).unwrap() - chrono::NaiveDate::from_ymd_opt(1970, 1, 1).unwrap()).num_days() as i32
    };
    let batch = table(vec![
        ("t", PhiClass::Date, text(&[Some("2981-06-02"), Some("2981-06-01"), Some("2900")])),
        ("d", PhiClass::Date, Arc::new(Date32Array::from(vec![days(2981), days(2980), days(2900)]))),
    ]);
    let out = apply(&deidentifier, &batch);
    for name in ["t", "d"] {
        assert_eq!(column(&out, name), ["paediatric", "adult", "geriatric"].map(|band| Some(band.to_owned())), "{name}");
    }
}

#[test]
fn lists_and_structs_are_taken_apart() {
    let names = StringViewArray::from(vec!["Ann Planted", "Bob Planted", "hidden by a null row"]);
    let item = Arc::new(Field::new("item", DataType::Utf8View, true));
    let list: ArrayRef =
        Arc::new(ListArray::new(item, OffsetBuffer::from_lengths([2, 1, 0]), Arc::new(names), Some(vec![true, false, true].into())));
    let dates: ArrayRef = text(&[Some("2026-03-01"), Some("2026-03-02"), None]);
    let phones: ArrayRef = text(&[Some("555-0100"), None, None]);
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, true]));
    let parts: ArrayRef = Arc::new(StructArray::from(vec![
        (Arc::new(field("start", &dates, PhiClass::Date)), dates),
        (Arc::new(field("call", &phones, PhiClass::Phone)), phones),
        (Arc::new(Field::new("flag", DataType::Boolean, true)), flags),
    ]));
    let batch = table(vec![
        ("patient_id", PhiClass::Mrn, text(&[Some("1"), Some("2"), Some("1")])),
        ("aliases", PhiClass::Name, list),
        ("period", PhiClass::Clinical, parts),
    ]);
    let rules = "[classes]\nmrn = \"keep\"\nname = \"pseudonym\"\ndate = \"shift-date\"\nphone = \"drop\"\nclinical = \"keep\"\n";
    let out = apply(&deidentifier(policy("none", rules)), &batch);
    let aliases = out.column_by_name("aliases").unwrap().as_list::<i32>();
    assert_eq!((0..3).map(|row| aliases.value(row).len()).collect::<Vec<_>>(), [2, 0, 0]);
    let period = out.column_by_name("period").unwrap().as_struct();
    assert_eq!(period.column_names(), ["start", "flag"]);
    assert_ne!(period.column(0).as_string_view().value(0), "2026-03-01");
    let bytes = bytes_of(&out);
    assert!(!holds(&bytes, "Planted") && !holds(&bytes, "hidden by") && !holds(&bytes, "555-0100"));
}

#[test]
fn encrypted_columns_can_be_read_back() {
    let batch = table(vec![("account", PhiClass::Account, text(&[Some("A-1"), None, Some("A-1"), Some("")]))]);
    let deidentifier = one("account", "\"encrypt\"");
    let sealed = column(&apply(&deidentifier, &batch), "account");
    assert_eq!(sealed[0], sealed[2]);
    assert_eq!(deidentifier.context().decrypt("account", sealed[0].as_ref().unwrap()).unwrap(), "A-1");
    assert_eq!(deidentifier.context().decrypt("account", sealed[3].as_ref().unwrap()).unwrap(), "");
    assert_eq!(sealed[1], None);
}

#[test]
fn a_batch_of_another_schema_is_refused() {
    let (batch, _) = planted();
    let plan = builtin("hipaa-safe-harbor").plan(&batch.schema()).unwrap();
    assert!(plan.apply(&batch.project(&[0, 1]).unwrap()).is_err());
    let mut columns = batch.columns().to_vec();
    columns[0] = Arc::new(Int64Array::from(vec![1, 2]));
    let other = RecordBatch::try_from_iter(columns.into_iter().enumerate().map(|(place, column)| (place.to_string(), column))).unwrap();
    assert!(matches!(plan.apply(&other), Err(PrivacyError::SchemaChanged { .. })));
}

#[test]
fn one_column_at_a_time_is_the_same_as_the_batch() {
    let batch = table(vec![
        ("patient_id", PhiClass::Mrn, text(&[Some("1"), Some("2")])),
        ("when", PhiClass::Date, text(&[Some("2026-03-01"), Some("2026-03-01")])),
    ]);
    let plan = one("date", "\"shift-date\"").plan(&batch.schema()).unwrap();
    let whole = plan.apply(&batch).unwrap();
    let when = &plan.columns()[1];
    assert_eq!(when.beside().collect::<Vec<_>>(), [0]);
    assert_eq!(&when.transform(batch.column(1), &[Arc::clone(batch.column(0))]).unwrap(), whole.column(1));
    assert!(when.transform(batch.column(1), &[]).is_err());
}

proptest! {
    #[test]
    fn shifting_keeps_intervals(patient in "[a-z0-9]{1,12}", a in 0i64..80_000, b in 0i64..80_000) {
        let deidentifier = builtin("expert-determination");
        let day = |number: i64| chrono::NaiveDate::from_ymd_opt(1850, 1, 1).unwrap() + chrono::Days::new(number as u64);
        let shift = |date: chrono::NaiveDate| {
            let moved = deidentifier.context().shift_date(&date.to_string(), &patient, 182).unwrap();
            chrono::NaiveDate::parse_from_str(&moved, "%Y-%m-%d").unwrap()
        };
        let (a, b) = (day(a), day(b));
        prop_assert_eq!(b - a, shift(b) - shift(a));
        let moved = (shift(a) - a).num_days();
        prop_assert!(moved != 0 && moved.abs() <= 182);
    }

    #[test]
    fn pseudonyms_are_stable_and_do_not_collide(values in proptest::collection::hash_set("[A-Z0-9-]{1,16}", 1..200)) {
        let deidentifier = one("account", "\"pseudonym\"");
        let values: Vec<String> = values.into_iter().collect();
        let array: ArrayRef = Arc::new(StringViewArray::from_iter_values(values.iter().chain(&values)));
        let batch = table(vec![("account", PhiClass::Account, array)]);
        let out = column(&apply(&deidentifier, &batch), "account");
        let (first, second) = out.split_at(values.len());
        prop_assert_eq!(first, second);
        let by_code: HashMap<_, _> = first.iter().zip(&values).collect();
        prop_assert_eq!(by_code.len(), values.len());
    }

    #[test]
    fn decryption_undoes_encryption(value in ".*", column in "[a-z_]{1,20}") {
        let deidentifier = builtin("expert-determination");
        let sealed = deidentifier.context().encrypt(&column, &value).unwrap();
        prop_assert_eq!(deidentifier.context().decrypt(&column, &sealed).unwrap(), value);
    }

    #[test]
    fn no_text_makes_a_method_panic(value in ".*") {
        let batch = table(vec![
            ("patient_id", PhiClass::Mrn, text(&[Some(&value)])),
            ("birth_date", PhiClass::Date, text(&[Some(&value)])),
            ("when", PhiClass::Date, text(&[Some(&value)])),
            ("age", PhiClass::Age, text(&[Some(&value)])),
            ("zip", PhiClass::Geography, text(&[Some(&value)])),
        ]);
        for name in ["hipaa-safe-harbor", "expert-determination"] {
            apply(&builtin(name), &batch);
        }
    }
}

#[test]
fn every_builtin_plans_every_hl7v2_table() {
    use sutura_core::Format;
    let format = sutura_hl7v2::Hl7v2;
    for (name, _) in BUILTIN {
        let deidentifier = builtin(name);
        for table in format.tables() {
            let plan = deidentifier.plan_table(Some(&table.name), &table.schema());
            let plan = plan.unwrap_or_else(|error| panic!("{name} cannot release {}: {error}", table.name));
            for field in plan.output_schema().fields() {
                let meta = ColumnMeta::from_field(field);
                let class = meta.phi.clone().unwrap();
                assert!(
                    !meta.must_refuse() || (name == "limited-data-set" && matches!(class, PhiClass::Date | PhiClass::Geography)),
                    "{name}: {}.{} of class {class} is kept",
                    table.name,
                    field.name()
                );
            }
        }
    }
}

#[test]
fn the_reference_page_names_every_word() {
    let page = include_str!("../../../docs/src/reference/policy.md");
    let classes = PhiClass::ALL.map(|class| class.as_str().into_owned());
    let words =
        Method::WORDS.into_iter().chain(LegalBasis::KEYS).chain(Profile::ALL.map(Profile::word)).chain(classes.iter().map(String::as_str));
    for word in words {
        assert!(page.contains(&format!("`{word}`")), "{word}");
    }
}

/// A query may turn codes into new columns, which have no path; and some results are ages.
#[test]
fn made_columns_and_ages_among_results_are_held_too() {
    let batch = table(vec![
        ("patient_id", PhiClass::Mrn, text(&[Some("a"), Some("b"), Some("c")])),
        ("loinc_code", PhiClass::Clinical, text(&[Some("30525-0"), Some("30525-0"), Some("718-7")])),
        ("value_number", PhiClass::Clinical, Arc::new(Float64Array::from(vec![97.0, 61.0, 120.0])) as ArrayRef),
        ("made_text", PhiClass::Clinical, text(&[Some("Jane Smith 617-555-0143"), Some("718-7^Hemoglobin"), Some("born 1961-07-04")])),
        ("made_number", PhiClass::Quasi, Arc::new(Int64Array::from(vec![6_175_550_143, 12, 19_610_704])) as ArrayRef),
    ]);
    let plan = builtin("hipaa-safe-harbor").plan(&batch.schema()).unwrap();
    let out = plan.apply(&batch).unwrap();
    let nulls = |name: &str| {
        let column = out.column_by_name(name).unwrap();
        (0..3).map(|row| column.is_null(row)).collect::<Vec<_>>()
    };
    assert_eq!(nulls("value_number"), [true, false, false]);
    assert_eq!(nulls("made_text"), [true, false, true]);
    assert_eq!(nulls("made_number"), [true, false, true]);
    let ages = plan.statistics().into_iter().find(|column| column.column == "value_number").unwrap();
    assert_eq!((ages.rows, ages.suppressed), (3, 1));
}
