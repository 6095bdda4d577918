//! Writing an export: NDJSON, Bundles and the truth about them, in one pass and with bounded memory.

use std::{
    fs::{self, File},
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use crate::{
    Compression, SyntheticError,
    files::{Output, packed_ending, remove_if_there},
};

use super::{
    chart::{self, Frame},
    options::FhirOptions,
    page::{KINDS, Kind, Page},
    shared,
    truth::{FhirFileTruth, FhirTruth, Tally},
};

/// Bytes kept for each NDJSON file before they are written.
const BUFFER: usize = 256 << 10;
/// Progress is reported every so many patients.
const REPORT_EVERY: u64 = 64;
/// Bundles in one folder.
const PER_FOLDER: u64 = 1000;

/// Records that can be written.
#[derive(Debug, Clone)]
pub struct FhirExport {
    options: FhirOptions,
    frame: Frame,
}

impl FhirExport {
    /// Checks the options.
    ///
    /// # Errors
    /// When an option has a value that cannot be.
    pub fn new(options: FhirOptions) -> Result<Self, SyntheticError> {
        let frame = options.frame()?;
        Ok(Self { options, frame })
    }

    /// Writes `ndjson/`, `bundles/` (as the layout says) and `truth.json` into a folder, which is made when it
    /// is not there. `progress` is told the patients written so far, and may end the work.
    ///
    /// The truth is written last and appears whole or not at all.
    ///
    /// # Errors
    /// When `ndjson` or `bundles` is there already and not empty, a file cannot be written, or `progress` breaks.
    pub fn write_to(&self, folder: &Path, progress: &dyn Fn(u64) -> ControlFlow<()>) -> Result<FhirTruth, SyntheticError> {
        fs::create_dir_all(folder).map_err(failed(folder))?;
        for part in ["ndjson", "bundles"].map(|name| folder.join(name)) {
            if part.exists() && fs::read_dir(&part).map_err(failed(&part))?.next().is_some() {
                return Err(SyntheticError::OtherFeed { path: part });
            }
        }
        // Until this export is whole there is no truth about the folder.
        let truth_path = folder.join("truth.json");
        remove_if_there(&truth_path).map_err(failed(&truth_path))?;
        let mut tally = Tally::new();
        let mut page = Page::default();
        let mut lines = self.options.layout.ndjson().then(|| Lines::new(folder, self.options.compression)).transpose()?;
        let mut bundles = self.options.layout.bundles().then(|| Bundles::new(folder, self.options.compression)).transpose()?;

        shared::write(&mut page);
        write_page(&page, None, &mut tally, &mut lines, &mut bundles)?;
        for number in 0..self.options.patients {
            chart::write(&self.frame, number, &mut page, &mut tally);
            write_page(&page, Some(number), &mut tally, &mut lines, &mut bundles)?;
            let is_due = tally.patients.is_multiple_of(REPORT_EVERY) || tally.patients == self.options.patients;
            if is_due && progress(tally.patients).is_break() {
                return Err(SyntheticError::Stopped);
            }
        }
        let files = lines.map_or_else(|| Ok(Vec::new()), Lines::finish)?;
        let written = bundles.map_or((0, 0), |bundles| (bundles.count, bundles.bytes));
        let truth = tally.finish(self.options.clone(), files, written);
        let json = serde_json::to_vec_pretty(&truth).map_err(|error| failed(&truth_path)(error.into()))?;
        let part = folder.join(".truth.json.part");
        fs::write(&part, json).map_err(failed(&part))?;
        fs::rename(&part, &truth_path).map_err(failed(&truth_path))?;
        Ok(truth)
    }
}

fn write_page(
    page: &Page,
    number: Option<u64>,
    tally: &mut Tally,
    lines: &mut Option<Lines>,
    bundles: &mut Option<Bundles>,
) -> Result<(), SyntheticError> {
    tally.page(page);
    if let Some(lines) = lines {
        lines.page(page)?;
    }
    if let Some(bundles) = bundles {
        bundles.page(page, number)?;
    }
    Ok(())
}

/// Makes a folder in one that is there. A folder that was taken away meanwhile is not made again.
fn make_folder(path: &Path) -> Result<(), SyntheticError> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(path)(error)),
        _ => Ok(()),
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> SyntheticError + use<> {
    let path = path.to_owned();
    move |source| SyntheticError::Io { path, source }
}

/// One NDJSON file a type, made when the first resource of its type comes.
struct Lines {
    folder: PathBuf,
    compression: Compression,
    files: [Option<LineFile>; KINDS],
}

