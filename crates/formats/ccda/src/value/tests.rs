use super::*;
use crate::{Document, Limits};

fn read(xml: &str) -> Document {
    Document::parse_fragment(xml.to_owned(), &Limits::default()).unwrap()
}

#[test]
fn times_keep_precision_and_offset() {
    for (text, shown, fault) in [
        ("2015", Some("2015"), None),
        ("201508", Some("2015-08"), None),
        ("20150801", Some("2015-08-01"), None),
        ("2015080110", Some("2015-08-01T10"), None),
        ("201508011030", Some("2015-08-01T10:30"), None),
        ("201508011030-0500", Some("2015-08-01T10:30-05:00"), None),
        ("20150801103059+0530", Some("2015-08-01T10:30:59+05:30"), None),
        ("20150801103059.1234-0500", Some("2015-08-01T10:30:59.1234-05:00"), None),
        ("201508011030-05", Some("2015-08-01T10:30-05:00"), None),
        ("20150801-0500", Some("2015-08-01"), None),
        (" 20150801 ", Some("2015-08-01"), None),
        ("20150800", Some("2015-08"), Some(TimeFault::Truncated)),
        ("20150000", Some("2015"), Some(TimeFault::Truncated)),
        ("20150230", Some("2015-02"), Some(TimeFault::Truncated)),
        ("201508012400", Some("2015-08-01"), Some(TimeFault::Truncated)),
        ("20150801103060", Some("2015-08-01T10:30"), Some(TimeFault::Truncated)),
        ("201508011", Some("2015-08-01"), Some(TimeFault::Truncated)),
        ("20150801103059.-0500", Some("2015-08-01T10:30:59-05:00"), Some(TimeFault::Truncated)),
        ("201508011030-9900", Some("2015-08-01T10:30"), Some(TimeFault::Truncated)),
        ("20150801 10:30", Some("2015-08-01"), Some(TimeFault::Truncated)),
        ("2015-08-01", Some("2015-08-01"), Some(TimeFault::Foreign)),
        ("2015-08-01T10:30:00Z", Some("2015-08-01T10:30:00+00:00"), Some(TimeFault::Foreign)),
        ("", None, Some(TimeFault::Malformed)),
        ("15", None, Some(TimeFault::Malformed)),
        ("0000", None, Some(TimeFault::Malformed)),
        ("unknown", None, Some(TimeFault::Malformed)),
        ("\u{ff12}015", None, Some(TimeFault::Malformed)),
        ("2015\u{e9}801", Some("2015"), Some(TimeFault::Truncated)),
    ] {
        let (value, found) = parse_time(text);
        assert_eq!((value.map(|value| value.to_string()).as_deref(), found), (shown, fault), "{text:?}");
    }
}

#[test]
fn decimals_are_those_of_xml_schema() {
    for good in ["1", "-1.50", "+.5", "5.", "1e10", "1.2E-3", "0"] {
        assert!(decimal(good), "{good}");
    }
    for bad in ["", ".", "-", "1,5", "<5", "1e", "1e+", "NaN", "1 ", "0x1", "1e9999"] {
        assert!(!decimal(bad), "{bad}");
    }
}

#[test]
fn values_by_stated_and_by_guessed_type() {
    let shown = |xml: &str| {
        let xml = format!("<observation xmlns='urn:hl7-org:v3' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>{xml}</observation>");
        let document = read(&xml);
        Value::read(document.root().child("value").unwrap()).type_name()
    };
    for (xml, type_name) in [
        ("<value xsi:type='CD' code='1'/>", "CD"),
        ("<value xsi:type='v3:CD' nullFlavor='UNK'/>", "CD"),
        ("<value code='1'/>", "CD"),
        ("<value xsi:type='PQ' value='1.2' unit='mg'/>", "PQ"),
        ("<value xsi:type='PQ' nullFlavor='UNK'/>", "null"),
        ("<value value='5'/>", "PQ"),
        ("<value value='20150801'/>", "PQ"),
        ("<value><low value='1' unit='g'/></value>", "IVL_PQ"),
        ("<value><low value='2015'/></value>", "IVL_TS"),
        ("<value xsi:type='RTO_PQ_PQ'><numerator value='1'/></value>", "RTO"),
        ("<value xsi:type='INT' value='3'/>", "INT"),
        ("<value xsi:type='BL' value='true'/>", "BL"),
        ("<value xsi:type='ED' mediaType='text/plain'>x</value>", "ST"),
        ("<value xsi:type='ED' mediaType='application/pdf' representation='B64'>eA==</value>", "ED"),
        ("<value>words</value>", "ST"),
        ("<value xsi:type='XYZ'/>", "other"),
    ] {
        assert_eq!(shown(xml), type_name, "{xml}");
    }
    let document = read("<value mediaType='application/pdf' representation='B64'>\n eHl6\n</value>");
    assert_eq!(EncapsulatedData::read(document.root()).size(), 3);
}

