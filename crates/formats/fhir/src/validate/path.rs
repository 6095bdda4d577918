//! Where the walk is; written out for an issue only.

use std::fmt;

/// The way from the outermost resource.
#[derive(Default, Clone)]
pub(super) struct Path<'d> {
    steps: Vec<Step<'d>>,
}

#[derive(Clone, Copy)]
enum Step<'d> {
    Name(&'d str),
    /// A choice: `value` as the type its name in JSON says.
    Choice(&'d str, &'static str),
    Index(usize),
}

impl<'d> Path<'d> {
    pub(super) fn push(&mut self, name: &'d str) {
        self.steps.push(Step::Name(name));
    }

    pub(super) fn push_choice(&mut self, name: &'d str, ty: &'static str) {
        self.steps.push(Step::Choice(name, ty));
    }

    pub(super) fn push_index(&mut self, index: usize) {
        self.steps.push(Step::Index(index));
    }

    pub(super) fn pop(&mut self) {
        self.steps.pop();
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.steps.iter().enumerate() {
            let dot = if number == 0 { "" } else { "." };
            match step {
                Step::Name(name) => write!(f, "{dot}{name}")?,
                Step::Choice(name, ty) => write!(f, "{dot}{name}.ofType({ty})")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
