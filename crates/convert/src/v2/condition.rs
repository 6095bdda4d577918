//! Conditions of rows, parsed once: `(and (v PID-29) (not (in OBX-2 "NM" "SN")))`.

/// What a condition asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A component of the value at hand; 0 is the whole.
    Component(u8),
    /// A field of a segment; component 0 is its first repetition as a whole.
    Field { segment: [u8; 3], field: u16, component: u8 },
    /// A segment: whether it is there.
    Segment([u8; 3]),
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Valued(Place),
    In(Place, Vec<&'static str>),
    Same(Place, Place),
    /// Number of repetitions compared with a number.
    Count(Place, Relation, u16),
    /// Length of the text compared with a number.
    Length(Place, Relation, u16),
}

/// How numbers compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Relation {
    pub less: bool,
    pub equal: bool,
    pub greater: bool,
}

impl Relation {
    pub(super) fn holds(self, left: usize, right: u16) -> bool {
        match left.cmp(&usize::from(right)) {
            std::cmp::Ordering::Less => self.less,
            std::cmp::Ordering::Equal => self.equal,
            std::cmp::Ordering::Greater => self.greater,
        }
    }
}

/// Answers what a condition asks about a message.
pub(super) trait Facts {
    /// The text at a place as sent; empty when nothing is there or it deletes.
    fn text(&self, place: Place) -> &str;
    /// How often a field repeats.
    fn count(&self, place: Place) -> usize;
    /// Whether a segment is there.
    fn has_segment(&self, segment: [u8; 3]) -> bool;
}

impl Condition {
    /// Parses the prefix form; none if it is not well formed.
    pub(super) fn parse(text: &'static str) -> Option<Self> {
        let (condition, rest) = parse(text)?;
        rest.trim().is_empty().then_some(condition)
    }

    /// Whether it holds.
    pub(super) fn holds(&self, facts: &dyn Facts) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.holds(facts)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(facts)),
            Self::Not(inner) => !inner.holds(facts),
            Self::Valued(Place::Segment(segment)) => facts.has_segment(*segment),
            Self::Valued(place) => !facts.text(*place).is_empty(),
            Self::In(place, values) => values.contains(&facts.text(*place)),
            Self::Same(left, right) => facts.text(*left) == facts.text(*right),
            Self::Count(place, relation, number) => relation.holds(facts.count(*place), *number),
            Self::Length(place, relation, number) => relation.holds(facts.text(*place).len(), *number),
        }
    }

    /// Whether it holds for something that is not there: it negates a question about that place.
    pub(super) fn is_about_absence_of(&self, place: Place) -> bool {
        let same = |asked: &Place| match (asked, place) {
            // That a component is not there says nothing about its field.
            (Place::Field { component: 1.., .. }, _) => false,
            (Place::Field { segment, field, .. }, Place::Field { segment: other, field: number, .. }) => {
                *segment == other && *field == number
            }
            _ => *asked == place,
        };
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().any(|part| part.is_about_absence_of(place)),
            Self::Not(inner) => matches!(&**inner, Self::Valued(asked) if same(asked)),
            _ => false,
        }
    }
}

fn parse(text: &'static str) -> Option<(Condition, &'static str)> {
    let inner = text.trim_start().strip_prefix('(')?;
    let end = inner.find([' ', ')'])?;
    let (word, rest) = inner.split_at(end);
    match word {
        "and" | "or" => {
            let (mut parts, mut rest) = (Vec::new(), rest);
            while !rest.trim_start().starts_with(')') {
                let (part, behind) = parse(rest)?;
                parts.push(part);
                rest = behind;
            }
            let condition = if word == "and" { Condition::And(parts) } else { Condition::Or(parts) };
            Some((condition, close(rest)?))
        }
        "not" => {
            let (part, rest) = parse(rest)?;
            Some((Condition::Not(Box::new(part)), close(rest)?))
        }
        "v" => {
            let (place, rest) = place(rest)?;
            Some((Condition::Valued(place), close(rest)?))
        }
        "same" => {
            let (left, rest) = place(rest)?;
            let (right, rest) = place(rest)?;
            Some((Condition::Same(left, right), close(rest)?))
        }
        "in" => {
            let (place, mut rest) = place(rest)?;
            let mut values = Vec::new();
            while let Some(quoted) = rest.trim_start().strip_prefix('"') {
                let (value, behind) = quoted.split_once('"')?;
                values.push(value);
                rest = behind;
            }
            Some((Condition::In(place, values), close(rest)?))
        }
        _ => {
            let (kind, relation) = word.split_at(word.find(['<', '>', '='])?);
            let relation = Relation { less: relation.contains('<'), equal: relation.contains('='), greater: relation.contains('>') };
            let (place, rest) = place(rest)?;
            let rest = rest.trim_start();
            let (number, rest) = rest.split_at(rest.find(')')?);
            let number = number.trim().parse().ok()?;
            let condition = match kind {
                "count" => Condition::Count(place, relation, number),
                "length" => Condition::Length(place, relation, number),
                _ => return None,
            };
            Some((condition, close(rest)?))
        }
    }
}

fn close(text: &'static str) -> Option<&'static str> {
    text.trim_start().strip_prefix(')')
}

fn place(text: &'static str) -> Option<(Place, &'static str)> {
    let text = text.trim_start();
    let (word, rest) = text.split_at(text.find([' ', ')'])?);
    Some((Place::parse(word)?, rest))
}

impl Place {
    /// `.3`, `PID-11.9`, `ORC`.
    pub(super) fn parse(word: &str) -> Option<Self> {
        if let Some(component) = word.strip_prefix('.') {
            // Deeper parts are the first of the component.
            return component.split('.').next()?.parse().ok().map(Self::Component);
        }
        let Some((segment, numbers)) = word.split_once('-') else {
            return Some(Self::Segment(word.as_bytes().try_into().ok()?));
        };
        let mut numbers = numbers.split('.');
        let field = numbers.next()?.parse().ok()?;
        let component = numbers.next().map_or(Some(0), |number| number.parse().ok())?;
        Some(Self::Field { segment: segment.as_bytes().try_into().ok()?, field, component })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Facts for Fixed {
        fn text(&self, place: Place) -> &str {
            match place {
                Place::Component(3) => "PH",
                Place::Field { segment: [b'P', b'I', b'D'], field: 5, .. } => "DOE",
                _ => "",
            }
        }

        fn count(&self, _place: Place) -> usize {
            2
        }

        fn has_segment(&self, segment: [u8; 3]) -> bool {
            segment == *b"PID"
        }
    }

    #[test]
    fn every_form_is_decided() {
        for (text, expected) in [
            ("(v PID-5)", true),
            ("(v PID-6)", false),
            ("(v PID)", true),
            ("(v ORC)", false),
            ("(not (v .3))", false),
            ("(in .3 \"Internet\" \"PH\")", true),
            ("(and (v .3) (or (v PID-6) (v PID-5.1)))", true),
            ("(count> PID-11 1)", true),
            ("(count= PID-11 1)", false),
            ("(count<= PID-11 2)", true),
            ("(length> PID-5 8)", false),
            ("(same PID-5 PID-5.1)", true),
        ] {
            assert_eq!(Condition::parse(text).unwrap_or_else(|| panic!("{text}")).holds(&Fixed), expected, "{text}");
        }
        for bad in ["", "v PID-5", "(v PID-5", "(v PID-x)", "(huh PID-5 1)", "(and (v .3)) x", "(in .3 \"a)"] {
            assert_eq!(Condition::parse(bad), None, "{bad}");
        }
    }
}
