//! What became of the fields of one message. It goes into the report when it is known whether the message was converted.

use super::{
    index::{self, Parts},
    plan::Tag,
    run::{self, Fate, Work},
};
use crate::report::{Feed, FieldPlace, Outcome};

/// Why the values of a message of which nothing could be made were left out.
const REJECTED: &str = "rejected";

/// The outcomes of the values of a message, in its order.
#[derive(Debug, Default)]
pub(super) struct Account(Vec<(FieldPlace, Outcome, u32)>);

impl Account {
    pub(super) fn clear(&mut self) {
        self.0.clear();
        self.0.shrink_to(1 << 14);
    }

    /// The message was converted.
    pub(super) fn post(&self, feed: &mut Feed) {
        for (place, outcome, count) in &self.0 {
            feed.field(*place).add(*outcome, u64::from(*count));
        }
    }

    /// Nothing could be made of the message.
    pub(super) fn reject(&self, feed: &mut Feed) {
        for (place, _, count) in &self.0 {
            feed.field(*place).add(Outcome::Dropped(REJECTED), u64::from(*count));
        }
    }

    fn count(&mut self, place: FieldPlace, outcome: Outcome, count: usize) {
        if count > 0 {
            self.0.push((place, outcome, u32::try_from(count).unwrap_or(u32::MAX)));
        }
    }

    /// Counts what became of the fields of the segment at hand. `starts[n]` is the first fate of field `n`.
    pub(super) fn segment(&mut self, work: &Work<'_>, starts: &[u32]) {
        let tag = work.index.segments[work.here].tag;
        let fields = work.index.fields(work.here);
        if !is_segment(work, tag) {
            // The name of what is no segment may be a piece of a text that was broken into lines.
            let populated = fields.iter().skip(1).filter(|field| !field.is_empty()).count();
            self.count(FieldPlace::OTHER_SEGMENT, Outcome::Unmapped, populated);
            return;
        }
        let drops = work.plan.drops.get(&tag).map_or(&[][..], Vec::as_slice);
        let of = |field: u16| {
            let mut here = drops.iter().filter(|drop| drop.field == field);
            here.find(|drop| work.meets(drop.condition.as_ref())).map(|drop| drop.reason)
        };
        let whole = of(0);
        for (number, field) in fields.iter().enumerate().skip(1) {
            let fates = &work.fates[starts[number] as usize..starts[number + 1] as usize];
            if fates.is_empty() {
                continue;
            }
            let Ok(field_number) = u16::try_from(number) else {
                self.count(FieldPlace::OTHER_SEGMENT, Outcome::Unmapped, 1);
                continue;
            };
            let place = FieldPlace { segment: tag, field: field_number, component: 0 };
            let left_out = whole.or_else(|| of(field_number));
            let separator = if fates.len() > 1 { work.index.delimiters.repetition } else { None };
            for (repetition, fate) in index::split(field, separator).zip(fates) {
                let whole = if repetition.is_empty() {
                    continue;
                } else if let Some(reason) = left_out {
                    Outcome::Dropped(reason)
                } else if repetition == "\"\"" {
                    DELETED
                } else if fate.by_component {
                    self.components(place, fate, &work.index.parts(repetition, 0), work.index.delimiters.component);
                    continue;
                } else {
                    outcome(fate, u64::MAX)
                };
                self.count(place, whole, 1);
            }
        }
    }

    /// Counts each component that was sent.
    fn components(&mut self, place: FieldPlace, fate: &Fate, parts: &Parts<'_>, separator: u8) {
        let mut populated = parts.populated();
        while populated != 0 {
            let at = populated.trailing_zeros();
            populated &= populated - 1;
            let deletes = parts.get(at as usize + 1).is_empty();
            let outcome = if deletes { DELETED } else { outcome(fate, 1 << at) };
            self.count(FieldPlace { component: at as u8 + 1, ..place }, outcome, 1);
        }
        let beyond = FieldPlace { component: index::MOST_PARTS as u8 + 1, ..place };
        self.count(beyond, Outcome::Unmapped, parts.beyond(separator));
    }
}

const DELETED: Outcome = Outcome::Dropped(run::REASONS[run::Reason::Deleted as usize]);

/// What became of the components in a mask.
fn outcome(fate: &Fate, mask: u64) -> Outcome {
    if fate.mapped & mask != 0 {
        return Outcome::Mapped;
    }
    match fate.dropped.iter().position(|dropped| dropped & mask != 0) {
        Some(reason) => Outcome::Dropped(run::REASONS[reason]),
        None => Outcome::Unmapped,
    }
}

/// Whether the standard, or by its first letter the sender, has a segment of that name.
fn is_segment(work: &Work<'_>, tag: Tag) -> bool {
    let sent = work.index.fields(work.here)[0].trim();
    work.plan.uses.contains_key(&tag)
        || sutura_hl7v2::defs::segment(sent).is_some()
        || (sent.starts_with('Z') && sent.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()))
}
