use super::*;

fn decimal(text: &str) -> Decimal {
    Decimal::parse(text).unwrap()
}

/// The significance of a value, or why there is none.
fn judge(code: &str, value: &str, unit: &str, sex: Option<Sex>) -> Result<&'static str, Reason> {
    let measured = measure(code, decimal(value), unit, sex)?;
    measured.row.band_of(measured.value, Comparator::Equal)
}

/// The smallest step that a limit is stated in, and below.
fn beside(limit: Decimal) -> (Decimal, Decimal) {
    let step = Decimal::new(1, limit.scale() + 3);
    (limit.subtract(step).unwrap(), limit.plus(step).unwrap())
}

#[test]
fn every_line_is_a_row_with_ascending_bands_and_known_sources() {
    assert_eq!(LOADED.rows.len(), lines(TABLE).count());
    let keys: Vec<_> = lines(SOURCES).filter_map(|line| line.split_once('\t')).map(|(key, _)| key).collect();
    assert_eq!(keys.len(), lines(SOURCES).count());
    let mut used = Vec::new();
    for row in &LOADED.rows {
        assert!(row.bands.len() >= 2, "{}", row.codes[0]);
        let (last, others) = row.bands.split_last().unwrap();
        assert!(last.limit.is_none() && others.iter().all(|band| band.limit.is_some()), "{}", row.codes[0]);
        let limits: Vec<_> = others.iter().map(|band| band.limit.unwrap().0).collect();
        assert!(limits.windows(2).all(|pair| pair[0] < pair[1]), "{}", row.codes[0]);
        assert!(
            row.bands.iter().all(|band| crate::enrich::significance::CODES.iter().any(|(code, _)| *code == band.code)),
            "{}",
            row.codes[0]
        );
        assert!(row.sources.iter().all(|source| keys.contains(source)), "{}", row.codes[0]);
        assert!(row.codes.iter().all(|code| loinc(code)), "{}", row.codes[0]);
        used.extend(&row.sources);
    }
    assert!(keys.iter().all(|key| used.contains(&key)), "a source that no row names");
}

/// Whether the check digit of a LOINC code (mod 10, Luhn) is right.
fn loinc(code: &str) -> bool {
    let (number, check) = code.split_once('-').unwrap();
    let sum: u32 = number
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    check == ((10 - sum % 10) % 10).to_string()
}

#[test]
fn every_limit_of_every_row_on_it_and_beside_it() {
    let mut checked = 0;
    for row in &LOADED.rows {
        for code in &row.codes {
            for (place, band) in row.bands.iter().enumerate() {
                let Some((limit, inclusive)) = band.limit else { continue };
                let above = row.bands[place + 1].code;
                let (less, more) = beside(limit);
                let at = |value: Decimal| judge(code, &value.to_string(), row.unit, row.sex.or(Some(Sex::Female)));
                assert_eq!(at(less), Ok(band.code), "{} below {limit}", row.codes[0]);
                assert_eq!(at(limit), Ok(if inclusive { band.code } else { above }), "{} at {limit}", row.codes[0]);
                assert_eq!(at(more), Ok(above), "{} above {limit}", row.codes[0]);
                checked += 3;
            }
        }
    }
    assert!(checked > 500, "{checked}");
}

