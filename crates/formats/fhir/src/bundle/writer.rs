//! One Bundle, entry by entry.

use std::{
    fmt::{self, Write as _},
    io::{self, Write},
    sync::Arc,
};

use super::{
    BundleError, BundleKind, Entry, Options, ReferenceIndex, SearchMode,
    compact::{Edit, compact_edited, compact_into},
    entry::{Planned, Request},
    seen::Seen,
};
use crate::{
    json::{Kind, Parser, Value},
    validate::push_json_text,
};

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Entries.
    pub entries: u64,
    /// Entries that match the search (searchset).
    pub matches: u64,
    /// `PUT` requests.
    pub puts: u64,
    /// `POST` requests, conditional ones too.
    pub posts: u64,
    /// References that were rewritten to a fullUrl.
    pub references_rewritten: u64,
    /// References to resources that are created in another part of a transaction, left as they were: the server cannot know
    /// them. Put by id, or write one part.
    pub references_across_parts: u64,
    /// Bytes written.
    pub bytes: u64,
}

impl Summary {
    pub(super) fn add(&mut self, other: &Self) {
        self.entries += other.entries;
        self.matches += other.matches;
        self.puts += other.puts;
        self.posts += other.posts;
        self.references_rewritten += other.references_rewritten;
        self.references_across_parts += other.references_across_parts;
        self.bytes += other.bytes;
    }
}

/// Writes one Bundle over `W`. It holds one entry at a time, and the names of [`Options::remembered_entries`].
///
/// What a push refuses is not written, and the writer can go on. After an error of `W` it is of no more use. A Bundle that is not
/// [finished](BundleWriter::finish) is not JSON: that is how a reader sees that it was cut off.
pub struct BundleWriter<W> {
    out: W,
    kind: BundleKind,
    options: Arc<Options>,
    index: Option<Arc<ReferenceIndex>>,
    part: u64,
    parser: Parser,
    /// The entry that is being written.
    text: Vec<u8>,
    seen: Seen,
    summary: Summary,
}

impl<W: Write> BundleWriter<W> {
    /// Begins a Bundle. Wrap a file in a [`std::io::BufWriter`].
    ///
    /// # Errors
    /// When an option is wrong, or `out` fails.
    pub fn new(out: W, kind: BundleKind, options: Options) -> Result<Self, BundleError> {
        options.check()?;
        Self::part(out, kind, Arc::new(options), None, 0)
    }

    /// Begins a Bundle that rewrites references to the entries that `index` knows ([`Options::needs_index`]).
    ///
    /// # Errors
    /// As [`BundleWriter::new`].
    pub fn with_index(out: W, kind: BundleKind, options: Options, index: Arc<ReferenceIndex>) -> Result<Self, BundleError> {
        options.check()?;
        Self::part(out, kind, Arc::new(options), Some(index), 0)
    }

    /// One of many; the options are checked.
    pub(super) fn part(
        out: W,
        kind: BundleKind,
        options: Arc<Options>,
        index: Option<Arc<ReferenceIndex>>,
        part: u64,
    ) -> Result<Self, BundleError> {
        let (parser, seen) = (Parser::new(options.limits()), Seen::new(options.remembered_entries));
        let mut writer = Self { out, kind, options, index, part, parser, text: Vec::new(), seen, summary: Summary::default() };
        let mut head = format!("{{\"resourceType\":\"Bundle\",\"type\":\"{}\"", kind.code());
        if let Some(instant) = &writer.options.timestamp {
            head.push_str(",\"timestamp\":");
            push_json_text(&mut head, instant);
        }
        writer.write(head.as_bytes())?;
        Ok(writer)
    }

