//! Many Bundles, none with more entries than a server likes.

use std::{fmt, io, io::Write, sync::Arc};

use super::{BundleError, BundleKind, BundleWriter, Entry, Options, ReferenceIndex, Summary};

/// Where the Bundles go, one after another.
pub trait Parts {
    /// What one is written to.
    type Out: Write;

    /// Opens the place of a part, counted from 0.
    ///
    /// # Errors
    /// When it cannot be made.
    fn open(&mut self, part: u64) -> io::Result<Self::Out>;

    /// The part is whole.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn close(&mut self, part: u64, out: Self::Out) -> io::Result<()>;

    /// All parts are whole.
    ///
    /// # Errors
    /// When they cannot be kept.
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes Bundles of at most [`Options::max_entries`] entries, one after another; one Bundle without entries if nothing is pushed.
///
/// Pages of a searchset have links to themselves and to the next. References do not reach from one transaction into
/// another: put by id if there is more than one.
pub struct BundleParts<P: Parts> {
    parts: P,
    kind: BundleKind,
    options: Arc<Options>,
    index: Option<Arc<ReferenceIndex>>,
    writer: Option<BundleWriter<P::Out>>,
    part: u64,
    summary: Summary,
}

impl<P: Parts> BundleParts<P> {
    /// Opens the first part. The index is that of all parts, made with the same options.
    ///
    /// # Errors
    /// When an option is wrong or the part cannot be opened.
    pub fn new(mut parts: P, kind: BundleKind, options: Options, index: Option<Arc<ReferenceIndex>>) -> Result<Self, BundleError> {
        options.check()?;
        let options = Arc::new(options);
        let writer = BundleWriter::part(parts.open(0)?, kind, Arc::clone(&options), index.clone(), 0)?;
        Ok(Self { parts, kind, options, index, writer: Some(writer), part: 0, summary: Summary::default() })
    }

    /// Adds a resource to the part that is open, or to the next one.
    ///
    /// # Errors
    /// As [`BundleWriter::push`], but never [`BundleError::Full`].
    pub fn push<'r>(&mut self, entry: impl Into<Entry<'r>>) -> Result<(), BundleError> {
        let entry = entry.into();
        match self.writer.as_mut().map(|writer| writer.push(entry)) {
            Some(Err(BundleError::Full)) => {}
            Some(done) => return done,
            None => return Err(BundleError::Io(io::Error::other("the writer failed before"))),
        }
        self.close(true)?;
        self.part += 1;
        let out = self.parts.open(self.part)?;
        let mut writer = BundleWriter::part(out, self.kind, Arc::clone(&self.options), self.index.clone(), self.part)?;
        let done = writer.push(entry);
        self.writer = Some(writer);
        done
    }

    /// Ends the last part: how many there are, and what they hold together.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<(u64, Summary), BundleError> {
        self.close(false)?;
        self.parts.finish()?;
        Ok((self.part + 1, self.summary))
    }

    fn close(&mut self, more: bool) -> Result<(), BundleError> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let is_only = self.part == 0 && !more;
        let counted = is_only.then_some(writer.summary().matches);
        let url = |page: u64| self.options.search_url.as_deref().map(|url| page_url(url, page));
        let next = if more { url(self.part + 1) } else { None };
        let (out, summary) = writer.finish_page(self.options.total.or(counted), url(self.part), next)?;
        self.summary.add(&summary);
        self.parts.close(self.part, out)?;
        Ok(())
    }
}

/// The first page is the search itself.
fn page_url(url: &str, page: u64) -> String {
    if page == 0 {
        return url.to_owned();
    }
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}_page={}", page + 1)
}

impl<P: Parts> fmt::Debug for BundleParts<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BundleParts").field("kind", &self.kind).field("part", &self.part).finish_non_exhaustive()
    }
}
