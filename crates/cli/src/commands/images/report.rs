//! What is written: the page with its pictures, the numbers, the lists.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;
use sutura_fhir::bundle::{Stage, Staged};
use sutura_imaging::{
    ImageGate, Metric, Summary,
    picture::{Picture, box_plot, image_beside_histogram, score_histogram, thumbnails},
};

use super::{Found, Said};
use crate::{
    commands::lock::FolderLock,
    failure::{Failure, Outcome},
};

/// The files of a run; the pictures have their own names.
const FILES: [&str; 4] = ["report.html", "images.json", "flagged.ndjson", "rejects.ndjson"];
/// The metrics of which the report shows boxes by modality.
const BOXES: [Metric; 4] = [Metric::Score, Metric::SnrTissue, Metric::NoiseImmerkaer, Metric::LaplacianVariance];

/// Writes the results into a folder, all or none.
pub(super) struct Writer {
    folder: PathBuf,
    stage: Arc<Stage>,
    overwrite: bool,
    _lock: FolderLock,
}

impl Writer {
    pub(super) fn open(folder: &Path, overwrite: bool) -> Outcome<Self> {
        if let Some(earlier) = FILES.iter().map(|name| folder.join(name)).find(|file| file.exists() && !overwrite) {
            return Err(Failure::configuration(format!("{}: is there already; --overwrite replaces it", earlier.display())));
        }
        let lock = FolderLock::take(folder)?;
        let stage = Stage::open(folder).map_err(|error| Failure::io(&folder.display().to_string(), &error))?;
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        Ok(Self { folder, stage, overwrite, _lock: lock })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn publish(self, said: &Said, found: &Found, gate: &ImageGate) -> Outcome<()> {
        let pictures = pictures(found, gate);
        let mut staged = Vec::new();
        for (name, picture) in &pictures {
            let failed = |error: sutura_imaging::ImagingError| Failure::failed(format!("picture {name}: {error}"));
            staged.push(self.stage(&format!("{name}.svg"), picture.to_svg().map_err(failed)?.as_bytes())?);
            staged.push(self.stage(&format!("{name}.png"), &picture.to_png().map_err(failed)?)?);
        }
        staged.push(self.stage("flagged.ndjson", &lines(&found.flagged)?)?);
        let mut rejects = lines(&found.rejects)?;
        rejects.extend(lines(&found.undecoded)?);
        staged.push(self.stage("rejects.ndjson", &rejects)?);
        staged.push(self.stage("report.html", page(said, &pictures)?.as_bytes())?);
        let mut json = serde_json::to_vec_pretty(said).map_err(Failure::failed)?;
        json.push(b'\n');
        staged.push(self.stage("images.json", &json)?);
        for file in staged {
            file.publish(self.overwrite).map_err(|error| Failure::io(&self.folder.display().to_string(), &error))?;
        }
        Ok(())
    }

    fn stage(&self, name: &str, bytes: &[u8]) -> Outcome<Staged> {
        let path = self.folder.join(name);
        let failed = |error: std::io::Error| Failure::io(&path.display().to_string(), &error);
        let mut staged = Staged::create(&self.stage, &path).map_err(failed)?;
        staged.write_all(bytes).and_then(|()| staged.seal()).map_err(failed)?;
        Ok(staged)
    }
}

fn lines(rows: &[impl Serialize]) -> Outcome<Vec<u8>> {
    let mut out = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut out, row).map_err(Failure::failed)?;
        out.push(b'\n');
    }
    Ok(out)
}

/// The pictures with the names of their files.
fn pictures(found: &Found, gate: &ImageGate) -> Vec<(String, Picture)> {
    let limit = gate.limits.iter().filter(|limit| limit.metric == Metric::Score.name()).filter_map(|limit| limit.below);
    let mut all = vec![("score-histogram".to_owned(), score_histogram(&found.scores, limit.reduce(f64::max)))];
    for metric in BOXES {
        let boxes: Vec<(&str, &Summary)> =
            found.catalogue.modalities().filter_map(|(name, _)| Some((name, found.catalogue.summary(name, metric)?))).collect();
        all.push((format!("by-modality-{}", metric.name().replace('_', "-")), box_plot(metric, &boxes)));
    }
    if let Some(worst) = found.worst.first() {
        let images: Vec<_> = found.worst.iter().map(|shown| (shown.modality.as_str(), Some(shown.score), &shown.image)).collect();
        all.push(("lowest-scores".to_owned(), thumbnails(&images)));
        all.push(("image-and-values".to_owned(), image_beside_histogram(&worst.image, &worst.histogram, &worst.modality)));
    }
    all
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1c2733}\
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .8rem;border-bottom:1px solid #d5dce3;text-align:right}\
td:first-child,th:first-child,td:nth-child(2),th:nth-child(2){text-align:left}figure{margin:1rem 0}svg{max-width:100%;height:auto}\
.scroll{overflow-x:auto}";

/// The page: nothing of it comes from the network, and no name, date or identifier is in it.
fn page(said: &Said, pictures: &[(String, Picture)]) -> Outcome<String> {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Quality of images</title><style>{STYLE}</style><h1>Quality of images</h1>"
    );
    let files = &said.files;
    let _ = write!(
        page,
        "<p>{} files: {} measured, {} without pixels, {} not decoded, {} rejected. {} images.</p><h2>Gate</h2><table><tr><th>outcome<th>images",
        files.read,
        files.measured,
        files.without_pixels,
        files.not_decoded.values().sum::<u64>(),
        files.rejected.values().sum::<u64>(),
        said.images
    );
    for (word, count) in &said.outcomes {
        let _ = write!(page, "<tr><td>{word}<td>{count}");
    }
    page.push_str("</table><h2>Pictures</h2>");
    for (name, picture) in pictures {
        let svg = picture.to_svg().map_err(|error| Failure::failed(format!("picture {name}: {error}")))?;
        let _ = write!(page, "<figure>{svg}</figure>");
    }
    page.push_str(
        "<h2>Statistics by modality</h2><div class=\"scroll\"><table><tr><th>modality<th>metric<th>images<th>mean<th>sd<th>25 %<th>50 %<th>75 %<th>90 %",
    );
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.4}"));
    for (modality, metrics) in &said.statistics {
        for (metric, one) in metrics {
            let _ = write!(
                page,
                "<tr><td>{modality}<td>{metric}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}",
                one.count,
                number(one.mean),
                number(one.sd),
                number(one.p25),
                number(one.p50),
                number(one.p75),
                number(one.p90)
            );
        }
    }
    page.push_str("</table></div>");
    if !files.rejected.is_empty() || !files.not_decoded.is_empty() {
        page.push_str("<h2>Not read</h2><table><tr><th>code<th>what<th>files");
        for (code, count) in &files.rejected {
            let _ = write!(page, "<tr><td>{code}<td>rejected<td>{count}");
        }
        for (code, count) in &files.not_decoded {
            let _ = write!(page, "<tr><td>{code}<td>pixels not decoded<td>{count}");
        }
        page.push_str("</table>");
    }
    Ok(page)
}
