//! Sensitive categories in a message: a segment whose codes show one, and the segments that belong to it.

use sutura_core::PhiClass;
use sutura_hl7v2::{Message, Segment};
use sutura_privacy::{LabelAction, Policy, labels::LabelSet};

use super::{Written, plan::FieldPlan};
use crate::{
    category::{Category, of_segment},
    error::DeidError,
    ledger::Ledger,
};

/// Confidentiality of a message (MSH-26, table 0952): restricted.
const RESTRICTED: &str = "R";
/// Where MSH-26 and MSH-28 stand among the parts of a header, of which the first is its name.
const CLASSIFICATION: usize = 25;
const INSTRUCTIONS: usize = 27;

/// The categories of the segments of one message, in their order.
pub(super) struct Groups(Vec<Category>);

/// Segments that begin a group of their own.
const ALONE: [&str; 14] = ["PID", "PD1", "PV1", "PV2", "DG1", "PR1", "AL1", "IAM", "PRB", "FT1", "IN1", "NK1", "TXA", "SCH"];
/// Segments of orders, of which the results, notes and components that follow are a part.
const ORDERS: [&str; 6] = ["OBR", "RXO", "RXE", "RXD", "RXG", "RXA"];

impl Groups {
    /// A segment has the category of its own codes, of the order that it is a result of, and of the segment that it is a note to.
    pub(super) fn of(message: &Message<'_>, policy: &Policy) -> Self {
        let segments: Vec<Segment<'_>> = message.segments().collect();
        let own: Vec<LabelSet> = segments.iter().map(of_segment).collect();
        let (mut order, mut last) = (LabelSet::NONE, LabelSet::NONE);
        let labels = segments.iter().enumerate().map(|(at, segment)| {
            let next_is_order = segments.get(at + 1).is_some_and(|next| ORDERS.contains(&next.name()));
            let labels = match segment.name() {
                "ORC" if next_is_order => own[at].union(own[at + 1]),
                "NTE" => own[at].union(last),
                name if ORDERS.contains(&name) || ALONE.contains(&name) || name == "ORC" => own[at],
                _ => own[at].union(order),
            };
            match segment.name() {
                "NTE" => {}
                name if ORDERS.contains(&name) || name == "ORC" => (order, last) = (labels, labels),
                name if ALONE.contains(&name) => (order, last) = (LabelSet::NONE, labels),
                _ => last = labels,
            }
            Category::of(labels, policy)
        });
        Self(labels.collect())
    }

    /// The category of a segment, counted.
    pub(super) fn category(&self, at: usize, ledger: &mut Ledger) -> Category {
        let category = self.0.get(at).copied().unwrap_or(Category::NONE);
        if !category.labels.is_empty() {
            ledger.category(category);
        }
        category
    }

    /// Says of a message what stays in it: restricted, and the notice of the law. A message that has lost what it was for does not leave.
    pub(super) fn mark(&self, written: &mut Written, message: &Message<'_>) -> Result<(), DeidError> {
        let is_gone = |name: &str| {
            let mut found = message.segments().zip(&self.0).filter(|(segment, _)| segment.name() == name).peekable();
            found.peek().is_some() && found.all(|(_, category)| category.action == LabelAction::Withhold)
        };
        if ORDERS.into_iter().chain(["PID", "TXA", "SCH", "FT1"]).any(is_gone) {
            return Err(DeidError::Withheld);
        }
        let kept = self.0.iter().fold(LabelSet::NONE, |all, category| all.union(category.kept()));
        if kept.is_empty() {
            return Ok(());
        }
        let mut put = |place: usize, text: &str| {
            if written.header.len() <= place {
                written.header.resize(place + 1, String::new());
            }
            text.clone_into(&mut written.header[place]);
        };
        put(CLASSIFICATION, RESTRICTED);
        if let Some(notice) = self.0.iter().find_map(|category| category.notice()) {
            put(INSTRUCTIONS, notice.text);
        }
        Ok(())
    }
}

/// Whether a field may show the category of its segment: what is clinical and what is text. Who, when and where stay.
pub(super) fn shows_category(segment: &str, field: &FieldPlan, number: usize) -> bool {
    if (segment, number) == ("OBX", 5) {
        return true;
    }
    let classes = field.whole.iter().chain(field.components.iter().flat_map(|component| &component.subs)).map(|leaf| &leaf.place.class);
    classes.clone().any(|class| matches!(class, PhiClass::Clinical | PhiClass::Sensitive(_) | PhiClass::FreeText))
}
