//! Messages a second on one core: parsed, converted, written as JSON. `SUTURA_BENCH_HL7` names a file of messages (each behind a line feed) to measure
//! with instead of the built-in ones.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sutura_convert::{
    report::Report,
    v2::{Converter, Options, Source},
};
use sutura_core::Sha256Hash;
use sutura_hl7v2::Message;

const ADMISSION: &str = "MSH|^~\\&|EPICADT|GENHOSP^2.16.840.1.113883.19.5^ISO|SUTURA|DW|20260314150926.1234-0500||ADT^A01^ADT_A01|MSG1|P|2.5.1\rEVN|A01|20260314150926|||1234567890^SMITH^JANE^A^^DR^MD^^NPI^L\rPID|1||12345678^^^MRN&2.16.840.1.113883.19.5&ISO^MR~123-45-6789^^^SSA^SS||DOE^JANE^A^^^^L|SMITH^^^^^^M|19800102|F||2106-3^White^HL70005|1 MAIN ST^^BOSTON^MA^02115^USA^H||(617)555-1234^PRN^PH|\"\"|en^English^ISO639|M||987654321^^^VISIT^VN\rNK1|1|DOE^JOHN|SPO^Spouse^HL70063||(617)555-4321\rPV1|1|I|ICU^12^A^HOSP^^^^3|R|||1234567890^SMITH^JANE^A^^DR^MD^^NPI^L|||MED||||1|||1234567890^SMITH^JANE^A^^DR^MD^^NPI^L|IN|87654321^^^VISIT^VN|||||||||||||||||||||||||20260314150926-0500\rAL1|1|DA^Drug allergy^HL70127|70618^Penicillin^RXNORM|MO|Hives~Rash|2015\rDG1|1||I10^Essential (primary) hypertension^I10||20260314150926|A\rIN1|1|PPO12|1234|BLUE CROSS|PO BOX 1^^BOSTON^MA^02101||8005551212|GRP1||||20240101|20241231||PPO|DOE^JANE|SEL\r";
const RESULT: &str = "MSH|^~\\&|LAB|GENHOSP^2.16.840.1.113883.19.5^ISO|SUTURA|DW|20260314150926-0500||ORU^R01^ORU_R01|MSG2|P|2.5.1\rPID|1||12345678^^^MRN&2.16.840.1.113883.19.5&ISO^MR||DOE^JANE^A^^^^L||19800102|F\rPV1|1|O|ED^12^A^HOSP^^^^3||||1234567890^SMITH^JANE^A^^DR^MD^^NPI^L||||||||||||87654321^^^VISIT^VN\rORC|RE|1234567^EHR|7654321^LAB|||CM||||||1234567890^SMITH^JANE^A^^DR^MD^^NPI^L\rOBR|1|1234567^EHR|7654321^LAB|24323-8^Comprehensive metabolic panel^LN|||20260314150926|||||||20260314150926|BLD^Blood^HL70487|1234567890^SMITH^JANE^A^^DR^MD^^NPI^L||||||20260314150926||LAB|F\rOBX|1|NM|718-7^Hemoglobin [Mass/volume] in Blood^LN||13.5|g/dL^g/dL^UCUM|12.0-16.0|N|||F|||20260314150926-0500||1234567891^JONES^JIM^B^^DR^MD^^NPI^L\rOBX|2|NM|2345-7^Glucose [Mass/volume] in Serum or Plasma^LN||250|mg/dL^mg/dL^UCUM|70-99|H|||F|||20260314150926-0500||1234567892^BROWN^BOB^C^^DR^MD^^NPI^L\rNTE|1|L|Specimen slightly hemolyzed \\.br\\repeat\rOBX|3|NM|2823-3^Potassium [Moles/volume] in Serum or Plasma^LN||4.1|mmol/L^mmol/L^UCUM|3.5-5.1|N|||F|||20260314150926-0500||1234567893^DAVIS^DAN^D^^DR^MD^^NPI^L\r";
const ORDER: &str = "MSH|^~\\&|RX|GENHOSP|SUTURA|DW|20260314150926-0500||RDE^O11^RDE_O11|MSG3|P|2.5.1\rPID|1||12345678^^^MRN&2.16.840.1.113883.19.5&ISO^MR||DOE^JANE^A^^^^L||19800102|F\rORC|NW|1234567^EHR|7654321^RX||E|||||||1234567890^SMITH^JANE^A^^DR^MD^^NPI^L\rRXE|1^^BID^20260314^20260320|00071015523^Lipitor 10 MG Oral Tablet^NDC|10||mg^mg^UCUM|TAB^Tablet^HL70292|^Take with food||G||30|TAB^Tablet|2|||RX123456\rTQ1|1||BID^Twice a day^HL70335||||20240101|20240201|R\rRXR|PO^Oral^HL70162\r";

fn convert(c: &mut Criterion) {
    let given = std::env::var_os("SUTURA_BENCH_HL7").map(|path| std::fs::read_to_string(path).unwrap());
    let texts: Vec<&str> = match &given {
        Some(text) => text.split('\n').filter(|text| text.starts_with("MSH")).take(20_000).collect(),
        None => vec![ADMISSION, RESULT, ORDER],
    };
    let mut converter = Converter::new(&Options { recorded: Some("2026-01-01T00:00:00Z".to_owned()), ..Options::default() }).unwrap();
    let (mut report, mut out) = (Report::new(), Vec::new());
    let mut group = c.benchmark_group("v2");
    group.throughput(Throughput::Elements(texts.len() as u64));
    group.sample_size(10);
    group.bench_function("messages", |b| {
        b.iter(|| {
            for text in &texts {
                out.clear();
                let source =
                    Source { uri: "file:///corpus.hl7", offset: 0, length: text.len() as u64, sha256: Sha256Hash::of(text.as_bytes()) };
                let message = Message::parse(text).unwrap();
                converter.convert(&message, &source, &mut report, &mut out).unwrap();
                black_box(&out);
            }
        });
    });
    group.finish();
}

criterion_group!(benches, convert);
criterion_main!(benches);
