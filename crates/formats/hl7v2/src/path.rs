//! Paths into a message: `PID-5.1`, `PID-3[2].4`, `OBX[3]-5`, `PID-5[1].1.2`.
//!
//! A path names a segment (and which one of its name), a field, and optionally a repetition, a
//! component and a sub-component. All numbers count from 1, as the standard does. What is not stated
//! means "the first" to a reader of one value and "all" to a reader of many.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The name of a segment: two or three ASCII letters and digits, the first a letter, upper case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentName {
    bytes: [u8; 3],
    length: u8,
}

impl SegmentName {
    /// The name, upper-cased; `None` when it is no segment name.
    pub fn new(name: &str) -> Option<Self> {
        let given = name.as_bytes();
        let fits = matches!(given.len(), 2 | 3) && given[0].is_ascii_alphabetic() && given.iter().all(u8::is_ascii_alphanumeric);
        if !fits {
            return None;
        }
        let mut bytes = [0; 3];
        for (to, from) in bytes.iter_mut().zip(given) {
            *to = from.to_ascii_uppercase();
        }
        Some(Self { bytes, length: u8::try_from(given.len()).ok()? })
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A place in a message. Every number counts from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    /// Segment name.
    pub segment: SegmentName,
    /// Which segment of that name.
    pub segment_occurrence: Option<usize>,
    /// Field number as the standard counts (MSH-1 is the field separator itself).
    pub field: usize,
    /// Which repetition of the field.
    pub repetition: Option<usize>,
    /// Component.
    pub component: Option<usize>,
    /// Sub-component.
    pub subcomponent: Option<usize>,
}

impl Path {
    /// The path of a whole field of the first segment of that name; `None` when the name is no
    /// segment name or the field number is 0.
    pub fn field(segment: &str, field: usize) -> Option<Self> {
        let segment = SegmentName::new(segment)?;
        (field > 0).then_some(Self { segment, segment_occurrence: None, field, repetition: None, component: None, subcomponent: None })
    }

    /// Reads a path; the same as `text.parse()`.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        Parser { text, at: 0 }.path()
    }

    /// The segment's name.
    pub fn segment_name(&self) -> &str {
        self.segment.as_str()
    }
}

/// What is wrong with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// Nothing there.
    #[error("the path is empty; write a segment and a field, such as PID-5.1")]
    Empty,
    /// The part before the first `-`, `.` or `[` is no segment name.
    #[error("the path does not start with a segment name (two or three letters and digits); write it as in PID-5.1")]
    SegmentName,
    /// A segment without a field.
    #[error("the path names no field; write the field number after the segment, as in PID-5")]
    MissingField,
    /// A number was expected.
    #[error("the path has no number at position {position}; write numbers from 1, as in PID-3[2].4")]
    Number {
        /// Position in the path, from 1.
        position: usize,
    },
    /// 0 is no position.
    #[error("the path has a 0 at position {position}; segments, fields, repetitions and components count from 1")]
    Zero {
        /// Position in the path, from 1.
        position: usize,
    },
    /// More than the standard or memory knows.
    #[error("the path has too large a number at position {position}; the largest is {MAX_NUMBER}")]
    TooLarge {
        /// Position in the path, from 1.
        position: usize,
    },
    /// `[` without `]`.
    #[error("the path has a [ that is not closed at position {position}; write [2]")]
    Bracket {
        /// Position in the path, from 1.
        position: usize,
    },
    /// Something after the end.
    #[error("the path goes on after it should end, at position {position}; the longest form is OBX[3]-5[2].1.4")]
    Trailing {
        /// Position in the path, from 1.
        position: usize,
    },
}