#[test]
fn codes_follow_their_text_into_the_narrative() {
    let document = read(
        "<section><text><paragraph><content ID='p1'>High  blood\n pressure</content></paragraph></text>\
         <code code=' 1 ' codeSystem='2.16' displayName='x'><originalText><reference value='#p1'/></originalText>\
         <translation code='2' codeSystem='2.17'><translation code='3'/></translation></code>\
         <code nullFlavor='OTH'><originalText>own\n words</originalText><translation code='4' displayName='four'/></code></section>",
    );
    let codes: Vec<_> = document.root().children_named("code").map(Code::read).collect();
    assert_eq!((codes[0].code, codes[0].original_text.as_deref()), (Some("1"), Some("High blood pressure")));
    assert_eq!(codes[0].translations[0].translations[0].code, Some("3"));
    assert_eq!((codes[1].null_flavor, codes[1].original_text.as_deref(), codes[1].is_empty()), (Some("OTH"), Some("own words"), false));
    assert!(!format!("{:?}", codes[1]).contains("words"));
}

#[test]
fn names_addresses_and_numbers() {
    let document = read(
        "<patient><name use='L'><given>Ann</given><given qualifier='IN'>B</given><family>Doe</family><suffix>MD</suffix></name>\
         <name>Good Health Clinic</name><addr use='HP'><houseNumber>5</houseNumber><streetName>Elm St</streetName><city> Boston </city>\
         <state>MA</state></addr><addr>1 Main St, Boston</addr><addr nullFlavor='UNK'/><telecom value='tel:+1(555)555-0100' use='HP'/>\
         <telecom value='mailto:a@example.org'/><telecom value='555-0101'/><telecom nullFlavor='UNK'/></patient>",
    );
    let root = document.root();
    let names: Vec<_> = root.children_named("name").map(Name::read).collect();
    assert_eq!(names[0].line().as_deref(), Some("Ann B Doe MD"));
    assert_eq!(names[0].given[1].qualifier, Some("IN"));
    assert_eq!(names[1].text.as_deref(), Some("Good Health Clinic"));
    let addresses: Vec<_> = root.children_named("addr").map(Address::read).collect();
    assert_eq!((addresses[0].lines[0].as_ref(), addresses[0].city.as_deref()), ("5 Elm St", Some("Boston")));
    assert_eq!((addresses[1].text.as_deref(), addresses[2].is_empty()), (Some("1 Main St, Boston"), true));
    let telecoms: Vec<_> = Telecom::all(root).map(|telecom| (telecom.kind, telecom.value)).collect();
    assert_eq!(telecoms[0], (TelecomKind::Phone, Some("+1(555)555-0100")));
    assert_eq!(telecoms[1], (TelecomKind::Email, Some("a@example.org")));
    assert_eq!((telecoms[2].0, telecoms[3].1), (TelecomKind::Phone, None));
}

#[test]
fn timings_of_every_form() {
    let document = read(
        "<substanceAdministration xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'><effectiveTime xsi:type='IVL_TS'><low value='2015'/><high nullFlavor='UNK'/></effectiveTime>\
         <effectiveTime xsi:type='PIVL_TS' institutionSpecified='true' operator='A'><period value='8' unit='h'/></effectiveTime>\
         <effectiveTime xsi:type='PIVL_TS'><period><low value='4' unit='h'/><high value='6' unit='h'/></period></effectiveTime>\
         <effectiveTime xsi:type='EIVL_TS' operator='A'><event code='ACM'/><offset><width value='1' unit='h'/></offset></effectiveTime>\
         <effectiveTime value='20150801'/><effectiveTime xsi:type='SXPR_TS'><comp xsi:type='IVL_TS'/></effectiveTime></substanceAdministration>",
    );
    let timings: Vec<_> = Timing::all(document.root()).collect();
    assert!(matches!(&timings[0].kind, TimingKind::Interval(interval) if interval.start().unwrap().to_string() == "2015"));
    assert_eq!((timings[1].operator, timings[1].period().unwrap().number()), (Some("A"), Some(8.0)));
    assert!(matches!(timings[1].kind, TimingKind::Periodic { institution_specified: true, .. }));
    assert!(
        matches!(&timings[2].kind, TimingKind::Periodic { period: Some(period), .. } if period.low.is_some() && period.value.is_none())
    );
    assert!(matches!(timings[3].kind, TimingKind::Event { event: Some("ACM"), offset: Some(_) }));
    assert!(matches!(&timings[4].kind, TimingKind::Interval(interval) if interval.value.is_some()));
    assert!(matches!(&timings[5].kind, TimingKind::Set(parts) if parts.len() == 1));
}
