//! What becomes of one resource: its fullUrl, its request, and the names it must not share.

use super::{
    BundleError, BundleKind, Options, Requests,
    urn::{is_urn, urn, uuid_of, uuid_of_resource},
};
use crate::{
    defs::r4,
    json::{Kind, Value},
    read::is_resource_type,
};

/// A resource to be written, with what its source says of it.
#[derive(Clone, Copy)]
pub struct Entry<'r> {
    /// The resource as JSON.
    pub resource: &'r [u8],
    /// The fullUrl it had in the Bundle it comes from. A URN, or a URL that ends in the resource's type and id, is kept, because
    /// references may use it.
    pub full_url: Option<&'r str>,
    /// Why it is in a searchset; other Bundles do not have it.
    pub search: SearchMode,
}

impl<'r> From<&'r [u8]> for Entry<'r> {
    fn from(resource: &'r [u8]) -> Self {
        Self { resource, full_url: None, search: SearchMode::Match }
    }
}

impl<'r, const N: usize> From<&'r [u8; N]> for Entry<'r> {
    fn from(resource: &'r [u8; N]) -> Self {
        Self::from(resource.as_slice())
    }
}

// A resource names a patient, and so may its URL.
impl std::fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entry({} bytes, {:?})", self.resource.len(), self.search)
    }
}

/// `entry.search.mode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum SearchMode {
    /// It matches the search; these are counted in `total`.
    #[default]
    Match,
    /// Another result refers to it.
    Include,
    /// An OperationOutcome about the search.
    Outcome,
}

impl SearchMode {
    /// The mode of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Match, Self::Include, Self::Outcome].into_iter().find(|mode| mode.code() == code)
    }

    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Include => "include",
            Self::Outcome => "outcome",
        }
    }
}

/// `entry.request`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Put,
    Post,
    /// With `ifNoneExist`.
    PostUnless(String),
}

/// An entry that can be written.
pub(super) struct Planned<'d> {
    pub(super) resource_type: &'d str,
    pub(super) id: Option<&'d str>,
    pub(super) request: Option<Request>,
    pub(super) full_url: String,
    /// Whether references by type and id have to be rewritten to the fullUrl.
    pub(super) is_renamed: bool,
    /// What references may call it: hashes of `Type/id`, and of a URL that it had.
    pub(super) names: [Option<u128>; 2],
    /// No two entries of a Bundle share one of these.
    pub(super) unique: Vec<u128>,
}

impl<'d> Planned<'d> {
    /// Plans the entry for a resource. `number` counts the entries, for names of resources that have none.
    pub(super) fn new(
        resource: Value<'d>,
        full_url: Option<&str>,
        number: u64,
        kind: BundleKind,
        options: &Options,
    ) -> Result<Self, BundleError> {
        let (resource_type, id) = identity(resource)?;
        if kind == BundleKind::Searchset && id.is_none() && resource_type != "OperationOutcome" {
            return Err(BundleError::IdMissing { resource_type: resource_type.to_owned() });
        }
        let request = kind.asks().then(|| request(resource, resource_type, id, options.requests));
        let is_created = matches!(request, Some(Request::Post | Request::PostUnless(_)));
        let given = full_url.filter(|url| is_urn(url) || fits(url, resource_type, id));
        let kept = given.filter(|url| is_urn(url) || !is_created);
        let own = match id {
            Some(id) => uuid_of_resource(resource_type, id),
            None => match full_url.filter(|url| url.contains(':')) {
                Some(url) => uuid_of(&[url.as_bytes()]),
                None => uuid_of(&[resource_type.as_bytes(), b"#", &number.to_be_bytes(), resource.raw()]),
            },
        };
        let full_url_text = match (kept, &options.base, id) {
            (Some(url), _, _) => url.to_owned(),
            (None, Some(base), Some(id)) if !is_created => format!("{}/{resource_type}/{id}", base.trim_end_matches('/')),
            _ => urn(own),
        };
        let by_id = id.map(|id| uuid_of_resource(resource_type, id));
        let by_url = full_url.filter(|url| *url != full_url_text && url.contains(':')).map(|url| uuid_of(&[url.as_bytes()]));
        let mut unique = vec![version_of(resource, kind, uuid_of(&[b"fullUrl ", full_url_text.as_bytes()]))];
        if request == Some(Request::Put) {
            unique.extend(by_id);
        }
        let is_renamed = match kind {
            BundleKind::Transaction => is_created,
            BundleKind::Batch => false,
            BundleKind::Collection | BundleKind::Searchset => options.rewrite_references && full_url_text.starts_with("urn:"),
        };
        Ok(Self { resource_type, id, request, full_url: full_url_text, is_renamed, names: [by_id, by_url], unique })
    }
}

