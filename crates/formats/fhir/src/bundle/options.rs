//! What Bundle to write.

use serde::{Deserialize, Serialize};

use super::BundleError;
use crate::json::Limits;

/// The types of Bundle that are written here ([Bundle.type](https://hl7.org/fhir/R4/valueset-bundle-type.html)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BundleKind {
    /// A set of resources.
    Collection,
    /// Requests that a server carries out together or not at all.
    Transaction,
    /// Requests that a server carries out one by one.
    Batch,
    /// The result of a search.
    Searchset,
}

impl BundleKind {
    /// The code in `Bundle.type`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Collection => "collection",
            Self::Transaction => "transaction",
            Self::Batch => "batch",
            Self::Searchset => "searchset",
        }
    }

    /// Whether its entries are requests.
    pub fn asks(self) -> bool {
        matches!(self, Self::Transaction | Self::Batch)
    }
}

/// The requests of a transaction or batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Requests {
    /// `PUT Type/id` where the resource has an id, else `POST Type`. Ids and references stay as they are.
    #[default]
    PutById,
    /// `POST Type`: the server gives every resource a new id.
    Create,
    /// `POST Type` with `ifNoneExist=identifier=system|value` where the resource has an identifier of both, else as [`Requests::PutById`].
    ConditionalCreate,
}

/// Options of a writer. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Base URL of the server: an entry's fullUrl is `base/Type/id`. Without it, and for entries that are created, it is a
    /// `urn:uuid:` that depends on nothing but type and id.
    pub base: Option<String>,
    /// The requests of a transaction or batch.
    pub requests: Requests,
    /// Most entries of one Bundle. Default: no limit.
    pub max_entries: Option<u64>,
    /// Whether references between the entries of a collection or searchset are rewritten to their fullUrls, where these are
    /// `urn:uuid:`. Needs a [`super::ReferenceIndex`]. Of transactions those to created entries always are.
    pub rewrite_references: bool,
    /// `Bundle.timestamp`, an instant such as `2026-01-01T00:00:00Z`. Default: none, so that the same input gives the same bytes.
    pub timestamp: Option<String>,
    /// URL of the search: `link` self of a searchset, and with `_page` the links self and next of its pages.
    pub search_url: Option<String>,
    /// `Bundle.total` of a searchset. Default: the matches of a searchset of one page are counted; of more pages it is left out.
    pub total: Option<u64>,
    /// So many entries of one Bundle are remembered to refuse one that stands in it already; later ones are only compared
    /// with these. Up to 72 bytes of memory each. Default 1,048,576.
    pub remembered_entries: usize,
    /// Largest resource in bytes. Default 64 MiB.
    pub max_resource_bytes: usize,
    /// Objects and arrays inside one another. Default 64.
    pub max_depth: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            base: None,
            requests: Requests::default(),
            max_entries: None,
            rewrite_references: false,
            timestamp: None,
            search_url: None,
            total: None,
            remembered_entries: 1 << 20,
            max_resource_bytes: 64 << 20,
            max_depth: 64,
        }
    }
}

impl Options {
    /// Whether references can only be written with a [`super::ReferenceIndex`]: resources may get new ids, and others refer to them.
    pub fn needs_index(&self, kind: BundleKind) -> bool {
        match kind {
            BundleKind::Transaction => self.requests != Requests::PutById,
            BundleKind::Batch => false,
            BundleKind::Collection | BundleKind::Searchset => self.rewrite_references,
        }
    }

    pub(super) fn limits(&self) -> Limits {
        Limits { depth: self.max_depth, bytes: self.max_resource_bytes, ..Limits::default() }
    }

    pub(super) fn check(&self) -> Result<(), BundleError> {
        let bad = |option, reason| Err(BundleError::BadOption { option, reason });
        let is_url = |url: &str| {
            let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
            rest.is_some_and(|rest| !rest.is_empty() && !rest.bytes().any(|byte| byte <= b' ' || b"\"\\<>".contains(&byte)))
        };
        if self.base.as_deref().is_some_and(|base| !is_url(base) || base.contains(['?', '#']) || base.contains("/_history/")) {
            return bad("base", "must be an http or https URL without query, such as https://server/fhir");
        }
        if self.search_url.as_deref().is_some_and(|url| !is_url(url)) {
            return bad("search_url", "must be an http or https URL");
        }
        if self.max_entries == Some(0) {
            return bad("max_entries", "must be 1 or more");
        }
        if self.timestamp.as_deref().is_some_and(|instant| !is_instant(instant)) {
            return bad("timestamp", "must be an instant with seconds and zone, such as 2026-01-01T00:00:00Z");
        }
        Ok(())
    }
}

fn is_instant(text: &str) -> bool {
    text.get(10..11) == Some("T") && chrono::DateTime::parse_from_rfc3339(text).is_ok()
}
