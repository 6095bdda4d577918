//! One file a command.

mod convert;
mod deidentify;
mod demo;
mod fhir;
mod generate;
mod images;
mod inspect;
mod job;
mod keys;
mod listen;
mod lock;
mod policy;
mod send;
mod sql;
mod summary;
mod tables;
mod terminology;
mod whole;

use std::{fs::File, future::Future, io::Read, path::PathBuf, sync::Arc, time::Duration};

use sutura_engine::{Engine, EngineOptions, profiles::ProfileStore, terminology::TerminologyFiles};
use sutura_privacy::PrivacyContext;
use sutura_stream::{StopToken, StreamError};

use crate::{
    args::{
        AllowPhi, Command, GenerateCommand, SchemaCommand, TerminologyArgs,
        dicom::{ListenCommand, SendCommand},
    },
    failure::{Failure, Outcome},
    output::Console,
};

/// Runs a command; answers its exit code.
pub(crate) fn run(command: Command, console: Console) -> Outcome {
    match command {
        Command::Demo(args) => demo::run(&args, console),
        Command::Generate(GenerateCommand::Hl7v2(args)) => generate::run(&args, console),
        Command::Generate(GenerateCommand::Fhir(args)) => generate::fhir::run(&args, console),
        Command::Generate(GenerateCommand::Ccda(args)) => generate::ccda::run(&args, console),
        Command::Generate(GenerateCommand::Dicom(args)) => generate::dicom::run(&args, console),
        Command::Validate(args) => job::validate(&args, console),
        Command::Plan(args) => job::plan(&args),
        Command::Run(args) => job::run(&args, console),
        Command::Replay(args) => job::replay(&args, console),
        Command::Schema(SchemaCommand::Job) => job::schema(),
        Command::Inspect(args) => inspect::run(&args, console),
        Command::Sql(args) => sql::run(&args, console),
        Command::Convert(args) => convert::run(&args, console),
        Command::Images(args) => images::run(&args, console),
        Command::Deidentify(args) => deidentify::run(&args, console),
        Command::Fhir(command) => fhir::run(&command, console),
        Command::Listen(ListenCommand::Dicom(args)) => listen::run(&args, console),
        Command::Send(SendCommand::Dicom(args)) => send::run(&args, console),
        Command::Terminology(command) => terminology::run(&command, console),
        Command::Tables(args) => tables::run(&args),
        Command::Keys(command) => keys::run(&command, console),
        Command::Policy(command) => policy::run(&command),
    }
}

/// Runs async work to its end. An interrupt from the keyboard, or the request of a supervisor to end, drops it, which cleans up what it had begun to write.
fn block_on<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::failed(format!("starting worker threads: {error}")))?;
    let result = runtime.block_on(async {
        tokio::select! {
            result = interruptible(work) => result,
            () = terminated() => Err(Failure::interrupted()),
        }
    });
    if result.as_ref().is_err_and(|failure| failure.code == crate::failure::INTERRUPTED) {
        // A thread may wait for a pipe that nobody writes to: it is not waited for.
        runtime.shutdown_timeout(Duration::from_secs(2));
    }
    result
}

async fn interruptible<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::select! {
        result = work => result,
        _ = tokio::signal::ctrl_c() => Err(Failure::interrupted()),
    }
}

/// Runs work that ends when it is asked to, on a thread of its own. The first interrupt, or the request of a supervisor, asks; a second
/// interrupt does not wait any longer.
fn until_stopped<T: Send + 'static>(stop: &StopToken, work: impl FnOnce() -> Outcome<T> + Send + 'static) -> Outcome<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("starting worker threads: {error}")))?;
    let result = runtime.block_on(async {
        let mut ended = std::pin::pin!(async {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                () = terminated() => {}
            }
        });
        // Signals are listened to before the work begins and says so.
        tokio::select! {
            biased;
            () = &mut ended => stop.stop(),
            () = std::future::ready(()) => {}
        }
        let mut working = tokio::task::spawn_blocking(work);
        if !stop.is_stopped() {
            tokio::select! {
                result = &mut working => return finished(result),
                () = &mut ended => stop.stop(),
            }
        }
        tokio::select! {
            result = &mut working => finished(result),
            _ = tokio::signal::ctrl_c() => Err(Failure::interrupted()),
        }
    });
    // What does not end is not waited for.
    runtime.shutdown_background();
    result
}

