//! `sutura demo`: the whole road on made-up messages, in one folder.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use sutura_jobs::{Job, LoadOptions, RunReport};
use sutura_privacy::KeyRing;
use sutura_synthetic::{DicomOptions, FeedOptions};

use super::{block_on, generate, job, summary};
use crate::{
    args::DemoArgs,
    failure::{Failure, Outcome},
    output::{self, Console},
};

const JOB: &str = include_str!("../../../../examples/hospital.toml");
const IMAGES_JOB: &str = include_str!("../../../../examples/images.toml");
const POLICY: &str = include_str!("../../../../examples/hospital-policy.toml");

/// Files the messages come in.
const FILES: u64 = 100;
/// Studies of images: each modality twice.
const STUDIES: u64 = 10;

/// Runs the command.
pub(crate) fn run(args: &DemoArgs, console: Console) -> Outcome {
    block_on(async {
        let place = Place::prepare(&args.dir)?;
        let clock = Instant::now();
        let per_file = args.messages.div_ceil(FILES);
        let options = FeedOptions { messages: args.messages, per_file, seed: args.seed, ..FeedOptions::default() };
        let truth = generate::feed(options, place.messages.clone(), console).await?;
        let bytes: u64 = truth.files.iter().map(|file| file.bytes).sum();
        console.note(&format!(
            "1. generated {} messages in {} files ({:.1} MB) in {:.1} s: {}",
            truth.messages,
            truth.files.len(),
            bytes as f64 / 1e6,
            clock.elapsed().as_secs_f64(),
            place.messages.display()
        ));
        let key = place.key()?;
        console.note(&format!("2. {key}"));
        console.note(&format!("3. running {}", place.job.display()));
        let job = Job::load_with(&place.job, &LoadOptions::default()).map_err(Failure::from)?;
        let report = job::execute(&job, true, console).await?;
        let images = images(&place, args.seed, console).await?;
        if args.json {
            output::print_json(&report)?;
        } else {
            output::print_summary(console, &format!("\n{}", summary::text(&report, job.output())))?;
            let same = report.totals.accepted == truth.accepted && report.totals.rejected == truth.rejected;
            let verdict = if same { "the generator's own count is the same" } else { "THE GENERATOR COUNTED OTHERWISE: see truth.json" };
            let checked = format!("Checked: {verdict} ({} accepted, {} rejected)\n", truth.accepted, truth.rejected);
            output::print_summary(console, &checked)?;
            output::print_summary(console, &format!("Images: {}\n", place.dir.join("images/report.html").display()))?;
            console.note(&next_steps(&args.dir));
        }
        job::say_why(&report);
        job::say_why(&images);
        Ok(match report.status.exit_code() {
            crate::failure::CLEAN => images.status.exit_code(),
            code => code,
        })
    })
}

/// Studies of the same people, and the job that joins them to the patients of the messages.
async fn images(place: &Place, seed: u64, console: Console) -> Outcome<RunReport> {
    let folder = place.dir.join("dicom");
    if folder.join("truth.json").exists() {
        // Made by an earlier demo.
        fs::remove_dir_all(&folder).map_err(|error| Failure::io(&folder.display().to_string(), &error))?;
    }
    let options = DicomOptions { studies: STUDIES, patients: STUDIES, seed, ..DicomOptions::default() };
    let truth = generate::dicom::export(options, folder.clone(), console).await?;
    console.note(&format!(
        "4. generated {} images of {} of the patients in {}, running {}",
        truth.instances,
        truth.patients,
        folder.display(),
        place.images_job.display()
    ));
    let job = Job::load_with(&place.images_job, &LoadOptions::default()).map_err(Failure::from)?;
    job::execute(&job, true, console).await
}

fn next_steps(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "\nNext:\n  sutura sql \"select message_type, count(*) from read_hl7v2('{dir}/messages') group by 1\"\n  \
         sutura run {dir}/hospital.toml --set source.feed.path=/your/messages --out /your/output"
    )
}

/// The folder of a demo.
struct Place {
    dir: PathBuf,
    messages: PathBuf,
    job: PathBuf,
    images_job: PathBuf,
    key: PathBuf,
}

impl Place {
    /// Makes the folder and writes the job with its policy.
    fn prepare(dir: &Path) -> Outcome<Self> {
        let failed = |error: std::io::Error| Failure::io(&dir.display().to_string(), &error);
        fs::create_dir_all(dir).map_err(failed)?;
        let job = dir.join("hospital.toml");
        fs::write(&job, job_text(JOB)).map_err(failed)?;
        let images_job = dir.join("images.toml");
        fs::write(&images_job, job_text(IMAGES_JOB)).map_err(failed)?;
        fs::write(dir.join("hospital-policy.toml"), POLICY).map_err(failed)?;
        Ok(Self { dir: dir.to_owned(), messages: dir.join("messages"), job, images_job, key: dir.join("hospital.key") })
    }

    /// Makes the demo's key, or takes the one it made before; says which.
    fn key(&self) -> Outcome<String> {
        let shown = self.key.display();
        if self.key.exists() {
            let ring = KeyRing::from_file(&self.key)?;
            return Ok(format!("using the key {} that an earlier demo made: {shown}", ring.key_id()));
        }
        let ring = KeyRing::generate()?;
        ring.save_new(&self.key)?;
        Ok(format!("made a key of its own, {}, for this demo only: {shown}", ring.key_id()))
    }
}

/// An example job with its paths inside the demo's folder.
fn job_text(job: &str) -> String {
    job.replace("\"../target/demo/", "\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_stays_in_its_folder() {
        assert!(job_text(IMAGES_JOB).contains("path = \"dicom/images\""));
        let text = job_text(JOB);
        assert!(!(text + &job_text(IMAGES_JOB)).contains("\"../"), "a path leads out of the demo's folder");
        let text = job_text(JOB);
        for inside in ["output = \"out\"", "path = \"messages\"", "\"hospital.key\"", "\"hospital.vault\"", "\"hospital-policy.toml\""] {
            assert!(text.contains(inside), "{inside}");
        }
    }
}