    /// Adds a resource.
    ///
    /// # Errors
    /// When the resource is refused ([`BundleError::is_refusal`]), the Bundle is full, or `out` fails.
    pub fn push<'r>(&mut self, entry: impl Into<Entry<'r>>) -> Result<(), BundleError> {
        let entry = entry.into();
        // The document borrows the parser, which goes back when the entry is written.
        let mut parser = std::mem::take(&mut self.parser);
        let result = match parser.parse(entry.resource) {
            Ok(document) => self.push_value(document.root(), entry.full_url, entry.search),
            Err(error) => Err(error.into()),
        };
        self.parser = parser;
        result
    }

    /// Adds a resource that is parsed already.
    ///
    /// # Errors
    /// As [`BundleWriter::push`].
    pub fn push_value(&mut self, resource: Value<'_>, full_url: Option<&str>, search: SearchMode) -> Result<(), BundleError> {
        let planned = Planned::new(resource, full_url, self.summary.entries, self.kind, &self.options)?;
        if self.options.max_entries.is_some_and(|most| self.summary.entries >= most) {
            return Err(BundleError::Full);
        }
        if self.seen.has(&planned.unique) {
            return Err(BundleError::Duplicate { resource_type: planned.resource_type.to_owned() });
        }
        self.check_index(&planned)?;
        self.fill(resource, &planned, search);
        let text = std::mem::take(&mut self.text);
        let written = self.write(&text);
        self.text = text;
        written?;
        self.seen.add(&planned.unique);
        self.summary.entries += 1;
        self.summary.matches += u64::from(search == SearchMode::Match);
        match planned.request {
            Some(Request::Put) => self.summary.puts += 1,
            Some(Request::Post | Request::PostUnless(_)) => self.summary.posts += 1,
            None => {}
        }
        Ok(())
    }

    /// What was written so far.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// Ends the Bundle.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn finish(self) -> Result<(W, Summary), BundleError> {
        let total = self.options.total.or(Some(self.summary.matches));
        let url = self.options.search_url.clone();
        self.finish_page(total, url, None)
    }

    /// Ends the Bundle; of a searchset with its total and links. They stand behind the entries, because before them nobody knows.
    pub(super) fn finish_page(
        mut self,
        total: Option<u64>,
        this: Option<String>,
        next: Option<String>,
    ) -> Result<(W, Summary), BundleError> {
        let mut tail = String::new();
        if self.summary.entries > 0 {
            tail.push_str("\n]");
        }
        if self.kind == BundleKind::Searchset {
            if let Some(total) = total {
                let _ = write!(tail, ",\"total\":{total}");
            }
            let links = [("self", this), ("next", next)].into_iter().filter_map(|(relation, url)| Some((relation, url?)));
            for (number, (relation, url)) in links.enumerate() {
                tail.push_str(if number == 0 { ",\"link\":[" } else { "," });
                let _ = write!(tail, "{{\"relation\":\"{relation}\",\"url\":");
                push_json_text(&mut tail, &url);
                tail.push('}');
            }
            if self.options.search_url.is_some() {
                tail.push(']');
            }
        }
        tail.push_str("}\n");
        self.write(tail.as_bytes())?;
        self.out.flush()?;
        Ok((self.out, self.summary))
    }

    /// What it holds between two entries, in bytes.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.text.capacity() + self.seen.held_bytes()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.summary.bytes += bytes.len() as u64;
        Ok(())
    }

    /// A created resource that the index does not know was not there in the first pass.
    fn check_index(&self, planned: &Planned<'_>) -> Result<(), BundleError> {
        let Some(index) = self.index.as_ref().filter(|_| planned.is_renamed) else { return Ok(()) };
        let Some(id) = planned.id else { return Ok(()) };
        match index.target(&format!("{}/{id}", planned.resource_type)) {
            Some(_) => Ok(()),
            None => Err(BundleError::IndexMismatch),
        }
    }

    /// The text of an entry.
    fn fill(&mut self, resource: Value<'_>, planned: &Planned<'_>, search: SearchMode) {
        let edits = self.edits(resource);
        let text = &mut self.text;
        text.clear();
        text.shrink_to(LARGE_ENTRY);
        let first: &[u8] = b",\"entry\":[\n{\"fullUrl\":";
        text.extend_from_slice(if self.summary.entries == 0 { first } else { b",\n{\"fullUrl\":" });
        push_text(text, &planned.full_url);
        text.extend_from_slice(b",\"resource\":");
        if edits.is_empty() {
            compact_into(text, resource.raw());
        } else {
            compact_edited(text, resource.raw(), &edits);
        }
        if self.kind == BundleKind::Searchset {
            text.extend_from_slice(b",\"search\":{\"mode\":\"");
            text.extend_from_slice(search.code().as_bytes());
            text.extend_from_slice(b"\"}");
        }
        if let Some(request) = &planned.request {
            text.extend_from_slice(b",\"request\":{\"method\":");
            text.extend_from_slice(if *request == Request::Put { b"\"PUT\",\"url\":\"" } else { b"\"POST\",\"url\":\"" });
            text.extend_from_slice(planned.resource_type.as_bytes());
            if let (Request::Put, Some(id)) = (request, planned.id) {
                text.push(b'/');
                text.extend_from_slice(id.as_bytes());
            }
            text.push(b'"');
            if let Request::PostUnless(search) = request {
                text.extend_from_slice(b",\"ifNoneExist\":");
                push_text(text, search);
            }
            text.push(b'}');
        }
        text.push(b'}');
    }

    /// The references of a resource that the index gives another name, in the order of the text.
    fn edits(&mut self, resource: Value<'_>) -> Vec<Edit> {
        let mut edits = Vec::new();
        let Some(index) = self.index.clone() else { return edits };
        let (start, part, summary) = (resource.offset(), self.part, &mut self.summary);
        references(resource, &mut |value, reference| {
            let Some(target) = index.target(reference) else { return };
            if target.part != part {
                summary.references_across_parts += 1;
                return;
            }
            if &*target.url == reference {
                return;
            }
            summary.references_rewritten += 1;
            let from = value.offset() - start;
            // A fullUrl holds nothing that JSON would escape.
            edits.push(Edit { place: from..from + value.raw().len(), text: target.url.to_string() });
        });
        edits
    }
}

/// A buffer larger than this is given back after its entry.
const LARGE_ENTRY: usize = 1 << 20;

fn push_text(out: &mut Vec<u8>, text: &str) {
    let mut quoted = String::with_capacity(text.len() + 2);
    push_json_text(&mut quoted, text);
    out.extend_from_slice(quoted.as_bytes());
}

/// Every `Reference.reference`, and every relative `url` (of an Attachment, that may be a Binary).
fn references<'d>(value: Value<'d>, take: &mut impl FnMut(Value<'d>, &'d str)) {
    match value.kind() {
        Kind::Array => value.items().for_each(|item| references(item, take)),
        Kind::Object => {
            for (name, member) in value.entries() {
                match member.as_str() {
                    Some(text) if name == "reference" || (name == "url" && !text.contains(':')) => take(member, text),
                    Some(_) => {}
                    None => references(member, take),
                }
            }
        }
        _ => {}
    }
}

impl<W> fmt::Debug for BundleWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BundleWriter").field("kind", &self.kind).field("summary", &self.summary).finish_non_exhaustive()
    }
}
