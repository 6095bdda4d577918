use super::*;

#[test]
fn every_line_of_the_data_files_parses() {
    let mut fields = 0;
    for line in load::lines(load::SEGMENTS) {
        let parts: Vec<_> = line.split('\t').collect();
        if parts[1] == "0" {
            assert_eq!(parts.len(), 3, "{line}");
            continue;
        }
        fields += 1;
        assert_eq!(parts.len(), 9, "{line}");
        assert_eq!(parts[0].len(), 3, "{line}");
        for mask in &parts[4..7] {
            u16::from_str_radix(mask, 16).unwrap();
        }
        assert!(parts[7].is_empty() || parts[7].split('/').all(|table| table.len() == 4 && table.parse::<u16>().is_ok()), "{line}");
        parts[8].parse::<PhiClass>().unwrap();
    }
    assert_eq!(fields, segments().iter().map(|segment| segment.fields.len()).sum::<usize>());
    assert!(fields > 2_500, "{fields}");
    let mut components = 0;
    for line in load::lines(load::DATATYPES) {
        let parts: Vec<_> = line.split('\t').collect();
        if parts[1] != "0" {
            components += 1;
            assert_eq!(parts.len(), 6, "{line}");
            assert!(parts[5] == "@" || parts[5].parse::<PhiClass>().is_ok(), "{line}");
        }
    }
    assert_eq!(components, datatypes().iter().map(|known| known.components.len()).sum::<usize>());
    let codes = load::lines(load::TABLES).filter(|line| !line.split('\t').nth(1).unwrap().is_empty()).count();
    assert_eq!(codes, tables().iter().map(|table| table.codes().len()).sum::<usize>());
    let forms = load::lines(load::STRUCTURES).count();
    assert_eq!(forms, structures().iter().map(|structure| structure.forms.len()).sum::<usize>());
    assert_eq!(load::lines(load::EVENTS).count(), message_types().count());
    for file in [load::SEGMENTS, load::DATATYPES, load::TABLES, load::STRUCTURES, load::EVENTS] {
        assert!(file.lines().nth(1).unwrap().contains("hl7apy"), "every file states its source");
    }
}

#[test]
fn every_structure_reads_back_from_its_grammar() {
    for structure in structures() {
        for form in &structure.forms {
            let grammar = form.grammar();
            assert_eq!(write(grammar, 0), form.text, "{}", structure.name);
            for node in grammar.nodes() {
                if let NodeKind::Segment(name) = node.kind {
                    assert!(
                        segment(name).is_some() || matches!(name, "Hxx" | "STZ" | "ORO") || name.starts_with('Z'),
                        "{} has {name}",
                        structure.name
                    );
                }
            }
        }
        assert!(structure.required_segments().starts_with(&["MSH"]), "{}", structure.name);
    }
}

fn write(grammar: &Grammar, node: usize) -> String {
    let words: Vec<_> = grammar
        .children(node)
        .map(|child| {
            let part = grammar.nodes()[child];
            let mut text = match part.kind {
                NodeKind::Segment(name) => name.to_owned(),
                NodeKind::Any => "*".to_owned(),
                NodeKind::Group => format!("({})", write(grammar, child)),
                NodeKind::Choice => format!("<{}>", write(grammar, child)),
            };
            if part.repeats {
                text = format!("{{{text}}}");
            }
            if part.required { text } else { format!("[{text}]") }
        })
        .collect();
    words.join(" ")
}

#[test]
fn look_ups_find_what_the_standard_says() {
    let pid = segment("PID").unwrap();
    assert_eq!((pid.title, pid.fields.len()), ("Patient Identification", 40));
    let name = pid.field(5).unwrap();
    assert_eq!((name.name, name.datatype), ("Patient Name", "XPN"));
    let v25 = Version::parse("2.5").unwrap();
    assert!(name.required.contains(v25) && name.repeats.contains(v25));
    assert!(!name.repeats.contains(Version::V2_3));
    assert_eq!(pid.field(0).map(|f| f.name), None);
    assert_eq!(pid.field(8).unwrap().table, Some(1));
    assert_eq!(datatype("XPN").unwrap().component(2).unwrap().name, "Given Name");
    assert!(datatype("ST").is_none() && segment("ZZZ").is_none() && segment("").is_none() && segment("PIDX").is_none());
    assert_eq!(table(1).unwrap().text("F"), Some("Female"));
    assert_eq!(table(85).unwrap().check, TableCheck::Fixed);
    assert!(table(125).unwrap().contains("CWE") && !table(125).unwrap().contains("cwe"));
    assert!(table(9999).is_none());
}

