//! Text without accidental differences: white space, letter case, emptiness.

use arrow::array::ArrayRef;

use super::map_text;
use crate::model::LetterCase;

/// How text is normalised.
#[derive(Debug, Clone, Copy)]
pub struct TextRules {
    /// Letter case of the result.
    pub case: LetterCase,
    /// Whether runs of white space become one space.
    pub collapse_spaces: bool,
    /// Whether an empty result becomes null.
    pub empty_is_null: bool,
}

/// Normalises a text column.
pub fn normalise(column: &ArrayRef, rules: TextRules) -> Result<ArrayRef, String> {
    map_text(column, |value, out| {
        let mut space = false;
        for character in value.trim().chars() {
            if rules.collapse_spaces && character.is_whitespace() {
                space = true;
                continue;
            }
            if std::mem::take(&mut space) {
                out.push(' ');
            }
            match rules.case {
                LetterCase::Keep => out.push(character),
                LetterCase::Lower => out.extend(character.to_lowercase()),
                LetterCase::Upper => out.extend(character.to_uppercase()),
            }
        }
        !(rules.empty_is_null && out.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::{super::testing::one, *};

    #[test]
    fn text_is_normalised() {
        let rules = TextRules { case: LetterCase::Lower, collapse_spaces: true, empty_is_null: true };
        assert_eq!(one("  Blood \t CULTURE\u{a0}x ", |column| normalise(column, rules)).as_deref(), Some("blood culture x"));
        assert_eq!(one("   ", |column| normalise(column, rules)), None);
        let plain = TextRules { case: LetterCase::Upper, collapse_spaces: false, empty_is_null: false };
        assert_eq!(one(" a  b ", |column| normalise(column, plain)).as_deref(), Some("A  B"));
        assert_eq!(one("", |column| normalise(column, plain)).as_deref(), Some(""));
    }
}
