//! `sutura demo`: the whole road on made-up messages, in one folder.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use sutura_jobs::{Job, LoadOptions};
use sutura_privacy::KeyRing;
use sutura_synthetic::FeedOptions;

use super::{block_on, generate, job, summary};
use crate::{
    args::DemoArgs,
    failure::{Failure, Outcome},
    output::{self, Console},
};

const JOB: &str = include_str!("../../../../examples/hospital.toml");
const POLICY: &str = include_str!("../../../../examples/hospital-policy.toml");

/// Files the messages come in.
const FILES: u64 = 100;

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
        if args.json {
            output::print_json(&report)?;
        } else {
            output::print_summary(console, &format!("\n{}", summary::text(&report, job.output())))?;
            let same = report.totals.accepted == truth.accepted && report.totals.rejected == truth.rejected;
            let verdict = if same { "the generator's own count is the same" } else { "THE GENERATOR COUNTED OTHERWISE: see truth.json" };
            let checked = format!("Checked: {verdict} ({} accepted, {} rejected)\n", truth.accepted, truth.rejected);
            output::print_summary(console, &checked)?;
            console.note(&next_steps(&args.dir));
        }
        job::say_why(&report);
        Ok(report.status.exit_code())
    })
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
    messages: PathBuf,
    job: PathBuf,
    key: PathBuf,
}

impl Place {
    /// Makes the folder and writes the job with its policy.
    fn prepare(dir: &Path) -> Outcome<Self> {
        let failed = |error: std::io::Error| Failure::io(&dir.display().to_string(), &error);
        fs::create_dir_all(dir).map_err(failed)?;
        let job = dir.join("hospital.toml");
        fs::write(&job, job_text()).map_err(failed)?;
        fs::write(dir.join("hospital-policy.toml"), POLICY).map_err(failed)?;
        Ok(Self { messages: dir.join("messages"), job, key: dir.join("hospital.key") })
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

/// The example job with its paths inside the demo's folder.
fn job_text() -> String {
    JOB.replace("\"../target/demo/", "\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_stays_in_its_folder() {
        let text = job_text();
        assert!(!text.contains("\"../"), "a path leads out of the demo's folder");
        for inside in ["output = \"out\"", "path = \"messages\"", "\"hospital.key\"", "\"hospital.vault\"", "\"hospital-policy.toml\""] {
            assert!(text.contains(inside), "{inside}");
        }
    }
}