#[test]
fn common_events_have_their_structure_and_required_segments() {
    let of = |kind, event| structure(kind, event).map(|s| s.name);
    for (event, name) in [
        ("A01", "ADT_A01"),
        ("A02", "ADT_A02"),
        ("A03", "ADT_A03"),
        ("A04", "ADT_A01"),
        ("A05", "ADT_A05"),
        ("A06", "ADT_A06"),
        ("A07", "ADT_A06"),
        ("A08", "ADT_A01"),
        ("A09", "ADT_A09"),
        ("A10", "ADT_A09"),
        ("A11", "ADT_A09"),
        ("A12", "ADT_A12"),
        ("A13", "ADT_A01"),
        ("A24", "ADT_A24"),
        ("A28", "ADT_A05"),
        ("A31", "ADT_A05"),
        ("A40", "ADT_A39"),
        ("A47", "ADT_A30"),
    ] {
        assert_eq!(of("ADT", event), Some(name), "{event}");
    }
    for (kind, event) in [
        ("ORU", "R01"),
        ("ORM", "O01"),
        ("OML", "O21"),
        ("RDE", "O11"),
        ("RAS", "O17"),
        ("RDS", "O13"),
        ("VXU", "V04"),
        ("MDM", "T02"),
        ("SIU", "S12"),
        ("SIU", "S26"),
        ("DFT", "P03"),
        ("BAR", "P01"),
        ("ACK", "A01"),
        ("ACK", ""),
    ] {
        assert!(known_message_type(kind, event), "{kind} {event}");
    }
    for number in 12..=24 {
        assert!(known_message_type("SIU", &format!("S{number}")), "S{number}");
    }
    assert!(!known_message_type("ADT", "Z99") && !known_message_type("", "") && !known_message_type("XXX", "A01"));
    assert_eq!(required_segments("ADT", "A01"), Some(&["MSH", "EVN", "PID", "PV1"][..]));
    assert_eq!(required_segments("ORU", "R01"), Some(&["MSH", "OBR"][..]));
    assert_eq!(required_segments("VXU", "V04"), Some(&["MSH", "PID"][..]));
    assert_eq!(required_segments("ORM", "O01"), Some(&["MSH", "ORC"][..]));
    assert_eq!(required_segments("SIU", "S12"), Some(&["MSH", "SCH", "RGS"][..]));
    assert_eq!(required_segments("ACK", "A01"), Some(&["MSH", "MSA"][..]));
    assert_eq!(required_segments("QQQ", "Q99"), None);
}