fn finished<T>(result: Result<Outcome<T>, tokio::task::JoinError>) -> Outcome<T> {
    result.unwrap_or_else(|_| Err(Failure::failed("a worker thread ended early")))
}

/// SIGTERM, which container and service managers send; elsewhere never.
async fn terminated() {
    #[cfg(unix)]
    if let Ok(mut signal) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        signal.recv().await;
        return;
    }
    std::future::pending::<()>().await;
}

/// Most bytes of a query or a policy: a device or the wrong file must not fill the memory.
const TEXT_LIMIT: u64 = 4 << 20;

/// The text of a file, or of standard input for `-`.
fn read_text(name: &str) -> Outcome<String> {
    let failed = |error: std::io::Error| Failure::configuration(format!("{name}: {error}"));
    let input: Box<dyn Read> = if name == "-" { Box::new(std::io::stdin()) } else { Box::new(File::open(name).map_err(failed)?) };
    let mut bytes = Vec::new();
    input.take(TEXT_LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > TEXT_LIMIT {
        return Err(Failure::configuration(format!("{name}: larger than {} MiB, the most such a file may have", TEXT_LIMIT >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| Failure::configuration(format!("{name}: not UTF-8 text")))
}

/// An engine with every format.
fn engine(memory_mib: Option<u32>, privacy: Option<Arc<PrivacyContext>>) -> Outcome<Engine> {
    engine_with(EngineOptions { privacy, ..EngineOptions::default() }, memory_mib)
}

/// An engine with these options and that much memory for sorts, joins and aggregates.
fn engine_with(options: EngineOptions, memory_mib: Option<u32>) -> Outcome<Engine> {
    let memory_limit = memory_mib.map(|mib| (mib as usize).saturating_mul(1 << 20));
    Ok(Engine::new(EngineOptions { memory_limit, ..options })?)
}

/// Packages of FHIR profiles; none where none is named.
fn profiles(packages: &[PathBuf]) -> Outcome<Option<Arc<ProfileStore>>> {
    let mut store = ProfileStore::new();
    for package in packages {
        store.load(package).map_err(|error| Failure::configuration(format!("package {}: {error}", package.display())))?;
    }
    Ok((!packages.is_empty()).then(|| Arc::new(store)))
}

/// Terminology of the user; none where no file is named.
fn own_terminology(args: &TerminologyArgs, console: Console) -> Outcome<Option<TerminologyFiles>> {
    if args.files.is_empty() {
        return Ok(None);
    }
    let files = TerminologyFiles::load(&args.files).map_err(|error| Failure::configuration(format!("--terminology {error}")))?;
    let unusable = files.terminology.unusable_mappings();
    if unusable > 0 {
        console.note(&format!(
            "terminology: {} whose target system is neither a URI nor an OID nor a name of HL7 table 0396: conversion leaves them out",
            crate::output::count(unusable, "mapping")
        ));
    }
    let contradictions = files.loaded().contradictions;
    if contradictions > 0 {
        console.note(&format!(
            "terminology: {} twice with different displays; the first one counts",
            crate::output::count(contradictions, "code")
        ));
    }
    Ok(Some(files))
}

/// Why a receiver or a sender could not begin or go on: all but what happens on an association is a matter of settings.
fn stream_failure(error: &StreamError) -> Failure {
    match error {
        StreamError::Association(_) => Failure::failed(error),
        _ => Failure::configuration(error),
    }
}

impl AllowPhi {
    /// The purpose, if identifying values are allowed. An empty purpose is refused.
    fn stated_purpose(&self) -> Outcome<Option<&str>> {
        match self.purpose.as_deref().map(str::trim) {
            Some("") => Err(Failure::configuration("--purpose is empty; say in a few words why identifying values are needed")),
            purpose => Ok(purpose.filter(|_| self.allow_phi)),
        }
    }
}
