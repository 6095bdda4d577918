//! What an evaluation may use besides its focus.

use super::{Collection, DateTime, Item, PathError};

/// Finds the resource of a reference.
pub trait Resolve<'d> {
    /// The resource that `reference` (relative, absolute or `urn:uuid:`) points at, if it is known.
    fn resolve(&self, reference: &str) -> Option<Item<'d>>;
}

/// Answers questions about codes.
pub trait Terminology {
    /// Whether the value set has the code; `None` if the value set is not known. `system` is empty for a bare code.
    fn member_of(&self, value_set: &str, system: &str, code: &str) -> Option<bool>;

    /// Whether `ancestor` subsumes `descendant`; `None` if the code system is not known.
    fn subsumes(&self, _system: &str, _ancestor: &str, _descendant: &str) -> Option<bool> {
        None
    }
}

/// Checks a node against a profile.
pub trait Profiles {
    /// Whether the node conforms to the profile of that URL; `None` if the profile is not known.
    fn conforms_to(&self, node: &Item<'_>, profile: &str) -> Option<bool>;
}

/// The limits of one evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CostLimits {
    /// Steps: an operator, a function, an item looked at or compared is one each.
    pub steps: u64,
    /// Bytes of the longest text that an expression may build.
    pub text: usize,
}

impl Default for CostLimits {
    fn default() -> Self {
        Self { steps: 10_000_000, text: 16 * 1024 * 1024 }
    }
}

/// The surroundings of an evaluation. Cheap to make; one for each resource.
#[derive(Default)]
pub struct Context<'d> {
    pub(crate) variables: Vec<(Box<str>, Collection<'d>)>,
    pub(crate) resource: Option<Item<'d>>,
    pub(crate) root: Option<Item<'d>>,
    pub(crate) now: Option<DateTime>,
    pub(crate) resolver: Option<&'d dyn Resolve<'d>>,
    pub(crate) terminology: Option<&'d dyn Terminology>,
    pub(crate) profiles: Option<&'d dyn Profiles>,
    pub(crate) limits: CostLimits,
    pub(crate) strict: bool,
    pub(crate) steps_used: u64,
}

impl<'d> Context<'d> {
    /// An empty context: no variables, no services, default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Defines `%name`.
    #[must_use]
    pub fn variable(mut self, name: &str, value: Collection<'d>) -> Self {
        self.set_variable(name, value);
        self
    }

    /// Defines or replaces `%name`.
    pub fn set_variable(&mut self, name: &str, value: Collection<'d>) {
        match self.variables.iter_mut().find(|(known, _)| &**known == name) {
            Some(slot) => slot.1 = value,
            None => self.variables.push((name.into(), value)),
        }
    }

    /// `%resource`, the resource that holds the focus; without it the focus itself.
    #[must_use]
    pub fn resource(mut self, resource: Item<'d>) -> Self {
        self.resource = Some(resource);
        self
    }

    /// `%rootResource`, the container of a contained resource; without it `%resource`.
    #[must_use]
    pub fn root_resource(mut self, root: Item<'d>) -> Self {
        self.root = Some(root);
        self
    }

    /// What `now()` says. Without it the system's clock is read once, at the first use.
    #[must_use]
    pub fn now(mut self, now: DateTime) -> Self {
        self.now = Some(now);
        self
    }

    /// Who resolves references that the root resource does not hold itself.
    #[must_use]
    pub fn resolver(mut self, resolver: &'d dyn Resolve<'d>) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// Who answers `memberOf()`; without it the value sets of the R4 definitions do.
    #[must_use]
    pub fn terminology(mut self, terminology: &'d dyn Terminology) -> Self {
        self.terminology = Some(terminology);
        self
    }

    /// Who answers `conformsTo()`; without it only the base definitions are known.
    #[must_use]
    pub fn profiles(mut self, profiles: &'d dyn Profiles) -> Self {
        self.profiles = Some(profiles);
        self
    }

    /// Other limits.
    #[must_use]
    pub fn limits(mut self, limits: CostLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Makes an element that the type does not have an error instead of empty.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    pub(crate) fn fixed_now(&mut self) -> DateTime {
        *self.now.get_or_insert_with(DateTime::now)
    }

    /// Steps that the latest evaluation took.
    pub fn steps_used(&self) -> u64 {
        self.steps_used
    }

    pub(crate) fn lookup(&self, name: &str) -> Result<Collection<'d>, PathError> {
        match self.variables.iter().find(|(known, _)| &**known == name) {
            Some((_, value)) => Ok(value.clone()),
            None => Err(PathError::UndefinedVariable(name.into())),
        }
    }
}
