//! A LOINC release: the table of terms in a ZIP archive.

use std::io::{Read, Seek};

use super::{Batch, Limits, archive};
use crate::{
    code_system::CodeSystemBuilder,
    error::{Result, TerminologyError},
};

const WHAT: &str = "the LOINC release";
const PROPERTIES: [&str; 8] = ["COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "METHOD_TYP", "CLASS", "STATUS"];

fn wrong(place: String, reason: &str) -> TerminologyError {
    TerminologyError::Format { what: WHAT, place, reason: reason.to_owned() }
}

pub(super) fn read(mut zip: impl Read + Seek, limits: &Limits, batch: &mut Batch) -> Result<()> {
    let files = archive::zip_files(&mut zip)?;
    let table = files.iter().find(|file| file.name.rsplit('/').next().is_some_and(|name| name.eq_ignore_ascii_case("Loinc.csv")));
    let table = table.ok_or_else(|| wrong("Loinc.csv".to_owned(), "the archive has no such file"))?;
    let mut builder = CodeSystemBuilder::new("http://loinc.org").name("LOINC").oid(Some("2.16.840.1.113883.6.1"));
    archive::read_zip_file(&mut zip, table, limits, |input| {
        let mut reader = csv::ReaderBuilder::new().from_reader(input);
        let not_csv = |_| wrong(table.name.clone(), "it is not UTF-8 CSV with the same number of fields in every row");
        let header = reader.headers().map_err(not_csv)?.clone();
        let column = |name: &str| header.iter().position(|known| known.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name));
        let code = column("LOINC_NUM").ok_or_else(|| wrong(table.name.clone(), "it has no column LOINC_NUM"))?;
        let (long, short, status) = (column("LONG_COMMON_NAME"), column("SHORTNAME"), column("STATUS"));
        let properties = PROPERTIES.map(|name| (name, column(name)));
        let mut row = csv::StringRecord::new();
        while reader.read_record(&mut row).map_err(not_csv)? {
            let get = |at: Option<usize>| at.and_then(|at| row.get(at)).unwrap_or_default();
            let number = builder.add(get(Some(code)), get(long))?;
            batch.concepts = builder.len() as u64;
            batch.check(limits)?;
            if !get(short).is_empty() {
                builder.add_designation(number, "en", "SHORTNAME", get(short))?;
            }
            match get(status) {
                "DEPRECATED" => builder.set_inactive(number),
                "DISCOURAGED" => builder.set_deprecated(number),
                _ => {}
            }
            for (name, at) in properties {
                if !get(at).is_empty() {
                    builder.add_property(number, name, get(at))?;
                }
            }
        }
        Ok(())
    })?;
    batch.systems.push(builder.finish());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::{ExpandOptions, Filter, FilterOp, Rule, Terminology, ValueSet, load::archive::tests::zip};

    #[test]
    fn a_table_of_made_up_terms_is_loaded() {
        let table = "\"LOINC_NUM\",\"COMPONENT\",\"SYSTEM\",\"CLASS\",\"STATUS\",\"SHORTNAME\",\"LONG_COMMON_NAME\"\n\
            \"1-8\",\"Something\",\"Bld\",\"CHEM\",\"ACTIVE\",\"Some Bld\",\"Something, made up, in Blood\"\n\
            \"2-6\",\"Other\",\"Ser\",\"CHEM\",\"DEPRECATED\",\"\",\"Other in Serum\"\n";
        let mut all = Terminology::empty();
        let loaded = all.load_loinc(Cursor::new(zip(&[("LoincTable/Loinc.csv", table)])), &Limits::default()).unwrap();
        assert_eq!(loaded.concepts, 2);
        assert_eq!(all.lookup("http://loinc.org", "1-8").unwrap().display(), Some("Something, made up, in Blood"));
        assert!(all.lookup("http://loinc.org", "2-6").unwrap().is_inactive());
        let rule = Rule { filters: vec![Filter::new("SYSTEM", FilterOp::Equal, "Bld")], ..Rule::system("http://loinc.org") };
        let set = ValueSet { include: vec![rule], ..ValueSet::new("urn:v") };
        assert_eq!(all.expand_definition(&set, &ExpandOptions::default()).unwrap().total, 1);
        for broken in ["", "A,B\n1,2\n", "LOINC_NUM,X\n1\n"] {
            assert!(all.load_loinc(Cursor::new(zip(&[("Loinc.csv", broken)])), &Limits::default()).is_err(), "{broken}");
        }
    }
}