struct LineFile {
    path: PathBuf,
    file: Output,
    buffer: Vec<u8>,
    truth: FhirFileTruth,
}

impl Lines {
    fn new(folder: &Path, compression: Compression) -> Result<Self, SyntheticError> {
        make_folder(&folder.join("ndjson"))?;
        Ok(Self { folder: folder.to_owned(), compression, files: [const { None }; KINDS] })
    }

    fn page(&mut self, page: &Page) -> Result<(), SyntheticError> {
        let text = page.json.text.as_bytes();
        for resource in &page.resources {
            let file = match &mut self.files[resource.kind as usize] {
                Some(file) => file,
                empty => empty.insert(LineFile::create(&self.folder, resource.kind, self.compression)?),
            };
            // With the line end that follows the resource.
            file.buffer.extend_from_slice(&text[resource.start..=resource.end]);
            file.truth.resources += 1;
            if file.buffer.len() >= BUFFER {
                file.flush()?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<FhirFileTruth>, SyntheticError> {
        let mut truths = Vec::with_capacity(KINDS);
        for file in self.files.iter_mut().filter_map(Option::take) {
            truths.push(file.finish()?);
        }
        Ok(truths)
    }
}

impl LineFile {
    fn create(folder: &Path, kind: Kind, compression: Compression) -> Result<Self, SyntheticError> {
        let name = format!("ndjson/{}.ndjson{}", kind.name(), packed_ending(compression));
        let path = folder.join(&name);
        let file = File::create(&path).and_then(|file| Output::new(file, compression)).map_err(failed(&path))?;
        let truth = FhirFileTruth { name, resource_type: kind.name(), resources: 0, bytes: 0 };
        Ok(Self { path, file, buffer: Vec::with_capacity(BUFFER + (8 << 10)), truth })
    }

    fn flush(&mut self) -> Result<(), SyntheticError> {
        self.file.write_all(&self.buffer).map_err(failed(&self.path))?;
        self.truth.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<FhirFileTruth, SyntheticError> {
        self.flush()?;
        self.file.finish().map_err(failed(&self.path))?;
        Ok(self.truth)
    }
}

/// One transaction Bundle a page.
struct Bundles {
    folder: PathBuf,
    compression: Compression,
    buffer: String,
    /// The thousand whose folder has been made.
    made: Option<u64>,
    count: u64,
    bytes: u64,
}

impl Bundles {
    fn new(folder: &Path, compression: Compression) -> Result<Self, SyntheticError> {
        let folder = folder.join("bundles");
        make_folder(&folder)?;
        Ok(Self { folder, compression, buffer: String::with_capacity(BUFFER), made: None, count: 0, bytes: 0 })
    }

    fn page(&mut self, page: &Page, number: Option<u64>) -> Result<(), SyntheticError> {
        bundle(page, &mut self.buffer);
        let ending = packed_ending(self.compression);
        let path = match number {
            None => self.folder.join(format!("shared.json{ending}")),
            Some(number) => {
                let thousand = number / PER_FOLDER;
                let folder = self.folder.join(format!("{thousand:04}"));
                if self.made != Some(thousand) {
                    make_folder(&folder)?;
                    self.made = Some(thousand);
                }
                folder.join(format!("patient_{number:08}.json{ending}"))
            }
        };
        let mut file = File::create(&path).and_then(|file| Output::new(file, self.compression)).map_err(failed(&path))?;
        file.write_all(self.buffer.as_bytes()).and_then(|()| file.finish()).map_err(failed(&path))?;
        self.count += 1;
        self.bytes += self.buffer.len() as u64;
        Ok(())
    }
}

/// A transaction that puts each resource at its id; references within it are by `urn:uuid`.
fn bundle(page: &Page, out: &mut String) {
    let text = page.json.text.as_str();
    out.clear();
    out.push_str("{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[");
    let mut next_link = 0;
    for (position, resource) in page.resources.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        out.push_str("\n{\"fullUrl\":\"urn:uuid:");
        out.push_str(resource.id.as_str());
        out.push_str("\",\"resource\":");
        let mut from = resource.start;
        for link in &page.json.links[next_link..resource.links] {
            out.push_str(&text[from..link.at]);
            out.push_str("urn:uuid:");
            from = link.at + link.prefix;
        }
        next_link = resource.links;
        out.push_str(&text[from..resource.end]);
        out.push_str(",\"request\":{\"method\":\"PUT\",\"url\":\"");
        out.push_str(resource.kind.name());
        out.push('/');
        out.push_str(resource.id.as_str());
        out.push_str("\"}}");
    }
    out.push_str("\n]}\n");
}
