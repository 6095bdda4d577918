//! The user's terminology over the finished tree of a message.

use smallvec::SmallVec;
use sutura_fhir::defs::{TypeId, r4};
use sutura_terminology::{Coverage, UserTerminology};

use crate::{
    codes::{Sent, Treatment, treat},
    fhir::{NodeId, Tree},
};

/// Translates and counts the codes of the resources that are kept.
///
/// `names` are the names of code systems that have no URI, with the element that stayed empty for it; `base` is what was put in front of local names.
pub(super) fn apply(
    tree: &mut Tree,
    kept: &[bool],
    mut names: Vec<(NodeId, String)>,
    base: Option<&str>,
    user: &UserTerminology,
    coverage: &mut Coverage,
) {
    let [Some(coding), Some(concept)] = ["Coding", "CodeableConcept"].map(|name| r4().type_named(name)) else { return };
    names.sort_unstable_by_key(|(node, _)| node.0);
    let pass = Pass { tree, names: &names, base: base.filter(|base| !base.is_empty()), user, coding, concept };
    let mut changes = Vec::new();
    for resource in pass.tree.resources().filter(|resource| kept[resource.index()]) {
        pass.element(pass.tree.root(resource), coverage, &mut changes);
    }
    for Change { concept, codings, treatment } in changes {
        change(tree, concept, &codings, &treatment);
    }
}

/// A concept (none for a coding that stands alone) with its codings, and what is to be done.
struct Change<'t> {
    concept: Option<NodeId>,
    codings: SmallVec<[NodeId; 4]>,
    treatment: Treatment<'t>,
}

struct Pass<'p, 't> {
    tree: &'p Tree,
    names: &'p [(NodeId, String)],
    base: Option<&'p str>,
    user: &'t UserTerminology,
    coding: TypeId,
    concept: TypeId,
}

impl<'t> Pass<'_, 't> {
    /// Looks for codes in an element.
    fn element(&self, node: NodeId, coverage: &mut Coverage, changes: &mut Vec<Change<'t>>) {
        let ty = self.tree.ty(node);
        if ty == self.concept {
            let codings = self.tree.children(node).filter(|(name, _)| *name == "coding").map(|(_, coding)| coding);
            self.codings(Some(node), codings, coverage, changes);
        } else if ty == self.coding {
            self.codings(None, std::iter::once(node), coverage, changes);
        } else {
            self.tree.children(node).for_each(|(_, child)| self.element(child, coverage, changes));
        }
    }

    fn codings(
        &self,
        concept: Option<NodeId>,
        nodes: impl Iterator<Item = NodeId>,
        coverage: &mut Coverage,
        changes: &mut Vec<Change<'t>>,
    ) {
        let (mut codings, mut sent): (SmallVec<[NodeId; 4]>, SmallVec<[Sent<'_>; 4]>) = (SmallVec::new(), SmallVec::new());
        for node in nodes {
            if let Some(coding) = self.sent(node) {
                codings.push(node);
                sent.push(coding);
            }
        }
        let mut treatment = treat(self.user, &sent, coverage);
        if concept.is_none() {
            // There is no room for another one.
            treatment.front.clear();
        }
        if !treatment.is_empty() {
            changes.push(Change { concept, codings, treatment });
        }
    }

    fn sent(&self, coding: NodeId) -> Option<Sent<'_>> {
        let mut sent = Sent::default();
        for (name, child) in self.tree.children(coding) {
            let value = self.tree.value(child);
            match name {
                "system" => match value {
                    Some(uri) => {
                        sent.uri = uri;
                        sent.local = self.base.and_then(|base| uri.strip_prefix(base)).unwrap_or_default();
                    }
                    None => sent.local = self.name_of(child),
                },
                "code" => sent.code = value.unwrap_or_default(),
                "display" => sent.has_display = value.is_some(),
                _ => {}
            }
        }
        (!sent.code.is_empty()).then_some(sent)
    }

    fn name_of(&self, system: NodeId) -> &str {
        let at = self.names.partition_point(|(node, _)| node.0 < system.0);
        self.names.get(at).filter(|(node, _)| *node == system).map_or("", |(_, name)| name)
    }
}

fn change(tree: &mut Tree, concept: Option<NodeId>, codings: &[NodeId], treatment: &Treatment<'_>) {
    for (number, display) in &treatment.displays {
        tree.set(codings[*number], "display", display);
    }
    let Some(concept) = concept.filter(|_| !treatment.front.is_empty()) else { return };
    if !codings.iter().any(|coding| tree.has(*coding, "userSelected")) {
        tree.set_flag(codings[0], "userSelected", true);
    }
    for found in treatment.front.iter().rev() {
        let Some(coding) = tree.push_front(concept, "coding") else { return };
        tree.set(coding, "system", found.system);
        tree.set(coding, "code", &found.code);
        if let Some(display) = found.display {
            tree.set(coding, "display", display);
        }
    }
}