/// Largest number in a path.
pub const MAX_NUMBER: usize = 99_999_999;

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn path(mut self) -> Result<Path, PathError> {
        if self.text.is_empty() {
            return Err(PathError::Empty);
        }
        let end = self.text.find(['-', '.', '[']).unwrap_or(self.text.len());
        let segment = SegmentName::new(&self.text[..end]).ok_or(PathError::SegmentName)?;
        self.at = end;
        let segment_occurrence = self.bracket()?;
        if !self.separator() {
            return if self.at == self.text.len() {
                Err(PathError::MissingField)
            } else {
                Err(PathError::Trailing { position: self.at + 1 })
            };
        }
        let field = self.number()?;
        let repetition = self.bracket()?;
        let component = if self.separator() { Some(self.number()?) } else { None };
        let subcomponent = if component.is_some() && self.separator() { Some(self.number()?) } else { None };
        if self.at < self.text.len() {
            return Err(PathError::Trailing { position: self.at + 1 });
        }
        Ok(Path { segment, segment_occurrence, field, repetition, component, subcomponent })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn separator(&mut self) -> bool {
        let found = matches!(self.peek(), Some(b'-' | b'.'));
        self.at += usize::from(found);
        found
    }

    fn bracket(&mut self) -> Result<Option<usize>, PathError> {
        if self.peek() != Some(b'[') {
            return Ok(None);
        }
        let open = self.at;
        self.at += 1;
        let number = self.number()?;
        if self.peek() != Some(b']') {
            return Err(PathError::Bracket { position: open + 1 });
        }
        self.at += 1;
        Ok(Some(number))
    }

    fn number(&mut self) -> Result<usize, PathError> {
        let position = self.at + 1;
        let mut number = 0usize;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            number = number * 10 + usize::from(digit - b'0');
            if number > MAX_NUMBER {
                return Err(PathError::TooLarge { position });
            }
            self.at += 1;
        }
        match (self.at + 1 > position, number) {
            (false, _) => Err(PathError::Number { position }),
            (true, 0) => Err(PathError::Zero { position }),
            (true, number) => Ok(number),
        }
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.segment.as_str())?;
        if let Some(occurrence) = self.segment_occurrence {
            write!(f, "[{occurrence}]")?;
        }
        write!(f, "-{}", self.field)?;
        if let Some(repetition) = self.repetition {
            write!(f, "[{repetition}]")?;
        }
        if let Some(component) = self.component {
            write!(f, ".{component}")?;
            if let Some(subcomponent) = self.subcomponent {
                write!(f, ".{subcomponent}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn canonical_forms_read_back() {
        for text in ["PID-5", "PID-5.1", "PID-3[2].4", "OBX[3]-5", "PID-5[1].1.2", "MSH-9.2", "Z1-3", "OBX[12]-5[3].1.4"] {
            assert_eq!(Path::parse(text).unwrap().to_string(), text);
        }
        for (loose, canonical) in
            [("PID.5.1", "PID-5.1"), ("pid-5", "PID-5"), ("PID-5-1-2", "PID-5.1.2"), ("PID[2].5[1].1", "PID[2]-5[1].1")]
        {
            assert_eq!(Path::parse(loose).unwrap().to_string(), canonical);
        }
        let path: Path = "PID-3[2].4".parse().unwrap();
        assert_eq!(
            (path.segment_name(), path.field, path.repetition, path.component, path.subcomponent),
            ("PID", 3, Some(2), Some(4), None)
        );
    }

    #[test]
    fn errors_say_what_is_wrong() {
        for (text, error) in [
            ("", PathError::Empty),
            ("P-5", PathError::SegmentName),
            ("PIDX-5", PathError::SegmentName),
            ("5.1", PathError::SegmentName),
            ("ÄÖ-1", PathError::SegmentName),
            ("PID", PathError::MissingField),
            ("PID[2]", PathError::MissingField),
            ("PID-", PathError::Number { position: 5 }),
            ("PID-x", PathError::Number { position: 5 }),
            ("PID-5.", PathError::Number { position: 7 }),
            ("PID-0", PathError::Zero { position: 5 }),
            ("PID-3[0]", PathError::Zero { position: 7 }),
            ("PID-999999999", PathError::TooLarge { position: 5 }),
            ("PID-3[2", PathError::Bracket { position: 6 }),
            ("PID-5.1.2.3", PathError::Trailing { position: 10 }),
            ("PID-5 ", PathError::Trailing { position: 6 }),
            ("PID[1]5", PathError::Trailing { position: 7 }),
        ] {
            assert_eq!(Path::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn is_a_string_in_json() {
        let path: Path = serde_json::from_str("\"OBX[3]-5\"").unwrap();
        assert_eq!(serde_json::to_string(&path).unwrap(), "\"OBX[3]-5\"");
        assert!(serde_json::from_str::<Path>("\"OBX\"").unwrap_err().to_string().contains("names no field"));
    }

    proptest! {
        #[test]
        fn any_path_reads_back(
            segment in "[A-Z][A-Z0-9]{1,2}", occurrence in proptest::option::of(1usize..=MAX_NUMBER), field in 1usize..=MAX_NUMBER,
            repetition in proptest::option::of(1usize..1000), component in proptest::option::of(1usize..1000), subcomponent in proptest::option::of(1usize..1000),
        ) {
            let path = Path {
                segment: SegmentName::new(&segment).unwrap(),
                segment_occurrence: occurrence,
                field,
                repetition,
                component,
                subcomponent: subcomponent.filter(|_| component.is_some()),
            };
            prop_assert_eq!(Path::parse(&path.to_string()), Ok(path));
        }

        #[test]
        fn any_text_is_answered(text in r"[PIDé0-9.\[\]-]{0,16}") {
            if let Ok(path) = Path::parse(&text) {
                prop_assert_eq!(Path::parse(&path.to_string()), Ok(path));
            }
        }
    }
}
