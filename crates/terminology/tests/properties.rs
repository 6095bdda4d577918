//! Properties that hold for any input: loaders and parsers end with a value or an error, and what they give hangs together.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Cursor;

use proptest::prelude::*;
use sutura_terminology::{
    AthenaOptions, CodeSystemBuilder, ConceptMapBuilder, Equivalence, ExpandOptions, Filter, FilterOp, Limits, Rule, SnomedOptions,
    Terminology, ValueSet, oid, ucum, v2,
};

/// Text made of pieces of units, so that many of them are units.
fn unit() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "m", "k", "g", "L", "mol", "s", "/", ".", "(", ")", "2", "-1", "10*", "3", "[IU]", "Cel", "[degF]", "{x}", "%", "d", "u", "[pH]",
        "eq", "Pa", "m[Hg]", "B[V]", "^", " ",
    ]);
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_a_unit_or_an_error(text in ".{0,40}", built in unit()) {
        for code in [&text, &built] {
            let parsed = ucum::Unit::parse(code);
            prop_assert_eq!(parsed.is_ok(), ucum::is_valid(code));
            if let Ok(unit) = parsed {
                prop_assert!(unit.is_commensurable(&unit));
                prop_assert!(!unit.dimension().is_empty());
            }
            if let Some(known) = ucum::from_common(code) {
                prop_assert!(ucum::is_valid(&known));
            }
        }
    }

    #[test]
    fn what_is_converted_comes_back(value in -1.0e6..1.0e6_f64, one in unit(), other in unit()) {
        if let (Ok(from), Ok(to)) = (ucum::Unit::parse(&one), ucum::Unit::parse(&other)) {
            prop_assert_eq!(from.is_commensurable(&to), to.is_commensurable(&from));
            if let Ok(there) = from.convert(value, &to)
                && !from.is_special()
                && !to.is_special()
                && there != 0.0
            {
                let back = to.convert(there, &from).unwrap();
                prop_assert!((back - value).abs() <= 1e-9 * value.abs().max(1e-300), "{} {} {} {}", value, one, there, back);
            }
        }
    }

    #[test]
    fn decimals_convert_within_their_precision(whole in 0_u32..100_000, places in 0_usize..5) {
        let text = format!("{:.*}", places, f64::from(whole) / 10_f64.powi(places as i32));
        let value: f64 = text.parse().unwrap();
        let there: f64 = ucum::convert_decimal(&text, "[lb_av]", "kg").unwrap().parse().unwrap();
        let last = 10_f64.powi(-(places as i32)) * 0.453_592_37;
        prop_assert!((there - value * 0.453_592_37).abs() <= last / 2.0 + 1e-9, "{} {}", text, there);
    }

    #[test]
    fn any_text_is_a_number_or_an_error(text in "[-+0-9.eE]{0,12}|.{0,10}") {
        if let Ok(found) = ucum::convert_decimal(&text, "g", "mg") {
            prop_assert!(found.parse::<f64>().is_ok(), "{}", found);
        }
    }

    #[test]
    fn oids_and_names_of_systems(text in "[0-9.]{0,20}|urn:.{0,10}|HL7[0-9]{0,5}|.{0,12}") {
        if let Some(uri) = oid::uri(&text) {
            prop_assert!(uri.contains(':'));
        }
        if oid::is_oid(&text) {
            let uri = oid::uri(&text).unwrap();
            prop_assert!(oid::oid_of_uri(&uri).is_some());
        }
        if let Some(uri) = v2::coding_system_uri(&text) {
            prop_assert!(uri.contains(':') && !uri.contains(char::is_whitespace));
        }
    }

    #[test]
    fn loaders_take_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600), text in "[\\[\\]{}\":,a-z0-9\n\t]{0,200}") {
        for input in [bytes.as_slice(), text.as_bytes()] {
            let mut all = Terminology::empty();
            let limits = Limits { concepts: 100, ..Limits::default() };
            let _ = all.load_fhir(input, &limits);
            let _ = all.load_csv("n", input, &limits);
            let _ = all.load_fhir_package(input, &limits);
            let _ = all.load_athena(Cursor::new(input), &AthenaOptions::default());
            let _ = all.load_snomed(Cursor::new(input), &SnomedOptions::default());
            let _ = all.load_loinc(Cursor::new(input), &limits);
        }
    }

    #[test]
    fn an_expansion_has_what_belongs_to_the_set(
        parents in prop::collection::vec(0_usize..12, 12),
        anchor in 0_usize..12,
        op in prop::sample::select(vec![FilterOp::IsA, FilterOp::DescendentOf, FilterOp::IsNotA, FilterOp::Generalizes, FilterOp::ChildOf]),
        excluded in prop::option::of(0_usize..12),
    ) {
        let mut builder = CodeSystemBuilder::new("urn:s");
        let numbers: Vec<u32> = (0..12).map(|at| builder.add(&format!("c{at}"), "").unwrap()).collect();
        for (child, parent) in parents.iter().enumerate() {
            // Circles too.
            builder.add_parent(numbers[child], numbers[*parent]);
        }
        let rule = |op, at| Rule { filters: vec![Filter::new("concept", op, format!("c{at}"))], ..Rule::system("urn:s") };
        let exclude = excluded.map(|at| rule(FilterOp::IsA, at)).into_iter().collect();
        let mut all = Terminology::empty();
        all.add_code_system(builder.finish());
        all.add_value_set(ValueSet { include: vec![rule(op, anchor)], exclude, ..ValueSet::new("urn:v") });
        let members: Vec<String> = all.expand("urn:v", &ExpandOptions::default()).unwrap().members.into_iter().map(|member| member.code).collect();
        for at in 0..12 {
            let code = format!("c{at}");
            prop_assert_eq!(all.contains("urn:v", "urn:s", &code).unwrap(), members.contains(&code), "{} {:?}", code, members);
        }
    }

    #[test]
    fn a_map_gives_back_what_was_put_in(rows in prop::collection::vec(("[a-c]", "[a-z]{1,3}", "[x-z]", "[A-Z]{1,3}"), 0..40)) {
        let mut builder = ConceptMapBuilder::new("m");
        for (source, code, target, found) in &rows {
            builder.add((source, code), (target, found), Equivalence::Equivalent, "", "").unwrap();
        }
        let map = builder.finish();
        prop_assert_eq!(map.len(), rows.len());
        for (source, code, target, found) in &rows {
            prop_assert!(map.targets(source, code).any(|known| known.system == target && known.code == found));
        }
    }
}

#[test]
fn every_value_set_that_is_compiled_in_expands() {
    let all = Terminology::builtin();
    let mut expanded = 0;
    for set in all.value_sets() {
        let found = all.expand(&set.url, &ExpandOptions::default()).unwrap_or_else(|error| panic!("{}: {error}", set.url));
        expanded += 1;
        for member in found.members.iter().take(5) {
            assert!(all.contains(&set.url, &member.system, &member.code).unwrap(), "{} {}", set.url, member.code);
        }
    }
    assert!(expanded > 700);
}