#[test]
fn every_field_has_a_class_and_the_well_known_ones_the_right_one() {
    for segment in segments() {
        for number in 1..=segment.fields.len() {
            let class = phi_class(segment.name, number, 0);
            for component in 1..=30 {
                let part = phi_class(segment.name, number, component);
                // A coded or operational field never hides a weightier part without saying so in the part's class.
                assert!(!part.as_str().is_empty() && !class.as_str().is_empty());
            }
        }
    }
    use PhiClass::*;
    let expected = [
        ("MSH", 3, 1, Operational),
        ("MSH", 4, 1, OtherId),
        ("MSH", 7, 0, Date),
        ("MSH", 9, 1, Operational),
        ("MSH", 10, 0, OtherId),
        ("MSH", 12, 1, Operational),
        ("EVN", 2, 0, Date),
        ("EVN", 5, 2, Name),
        ("PID", 2, 1, Mrn),
        ("PID", 3, 0, Mrn),
        ("PID", 3, 1, Mrn),
        ("PID", 3, 4, OtherId),
        ("PID", 3, 5, Operational),
        ("PID", 4, 1, Mrn),
        ("PID", 5, 0, Name),
        ("PID", 5, 1, Name),
        ("PID", 5, 2, Name),
        ("PID", 5, 7, Operational),
        ("PID", 6, 1, Name),
        ("PID", 7, 0, Date),
        ("PID", 7, 1, Date),
        ("PID", 8, 0, Quasi),
        ("PID", 9, 1, Name),
        ("PID", 10, 1, Quasi),
        ("PID", 11, 0, Geography),
        ("PID", 11, 3, Geography),
        ("PID", 11, 4, Quasi),
        ("PID", 11, 5, Geography),
        ("PID", 11, 6, Quasi),
        ("PID", 11, 9, Geography),
        ("PID", 12, 0, Geography),
        ("PID", 13, 1, Phone),
        ("PID", 13, 4, Email),
        ("PID", 14, 1, Phone),
        ("PID", 18, 1, Account),
        ("PID", 19, 0, Ssn),
        ("PID", 20, 1, Licence),
        ("PID", 21, 1, Mrn),
        ("PID", 23, 0, Geography),
        ("PID", 29, 0, Date),
        ("PD1", 4, 1, Licence),
        ("PD1", 4, 2, Name),
        ("NK1", 2, 1, Name),
        ("NK1", 4, 1, Geography),
        ("NK1", 5, 1, Phone),
        ("NK1", 37, 0, Ssn),
        ("PV1", 2, 1, Clinical),
        ("PV1", 3, 1, OtherId),
        ("PV1", 7, 1, Licence),
        ("PV1", 7, 2, Name),
        ("PV1", 19, 1, Account),
        ("PV1", 44, 0, Date),
        ("GT1", 3, 1, Name),
        ("GT1", 5, 1, Geography),
        ("GT1", 6, 1, Phone),
        ("GT1", 12, 0, Ssn),
        ("IN1", 2, 1, HealthPlan),
        ("IN1", 16, 1, Name),
        ("IN1", 36, 0, HealthPlan),
        ("IN1", 49, 1, HealthPlan),
        ("OBR", 2, 1, OtherId),
        ("OBR", 4, 1, Clinical),
        ("OBR", 7, 0, Date),
        ("OBR", 16, 2, Name),
        ("OBX", 3, 1, Clinical),
        ("OBX", 3, 9, FreeText),
        ("OBX", 5, 0, FreeText),
        ("OBX", 6, 1, Clinical),
        ("OBX", 14, 0, Date),
        ("OBX", 16, 2, Name),
        ("OBX", 18, 1, Device),
        ("NTE", 3, 0, FreeText),
        ("DG1", 3, 1, Clinical),
        ("DG1", 4, 0, FreeText),
        ("MRG", 1, 1, Mrn),
        ("TXA", 12, 1, OtherId),
        ("RXA", 5, 1, Clinical),
        ("STF", 15, 0, Email),
        ("ZPI", 3, 1, FreeText),
        ("XYZ", 1, 0, FreeText),
        ("PID", 99, 1, FreeText),
        ("PID", 19, 2, FreeText),
        ("PID", 5, 40, FreeText),
    ];
    for (segment, field, component, class) in expected {
        assert_eq!(phi_class(segment, field, component), class, "{segment}-{field}.{component}");
    }
}

#[test]
fn identifying_data_types_never_have_a_harmless_class() {
    for segment in segments() {
        for (at, field) in segment.fields.iter().enumerate() {
            let place = format!("{}-{} {}", segment.name, at + 1, field.name);
            let identifying = matches!(
                field.datatype,
                "XPN"
                    | "PN"
                    | "XCN"
                    | "CN"
                    | "PPN"
                    | "XAD"
                    | "AD"
                    | "XTN"
                    | "TN"
                    | "CX"
                    | "CK"
                    | "DLN"
                    | "PL"
                    | "DT"
                    | "DTM"
                    | "TS"
                    | "DR"
                    | "TX"
                    | "FT"
                    | "ED"
                    | "RP"
                    | "varies"
                    | "NDL"
            );
            assert!(!identifying || field.phi.is_identifying(), "{place} is {}", field.phi);
            if matches!(field.datatype, "XPN" | "PN" | "XCN" | "CN") {
                assert_eq!(field.phi, PhiClass::Name, "{place}");
            }
        }
    }
}

#[test]
fn observation_values_go_by_their_type() {
    assert_eq!(observation_value_class("NM", 0), PhiClass::Clinical);
    assert_eq!(observation_value_class("CWE", 9), PhiClass::FreeText);
    assert_eq!(observation_value_class("CE", 2), PhiClass::Clinical);
    assert_eq!(observation_value_class("XPN", 1), PhiClass::Name);
    assert_eq!(observation_value_class("DT", 0), PhiClass::Date);
    for text in ["TX", "FT", "ST", "ED", "RP", "", "QQ"] {
        assert_eq!(observation_value_class(text, 1), PhiClass::FreeText, "{text}");
    }
}

#[test]
fn conditional_fields_are_not_required() {
    // What the standard requires ("R") in any of the versions after 2.1; everything else is conditional or optional.
    let required = [("PID", vec![3, 5]), ("PV1", vec![2]), ("ORC", vec![1]), ("OBR", vec![4]), ("OBX", vec![3, 11])];
    for (name, expected) in required {
        let fields = &segment(name).unwrap().fields;
        let after_the_first = |field: &FieldDef| field.required.last() > VersionSet::from_bits(1).last();
        let found: Vec<usize> = (1..).zip(fields.iter()).filter(|(_, field)| after_the_first(field)).map(|(number, _)| number).collect();
        assert_eq!(found, expected, "{name}");
    }
}