#[test]
fn limits_as_the_publications_state_them() {
    let female = Some(Sex::Female);
    for (code, value, unit, expected) in [
        // ACC/AHA 2017.
        ("8480-6", "119", "mm[Hg]", "normal"),
        ("8480-6", "120", "mm[Hg]", "elevated"),
        ("8480-6", "129", "mm[Hg]", "elevated"),
        ("8480-6", "130", "mm[Hg]", "hypertension-stage-1"),
        ("8480-6", "140", "mm[Hg]", "hypertension-stage-2"),
        ("8480-6", "180", "mm[Hg]", "hypertension-stage-2"),
        ("8480-6", "181", "mm[Hg]", "severe-hypertension"),
        ("8462-4", "79", "mm[Hg]", "normal"),
        ("8462-4", "80", "mm[Hg]", "hypertension-stage-1"),
        ("8462-4", "90", "mm[Hg]", "hypertension-stage-2"),
        ("8462-4", "121", "mm[Hg]", "severe-hypertension"),
        // NEWS2, three points.
        ("8867-4", "131", "/min", "critical-high"),
        ("8867-4", "40", "{beats}/min", "critical-low"),
        ("9279-1", "25", "/min", "critical-high"),
        ("8310-5", "35.0", "Cel", "critical-low"),
        ("2708-6", "91", "%", "critical-low"),
        // ADA: 126 mg/dL and 7.0 mmol/L, 200 and 11.1, 70 and 3.9, 54 and 3.0.
        ("1558-6", "126", "mg/dL", "diabetes-range"),
        ("1558-6", "7.0", "mmol/L", "diabetes-range"),
        ("1558-6", "5.6", "mmol/L", "prediabetes-range"),
        ("2345-7", "11.1", "mmol/L", "high"),
        ("14749-6", "200", "mg/dL", "high"),
        ("2339-0", "3.9", "mmol/L", "normal"),
        ("2339-0", "69", "mg/dL", "low"),
        ("2339-0", "2.9", "mmol/L", "critical-low"),
        ("4548-4", "6.5", "%", "diabetes-range"),
        ("59261-8", "48", "mmol/mol", "diabetes-range"),
        // Kost 1990.
        ("2823-3", "6.3", "mmol/L", "critical-high"),
        ("2951-2", "119", "mmol/L", "critical-low"),
        ("6690-2", "1.9", "10*9/L", "critical-low"),
        ("2744-1", "7.20", "[pH]", "critical-low"),
        // WHO 2011.
        ("718-7", "11.9", "g/dL", "low"),
        ("718-7", "120", "g/L", "normal"),
    ] {
        assert_eq!(judge(code, value, unit, female), Ok(expected), "{code} {value} {unit}");
    }
    assert_eq!(judge("718-7", "12.9", "g/dL", Some(Sex::Male)), Ok("low"));
}

#[test]
fn conversions_against_independent_numbers() {
    // Factors as laboratories publish them: umol/L or mmol/L for 1 mg/dL.
    for (code, value, unit, expected, within) in [
        ("2160-0", "88.4", "umol/L", 1.0, 0.001),
        ("2160-0", "1", "mg/dL", 1.0, 0.0),
        ("1975-2", "17.1", "umol/L", 1.0, 0.001),
        ("17861-6", "2.5", "mmol/L", 10.02, 0.001),
        ("17861-6", "5", "meq/L", 10.02, 0.001),
        ("19123-9", "1", "mmol/L", 2.431, 0.001),
        ("19123-9", "2", "meq/L", 2.431, 0.001),
        ("3094-0", "7.14", "mmol/L", 20.0, 0.01),
        ("2777-1", "1", "mmol/L", 3.097, 0.001),
        ("2093-3", "5", "mmol/L", 193.3, 0.1),
        ("2571-8", "1", "mmol/L", 88.54, 0.01),
        ("2524-7", "9.008", "mg/dL", 1.0, 0.001),
        ("2951-2", "140", "meq/L", 140.0, 0.0),
        ("2823-3", "4", "meq/L", 4.0, 0.0),
        ("2823-3", "15.64", "mg/dL", 4.0, 0.001),
        ("8310-5", "98.6", "[degF]", 37.0, 0.0001),
        ("8310-5", "310.15", "K", 37.0, 0.0),
        ("8480-6", "16", "kPa", 120.01, 0.01),
        ("2019-8", "5.33", "kPa", 39.98, 0.01),
        ("718-7", "140", "g/L", 14.0, 0.0),
        ("6690-2", "7500", "/uL", 7.5, 0.0),
        ("777-3", "250", "10*9/L", 250.0, 0.0),
        ("8867-4", "1", "Hz", 60.0, 0.0),
    ] {
        let measured = measure(code, decimal(value), unit, Some(Sex::Female)).unwrap_or_else(|reason| panic!("{code} {unit}: {reason:?}"));
        let found = measured.value.to_f64();
        assert!((found - expected).abs() <= within, "{code} {value} {unit}: {found} {}", measured.row.unit);
    }
}

