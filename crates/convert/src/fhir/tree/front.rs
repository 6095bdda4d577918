//! New items in front of a list.

use super::{NONE, NodeId, Tree};

impl Tree {
    /// A new item in front of the others of a list; of what is no list the one element.
    pub(crate) fn push_front(&mut self, parent: NodeId, name: &'static str) -> Option<NodeId> {
        let made = self.push(parent, name)?;
        let (at, order) = (made.0, self.nodes[made.0 as usize].order);
        let mut first = at;
        loop {
            let before = self.nodes[first as usize].prev;
            if before == NONE || self.nodes[before as usize].order != order {
                break;
            }
            first = before;
        }
        if first == at {
            return Some(made);
        }
        let (before, after) = (self.nodes[at as usize].prev, self.nodes[at as usize].next);
        self.nodes[before as usize].next = after;
        match after {
            NONE => self.nodes[parent.0 as usize].last = before,
            _ => self.nodes[after as usize].prev = before,
        }
        let before = self.nodes[first as usize].prev;
        (self.nodes[at as usize].prev, self.nodes[at as usize].next) = (before, first);
        self.nodes[first as usize].prev = at;
        match before {
            NONE => self.nodes[parent.0 as usize].first = at,
            _ => self.nodes[before as usize].next = at,
        }
        Some(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids;

    #[test]
    fn an_item_comes_before_the_others_and_stays_in_its_place() {
        let mut tree = Tree::new();
        let (patient, root) = tree.resource("Patient", ids::from_identifier("Patient", "urn:x", "1")).unwrap();
        tree.set(root, "gender", "female");
        tree.set(root, "name[0].family", "B");
        tree.set(root, "active", "true");
        let front = tree.push_front(root, "name").unwrap();
        tree.set(front, "family", "A");
        let last = tree.push(root, "name").unwrap();
        tree.set(last, "family", "C");
        let alone = tree.push_front(root, "telecom").unwrap();
        tree.set(alone, "value", "1");
        let mut json = Vec::new();
        tree.write_resource(patient, &mut json);
        let json = String::from_utf8(json).unwrap();
        let wanted = r#""active":true,"name":[{"family":"A"},{"family":"B"},{"family":"C"}],"telecom":[{"value":"1"}],"gender":"female"}"#;
        assert!(json.ends_with(wanted), "{json}");
    }
}
