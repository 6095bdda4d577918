//! A transaction Bundle of the resources of a tree, and the Provenance that says where they came from.

use sutura_core::Sha256Hash;

use super::{ResourceId, Step, Tree};
use crate::ids::{Id, IdBuilder};

/// How a Bundle is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BundleOptions {
    /// The base of the server (`https://server/fhir`): entries get a fullUrl below it. Without one they have none, which a
    /// transaction allows.
    pub base_url: Option<String>,
}

/// Where the bytes of a record are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'s> {
    /// URI of the source.
    pub uri: &'s str,
    /// Byte offset in the (decompressed) source.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
    /// SHA-256 of the bytes.
    pub sha256: Sha256Hash,
}

/// Extension of `Provenance.entity.what`: byte offset of the record in its source.
pub(crate) const SOURCE_OFFSET: &str = "https://sutura.dev/fhir/StructureDefinition/source-offset";
/// Extension of `Provenance.entity.what`: length of the record in bytes.
pub(crate) const SOURCE_LENGTH: &str = "https://sutura.dev/fhir/StructureDefinition/source-length";
/// System of the identifier that is the SHA-256 of the record's bytes.
pub(crate) const SOURCE_SHA256: &str = "https://sutura.dev/fhir/identifier/source-sha256";

/// System of the types of agents of a Provenance.
pub(crate) const AGENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
/// The agent that assembled the resources, and its type.
pub(crate) const ASSEMBLER: (&str, &str) = ("assembler", "Sutura");

/// The id of the Provenance of a record; `activity` tells those of one record apart.
pub(crate) fn provenance_id(sha256: &str, activity: &str) -> Id {
    IdBuilder::new("Provenance").part("source").part(sha256).part(activity).finish()
}

/// Adds a Provenance: `targets` were assembled from the bytes of `source`. `recorded` is an instant, `activity` a code that tells
/// Provenances of one record apart.
///
/// `entity.what` has the URI of the source as `reference`, extensions for offset and length, and the hash as `identifier`.
pub fn provenance(tree: &mut Tree, source: &Source<'_>, recorded: &str, activity: &str, targets: &[ResourceId]) -> Option<ResourceId> {
    let hash = source.sha256.to_hex();
    let hash = std::str::from_utf8(&hash).unwrap_or("");
    let id = provenance_id(hash, activity);
    let (resource, root) = tree.resource("Provenance", id)?;
    let step = Step::new(tree.ty(root), "target")?;
    for (number, target) in targets.iter().enumerate() {
        let node = tree.append(root, &step, number as u64)?;
        tree.set_link(node, *target);
    }
    tree.set(root, "recorded", recorded);
    tree.set(root, "activity.coding[0].system", "http://hl7.org/fhir/uv/v2mappings/CodeSystem/provenance-activity-type-v2-to-fhir");
    tree.set(root, "activity.coding[0].code", activity);
    tree.set(root, "agent[0].type.coding[0].system", AGENT_TYPE);
    tree.set(root, "agent[0].type.coding[0].code", ASSEMBLER.0);
    tree.set(root, "agent[0].who.display", ASSEMBLER.1);
    let what = tree.element(root, "entity")?;
    tree.set(what, "role", "source");
    let what = tree.element(what, "what")?;
    if !source.uri.is_empty() {
        tree.set(what, "reference", source.uri);
    }
    tree.set(what, "identifier.system", SOURCE_SHA256);
    tree.set(what, "identifier.value", hash);
    for (url, number) in [(SOURCE_OFFSET, source.offset), (SOURCE_LENGTH, source.length)] {
        let extension = tree.push(what, "extension")?;
        tree.set(extension, "url", url);
        // Text: R4 has no integer that holds every offset.
        let mut digits = [0; 20];
        tree.set(extension, "valueString", decimal(number, &mut digits));
    }
    Some(resource)
}

fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &str {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    std::str::from_utf8(&digits[at..]).unwrap_or("0")
}

impl Tree {
    /// Writes all resources as one transaction Bundle: each is put under its own id, so that sending it again changes nothing.
    /// Resources that `keep` refuses are left out. Elements of a Bundle in the tree (identifier, timestamp) are written in front of the
    /// entries.
    pub fn write_transaction(&mut self, options: &BundleOptions, keep: impl Fn(ResourceId) -> bool, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"resourceType\":\"Bundle\"");
        if let Some(head) = self.resources().find(|resource| self.type_of(*resource) == "Bundle" && keep(*resource)) {
            self.settle();
            self.write_below(head, out);
        }
        out.extend_from_slice(b",\"type\":\"transaction\"");
        let mut written = 0;
        for resource in self.resources() {
            let name = self.type_of(resource);
            if !keep(resource) || name == "Bundle" {
                continue;
            }
            let id = self.id_of(resource);
            let id = id.as_ref().map_or("", |id| id.as_str());
            out.extend_from_slice(if written == 0 { b",\"entry\":[{" } else { b",{" });
            written += 1;
            if let Some(base) = &options.base_url {
                out.extend_from_slice(b"\"fullUrl\":");
                super::json::push_string(&format!("{}/{name}/{id}", base.trim_end_matches('/')), out);
                out.push(b',');
            }
            out.extend_from_slice(b"\"resource\":");
            self.write_resource(resource, out);
            out.extend_from_slice(b",\"request\":{\"method\":\"PUT\",\"url\":\"");
            for part in [name, "/", id] {
                out.extend_from_slice(part.as_bytes());
            }
            out.extend_from_slice(b"\"}}");
        }
        out.extend_from_slice(if written == 0 { b"}" } else { b"]}" });
    }
}
