//! Tab separated files of vocabularies: no quotes, one row a line.

use std::io::{BufRead, BufReader, Read, Seek};

use super::{
    Limits,
    archive::{self, ZipFile},
    read_error,
};
use crate::error::{Result, TerminologyError};

const LONGEST_LINE: usize = 64 << 10;

/// Reads a tab separated file line by line; `take` gets the wanted columns.
pub(super) fn each_line<const N: usize>(
    what: &'static str,
    zip: &mut (impl Read + Seek),
    file: &ZipFile,
    limits: &Limits,
    wanted: [&str; N],
    mut take: impl FnMut([&str; N]) -> Result<()>,
) -> Result<()> {
    archive::read_zip_file(zip, file, limits, |input| {
        let mut input = BufReader::with_capacity(1 << 18, input);
        let wrong = |line: u64, reason: &str| TerminologyError::Format {
            what,
            place: format!("{} line {line}", file.name),
            reason: reason.to_owned(),
        };
        let mut line = Vec::new();
        let mut columns: Option<[usize; N]> = None;
        let mut number = 0;
        loop {
            line.clear();
            let read = input
                .by_ref()
                .take(LONGEST_LINE as u64 + 1)
                .read_until(b'\n', &mut line)
                .map_err(|error| read_error(file.name.clone(), &error))?;
            if read == 0 {
                return columns.map(|_| ()).ok_or_else(|| wrong(1, "the file is empty"));
            }
            number += 1;
            if read > LONGEST_LINE {
                return Err(wrong(number, "a line is longer than 64 KiB"));
            }
            let text = std::str::from_utf8(&line).map_err(|_| wrong(number, "the line is not UTF-8"))?.trim_end_matches(['\r', '\n']);
            if text.is_empty() {
                continue;
            }
            let Some(columns) = columns else {
                let names: Vec<String> = text.trim_start_matches('\u{feff}').split('\t').map(str::to_ascii_lowercase).collect();
                let mut found = [0; N];
                for (at, name) in found.iter_mut().zip(wanted) {
                    *at = names
                        .iter()
                        .position(|known| known == name)
                        .ok_or_else(|| wrong(number, "the header does not name all columns, split by tabs"))?;
                }
                columns = Some(found);
                continue;
            };
            let mut values = [None; N];
            for (at, field) in text.split('\t').enumerate() {
                for (value, column) in values.iter_mut().zip(columns) {
                    if column == at {
                        *value = Some(field);
                    }
                }
            }
            if values.iter().any(Option::is_none) {
                return Err(wrong(number, "the line has too few fields"));
            }
            take(values.map(Option::unwrap_or_default))?;
        }
    })
}
