//! Sensitive categories of documents: what the codes of a record, segment or statement show, and what the policy does with it.

use std::cell::RefCell;

use sutura_fhir::json::{Kind, Value};
use sutura_hl7v2::Segment;
use sutura_privacy::{
    LabelAction, Policy,
    labels::{self, LabelSet, Notice},
};

/// Elements inside one another that are looked through.
const MOST_DEPTH: usize = 64;
/// Codes that are remembered.
const REMEMBERED: usize = 1024;

/// The categories of one part of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Category {
    pub(crate) labels: LabelSet,
    pub(crate) action: LabelAction,
    /// Whether what is released is still under the laws that want a notice with it.
    carries_notices: bool,
}

impl Category {
    /// Of no category: treated like everything else.
    pub(crate) const NONE: Category = Category { labels: LabelSet::NONE, action: LabelAction::Keep, carries_notices: false };

    pub(crate) fn of(labels: LabelSet, policy: &Policy) -> Self {
        Self { labels, action: policy.action_for(labels), carries_notices: policy.profile.carries_notices() }
    }

    /// The labels of what stays: they are marked.
    pub(crate) fn kept(self) -> LabelSet {
        if self.action == LabelAction::Keep { self.labels } else { LabelSet::NONE }
    }

    /// The statement that goes with what stays.
    pub(crate) fn notice(self) -> Option<Notice> {
        self.kept().notice().filter(|_| self.carries_notices)
    }
}

/// What a code shows. The same few codes come again and again.
pub(crate) fn of_code(system: &str, code: &str) -> LabelSet {
    type Seen = Vec<Option<(String, LabelSet)>>;
    thread_local! { static SEEN: RefCell<Seen> = const { RefCell::new(Vec::new()) } }
    if code.is_empty() || system.is_empty() || code.len() + system.len() > 256 {
        return LabelSet::NONE;
    }
    let bytes = system.bytes().chain([0]).chain(code.bytes());
    let place =
        bytes.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)) as usize % REMEMBERED;
    SEEN.with_borrow_mut(|seen| {
        if seen.is_empty() {
            seen.resize(REMEMBERED, None);
        }
        let is_same = |known: &str| known.split_once('\0') == Some((system, code));
        match &seen[place] {
            Some((known, labels)) if is_same(known) => *labels,
            _ => {
                let labels = labels::of_code(system, code);
                seen[place] = Some((format!("{system}\0{code}"), labels));
                labels
            }
        }
    })
}

/// What the codings of a resource show, those of contained resources too; not of the entries of a Bundle, which are resources of their own.
pub(crate) fn of_resource(resource: Value<'_>) -> LabelSet {
    fn of_value(value: Value<'_>, depth: usize) -> LabelSet {
        if depth > MOST_DEPTH {
            return LabelSet::NONE;
        }
        match value.kind() {
            Kind::Array => value.items().fold(LabelSet::NONE, |all, item| all.union(of_value(item, depth + 1))),
            Kind::Object => {
                let text = |name: &str| value.get(name).and_then(|text| text.as_str());
                let own = match (text("system"), text("code")) {
                    (Some(system), Some(code)) => of_code(system, code),
                    _ => LabelSet::NONE,
                };
                let inside = value.entries().filter(|(name, member)| {
                    matches!(member.kind(), Kind::Array | Kind::Object) && !matches!(*name, "entry" | "resource" | "outcome")
                });
                inside.fold(own, |all, (_, member)| all.union(of_value(member, depth + 1)))
            }
            _ => LabelSet::NONE,
        }
    }
    of_value(resource, 0)
}

/// What the coded fields of a segment show: code and system of both triplets of every repetition.
pub(crate) fn of_segment(segment: &Segment<'_>) -> LabelSet {
    let delimiters = segment.delimiters();
    let mut found = LabelSet::NONE;
    let repetition = delimiters.repetition.map(char::from);
    for field in segment.raw().split(char::from(delimiters.field)).skip(1) {
        for repetition in field.split(|letter| Some(letter) == repetition) {
            let mut parts = [""; 6];
            let mut components = repetition.split(char::from(delimiters.component));
            parts.iter_mut().zip(&mut components).for_each(|(part, component)| *part = component);
            found = found.union(of_code(parts[2], parts[0])).union(of_code(parts[5], parts[3]));
        }
    }
    found
}

/// What the codes of a clinical statement of C-CDA show, and of all statements in it.
pub(crate) fn of_statement(element: sutura_ccda::Element<'_>) -> LabelSet {
    let of_one = |element: sutura_ccda::Element<'_>| match (element.attr("codeSystem"), element.attr("code")) {
        (Some(system), Some(code)) => of_code(system.trim(), code.trim()),
        _ => LabelSet::NONE,
    };
    element.descendants().fold(of_one(element), |all, inner| all.union(of_one(inner)))
}

#[cfg(test)]
mod tests {
    use sutura_fhir::json::Parser;
    use sutura_hl7v2::Message;
    use sutura_privacy::labels::Label;

    use super::*;

    #[test]
    fn codes_show_categories_in_every_format() {
        let mut parser = Parser::default();
        let resource =
            br#"{"resourceType":"Condition","code":{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"F11.20"}]}}"#;
        assert_eq!(of_resource(parser.parse(resource).unwrap().root()), LabelSet::NONE.with(Label::SubstanceUse));
        let bundle = [br#"{"resourceType":"Bundle","entry":[{"resource":"#.as_slice(), resource, b"}]}"].concat();
        assert!(of_resource(parser.parse(&bundle).unwrap().root()).is_empty());
        let message = Message::parse("MSH|^~\\&|\rDG1|1||B20^HIV^I10C~E11.9^^I10C|\rDG1|2||X^y^L^F11.20^z^I10\r").unwrap();
        let found: Vec<LabelSet> = message.segments().map(|segment| of_segment(&segment)).collect();
        assert_eq!(found, [LabelSet::NONE, LabelSet::NONE.with(Label::Hiv), LabelSet::NONE.with(Label::SubstanceUse)]);
        // From memory as well.
        assert_eq!(of_code("I10C", "B20"), LabelSet::NONE.with(Label::Hiv));
    }
}
