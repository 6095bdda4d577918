//! The first pass of two: which references of a transaction mean entries of it.

use std::collections::HashMap;

use super::{
    BundleError, BundleKind, Entry, Options,
    entry::Planned,
    seen::Seen,
    urn::{uuid_of, uuid_of_resource},
};
use crate::{json::Parser, read::is_resource_type};

/// Where a name leads.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) part: u64,
    /// The fullUrl.
    pub(super) url: Box<str>,
}

/// What the entries of a Bundle are called, and by which fullUrl they are to be called.
///
/// A server gives a created resource a new id, so within a transaction others must refer to it by its entry's fullUrl. A
/// stream does not know at the first reference whether its target follows: so the resources are gone through twice, first to
/// fill this index ([`ReferenceIndex::add`]), then to write. It holds about 150 bytes for each resource that is created
/// (for each resource, with [`Options::rewrite_references`]), and nothing of the others. Resources that are put by id need no index.
pub struct ReferenceIndex {
    kind: BundleKind,
    options: Options,
    parser: Parser,
    targets: HashMap<u128, Target>,
    seen: Seen,
    entries: u64,
    part: u64,
}

impl ReferenceIndex {
    /// An empty index for Bundles of that kind and options, the same as the writer's.
    ///
    /// # Errors
    /// When an option is wrong.
    pub fn new(kind: BundleKind, options: &Options) -> Result<Self, BundleError> {
        options.check()?;
        Ok(Self {
            kind,
            parser: Parser::new(options.limits()),
            seen: Seen::new(options.remembered_entries),
            options: options.clone(),
            targets: HashMap::new(),
            entries: 0,
            part: 0,
        })
    }

    /// Takes a resource in the order in which it will be written.
    ///
    /// # Errors
    /// As [`super::BundleWriter::push`]; a resource that is refused here is refused there too.
    pub fn add<'r>(&mut self, entry: impl Into<Entry<'r>>) -> Result<(), BundleError> {
        let entry = entry.into();
        let document = self.parser.parse(entry.resource)?;
        let planned = Planned::new(document.root(), entry.full_url, self.entries, self.kind, &self.options)?;
        if self.seen.has(&planned.unique) && self.options.max_entries.is_none_or(|most| self.entries != most) {
            return Err(BundleError::Duplicate { resource_type: planned.resource_type.to_owned() });
        }
        if self.options.max_entries == Some(self.entries) {
            self.part += 1;
            self.entries = 0;
            self.seen.clear();
        }
        self.seen.add(&planned.unique);
        self.entries += 1;
        if planned.is_renamed {
            for name in planned.names.into_iter().flatten() {
                // The first one of a name that stands in two parts.
                self.targets.entry(name).or_insert_with(|| Target { part: self.part, url: planned.full_url.as_str().into() });
            }
        }
        Ok(())
    }

    /// How many names it holds.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// What a reference means, if it means an entry that got a new name.
    pub(super) fn target(&self, reference: &str) -> Option<&Target> {
        let name = match reference.split_once('/') {
            Some((resource_type, id)) if is_resource_type(resource_type) => uuid_of_resource(resource_type, id),
            _ if reference.contains(':') => uuid_of(&[reference.as_bytes()]),
            _ => return None,
        };
        self.targets.get(&name)
    }
}

impl std::fmt::Debug for ReferenceIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReferenceIndex({} names)", self.targets.len())
    }
}
