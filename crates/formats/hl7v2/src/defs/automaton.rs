//! Whether a sequence of segments is exactly a structure, decided without backtracking.
//!
//! Structures are ambiguous when read from the left (in OML^O21 an ORC may begin a prior result or
//! the next order), so all readings are followed at once: the position automaton of the grammar
//! (Glushkov 1961), one bit per segment of the structure.

use super::{Grammar, NodeKind, is_never_missing};

/// The most segments a structure may have; the largest of the standard has 88.
const MAX_POSITIONS: usize = 128;

/// A set of positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Set([u64; MAX_POSITIONS / 64]);

impl Set {
    fn one(position: usize) -> Self {
        let mut set = Self::default();
        set.0[position / 64] = 1 << (position % 64);
        set
    }

    fn add(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
    }

    fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(word, more)| word & more != 0)
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    fn positions(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(at, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros() as usize;
                    rest &= rest - 1;
                    at * 64 + bit
                })
            })
        })
    }
}

/// The position automaton of one grammar.
#[derive(Debug)]
pub(crate) struct Automaton {
    /// The key of the segment at each position; `None` is any segment.
    keys: Vec<Option<u32>>,
    follow: Vec<Set>,
    first: Set,
    last: Set,
    fits: bool,
}

/// What a part of the grammar can begin with, end with, and whether it can be left out.
#[derive(Clone, Copy)]
struct Part {
    first: Set,
    last: Set,
    nullable: bool,
}

const NOTHING: Part = Part { first: Set([0; MAX_POSITIONS / 64]), last: Set([0; MAX_POSITIONS / 64]), nullable: true };

impl Automaton {
    pub(super) fn new(grammar: &Grammar) -> Self {
        let mut automaton = Self { keys: Vec::new(), follow: Vec::new(), first: Set::default(), last: Set::default(), fits: true };
        let whole = automaton.sequence(grammar, 0);
        (automaton.first, automaton.last) = (whole.first, whole.last);
        automaton
    }

    fn sequence(&mut self, grammar: &Grammar, group: usize) -> Part {
        let mut whole = NOTHING;
        for child in grammar.children(group) {
            let part = self.part(grammar, child);
            for position in whole.last.positions() {
                self.follow[position].add(&part.first);
            }
            if whole.nullable {
                whole.first.add(&part.first);
            }
            if !part.nullable {
                whole.last = Set::default();
            }
            whole.last.add(&part.last);
            whole.nullable &= part.nullable;
        }
        whole
    }

    fn choice(&mut self, grammar: &Grammar, choice: usize) -> Part {
        let mut whole = Part { nullable: false, ..NOTHING };
        for child in grammar.children(choice) {
            let part = self.part(grammar, child);
            whole.first.add(&part.first);
            whole.last.add(&part.last);
            whole.nullable |= part.nullable;
        }
        whole
    }

    fn part(&mut self, grammar: &Grammar, node: usize) -> Part {
        let def = grammar.nodes()[node];
        let mut part = match def.kind {
            NodeKind::Segment(name) => {
                let part = self.position(Some(grammar.keys()[node]));
                Part { nullable: is_never_missing(name), ..part }
            }
            NodeKind::Any => self.position(None),
            NodeKind::Group => self.sequence(grammar, node),
            NodeKind::Choice => self.choice(grammar, node),
        };
        if def.repeats {
            for position in part.last.positions() {
                self.follow[position].add(&part.first);
            }
        }
        part.nullable |= !def.required;
        part
    }

    fn position(&mut self, key: Option<u32>) -> Part {
        let position = self.keys.len();
        if position >= MAX_POSITIONS {
            self.fits = false;
            return NOTHING;
        }
        self.keys.push(key);
        self.follow.push(Set::default());
        Part { first: Set::one(position), last: Set::one(position), nullable: false }
    }

    /// Whether the segments are exactly the structure. `false` for a structure that is too large to tell.
    pub(crate) fn accepts(&self, keys: &[u32]) -> bool {
        let mut reached = Set::default();
        let mut may_follow = self.first;
        for &key in keys {
            reached = Set::default();
            for position in may_follow.positions() {
                if self.keys[position].is_none_or(|known| known == key) {
                    reached.add(&Set::one(position));
                }
            }
            if reached.is_empty() {
                return false;
            }
            may_follow = Set::default();
            for position in reached.positions() {
                may_follow.add(&self.follow[position]);
            }
        }
        self.fits && reached.meets(&self.last)
    }
}
