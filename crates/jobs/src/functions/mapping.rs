//! Codes replaced through a table of pairs, given in the job or as a CSV file.

use std::{collections::HashMap, sync::Arc};

use arrow::array::{Array, ArrayRef, StringViewBuilder};

use super::as_text;
use crate::model::Unmatched;

/// Replaces the codes of a column.
pub(crate) fn map_codes(column: &ArrayRef, pairs: &HashMap<String, String>, unmatched: Unmatched) -> Result<ArrayRef, String> {
    let text = as_text(column)?;
    let mut builder = StringViewBuilder::with_capacity(text.len());
    for value in &text {
        builder.append_option(value.and_then(|value| match (pairs.get(value.trim()), unmatched) {
            (Some(mapped), _) => Some(mapped.as_str()),
            (None, Unmatched::Keep) => Some(value),
            (None, Unmatched::Null) => None,
        }));
    }
    Ok(Arc::new(builder.finish()))
}

/// Reads pairs from CSV text: a header line, then `from,to`. Fields may be quoted; a code that appears twice is an error.
pub fn pairs_from_csv(text: &str) -> Result<HashMap<String, String>, String> {
    let mut pairs = HashMap::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate().skip(1) {
        if line.trim().is_empty() {
            continue;
        }
        let fields = csv_fields(line).ok_or_else(|| format!("line {}: a quote is not closed", index + 1))?;
        let [from, to, ..] = fields.as_slice() else { return Err(format!("line {}: two columns are needed", index + 1)) };
        if pairs.insert(from.trim().to_owned(), to.trim().to_owned()).is_some() {
            return Err(format!("line {}: the code has a mapping already", index + 1));
        }
    }
    if pairs.is_empty() {
        return Err("there is no mapping after the header line".into());
    }
    Ok(pairs)
}

fn csv_fields(line: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        let field = fields.last_mut()?;
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => field.push(other),
        }
    }
    (!quoted).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{text, values},
        *,
    };

    #[test]
    fn codes_are_mapped() {
        let pairs = pairs_from_csv("from,to\nGLU,2345-7\n\"A,B\",\"say \"\"x\"\"\"\n\n").unwrap();
        let column = text(&[Some("GLU"), Some("A,B"), Some("NA"), None]);
        let keep = values(&map_codes(&column, &pairs, Unmatched::Keep).unwrap());
        assert_eq!(keep, [Some("2345-7".into()), Some("say \"x\"".into()), Some("NA".into()), None]);
        let null = values(&map_codes(&column, &pairs, Unmatched::Null).unwrap());
        assert_eq!(null[2], None);
    }

    #[test]
    fn bad_tables_are_refused_with_their_line() {
        assert!(pairs_from_csv("from,to\na,b\na,c\n").unwrap_err().starts_with("line 3"));
        assert!(pairs_from_csv("from,to\nonly\n").unwrap_err().starts_with("line 2"));
        assert!(pairs_from_csv("from,to\n\"x,y\n").unwrap_err().contains("quote"));
        assert!(pairs_from_csv("from,to\n").is_err());
    }
}