#[test]
fn no_unit_is_guessed() {
    for (code, unit, reason) in [
        ("2345-7", "mg", Reason::UnitIncompatible),
        ("2345-7", "%", Reason::UnitIncompatible),
        ("2345-7", "mgdL", Reason::UnitUnknown),
        ("2345-7", "mosm/L", Reason::UnitIncompatible),
        ("2951-2", "mosm/L", Reason::UnitIncompatible),
        ("2345-7", "meq/L", Reason::UnitIncompatible),
        ("4548-4", "mmol/mol", Reason::UnitIncompatible),
        ("59261-8", "%", Reason::UnitIncompatible),
        ("718-7", "mmol/L", Reason::UnitIncompatible),
        ("33914-3", "mL/min", Reason::UnitIncompatible),
        ("2744-1", "1", Reason::UnitIncompatible),
        ("8480-6", "mmHg", Reason::UnitUnknown),
        ("777-3", "K/uL", Reason::UnitIncompatible),
        ("1742-6", "[IU]/L", Reason::UnitIncompatible),
        ("2777-1", "meq/L", Reason::UnitIncompatible),
    ] {
        assert_eq!(judge(code, "100", unit, Some(Sex::Male)), Err(reason), "{code} {unit}");
    }
}

#[test]
fn limits_by_sex_need_it() {
    assert_eq!(judge("2160-0", "1.2", "mg/dL", None), Err(Reason::SexUnknown));
    assert_eq!(judge("2160-0", "106.08", "umol/L", None), Err(Reason::SexUnknown));
    assert_eq!(judge("2160-0", "1.2", "mg", None), Err(Reason::UnitIncompatible));
    assert_eq!(judge("2160-0", "1.2", "mg/dL", Some(Sex::Female)), Ok("high"));
    assert_eq!(judge("2160-0", "1.2", "mg/dL", Some(Sex::Male)), Ok("normal"));
    assert_eq!(judge("2160-0", "106.08", "umol/L", Some(Sex::Female)), Ok("high"));
    assert_eq!(judge("2160-0", "106.08", "umol/L", Some(Sex::Male)), Ok("normal"));
}

#[test]
fn a_bound_is_judged_where_all_its_values_are_in_one_band() {
    // critical-low<54 low<70 normal<200 high<=484 critical-high
    let glucose = |value: &str, comparator| {
        let measured = measure("2345-7", decimal(value), "mg/dL", None).unwrap();
        measured.row.band_of(measured.value, comparator)
    };
    assert_eq!(glucose("20", Comparator::Less), Ok("critical-low"));
    assert_eq!(glucose("54", Comparator::Less), Ok("critical-low"));
    assert_eq!(glucose("54", Comparator::LessOrEqual), Err(Reason::Comparator));
    assert_eq!(glucose("60", Comparator::Less), Err(Reason::Comparator));
    assert_eq!(glucose("600", Comparator::More), Ok("critical-high"));
    assert_eq!(glucose("484", Comparator::More), Ok("critical-high"));
    assert_eq!(glucose("484", Comparator::MoreOrEqual), Err(Reason::Comparator));
    assert_eq!(glucose("400", Comparator::More), Err(Reason::Comparator));
}

#[test]
fn the_documentation_has_every_row_and_source() {
    let page = include_str!("../../../../../docs/src/reference/fhir-enrichment.md");
    for line in lines(TABLE) {
        let [codes, name, unit, conversion, sex, bands, sources] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let list = |text: &str| text.replace(' ', ", ");
        let row = format!("| {name} | {} | `{unit}` | {conversion} | {sex} | `{bands}` | {} |", list(codes), list(sources));
        assert!(page.contains(&row), "{row}");
    }
    for line in lines(SOURCES) {
        let (key, citation) = line.split_once('\t').unwrap();
        assert!(page.contains(&format!("| `{key}` | {citation} |")), "{key}");
    }
}