/// The same resource may stand in a collection in several versions (bdl-7), in a request only once.
fn version_of(resource: Value<'_>, kind: BundleKind, name: u128) -> u128 {
    let version = resource.get("meta").and_then(|meta| meta.get("versionId")).and_then(|version| version.as_str());
    match version {
        Some(version) if !kind.asks() => uuid_of(&[&name.to_be_bytes(), b"#", version.as_bytes()]),
        _ => name,
    }
}

/// The type and id of a resource.
pub(super) fn identity(resource: Value<'_>) -> Result<(&str, Option<&str>), BundleError> {
    if resource.kind() != Kind::Object {
        return Err(BundleError::NotAResource);
    }
    let stated = resource.get("resourceType").and_then(|name| name.as_str());
    let resource_type = stated.filter(|name| is_resource_type(name)).ok_or(BundleError::NotAResource)?;
    let id = match resource.get("id") {
        None => None,
        Some(id) => {
            let text = id.as_str().filter(|id| is_id(id));
            Some(text.ok_or_else(|| BundleError::BadId { resource_type: resource_type.to_owned() })?)
        }
    };
    Ok((resource_type, id))
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}

/// Whether a URL is that of the resource: absolute, no version, its type and id at the end.
fn fits(url: &str, resource_type: &str, id: Option<&str>) -> bool {
    let is_web = url.starts_with("http://") || url.starts_with("https://");
    let mut parts = url.rsplitn(3, '/');
    is_web
        && !url.contains("/_history/")
        && parts.next() == id
        && parts.next() == Some(resource_type)
        && !url.bytes().any(|byte| byte <= b' ' || b"\"\\<>?#".contains(&byte))
}

fn request(resource: Value<'_>, resource_type: &str, id: Option<&str>, requests: Requests) -> Request {
    if requests == Requests::ConditionalCreate
        && let Some(search) = identifier_search(resource, resource_type)
    {
        return Request::PostUnless(search);
    }
    match id {
        Some(_) if requests != Requests::Create => Request::Put,
        _ => Request::Post,
    }
}

/// `identifier=system|value` of the first identifier that has both, if the type can be searched by it.
fn identifier_search(resource: Value<'_>, resource_type: &str) -> Option<String> {
    r4().search_parameters(resource_type).find(|parameter| parameter.code == "identifier")?;
    let identifier = resource.get("identifier")?;
    let text = |identifier: Value<'_>| {
        let part = |name: &str| Some(escape(identifier.get(name)?.as_str().filter(|text| !text.is_empty())?));
        Some(format!("identifier={}%7C{}", part("system")?, part("value")?))
    };
    match identifier.kind() {
        Kind::Array => identifier.items().find_map(text),
        _ => text(identifier),
    }
}

/// The value of a search parameter: FHIR's escapes of its own separators, then those of URLs.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => out.push(byte as char),
            b'\\' | b',' | b'$' | b'|' => {
                out.push_str("%5C");
                push_escaped(&mut out, byte);
            }
            _ => push_escaped(&mut out, byte),
        }
    }
    out
}

fn push_escaped(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(DIGITS[usize::from(byte >> 4)] as char);
    out.push(DIGITS[usize::from(byte & 15)] as char);
}
