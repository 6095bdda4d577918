//! The sending itself: associations that take files from one list.

use std::{
    collections::{BTreeSet, VecDeque},
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use sutura_dicom::dimse::{Association, Command, CommandField, DimseError, Incoming, MOST_CONTEXTS, Malformed, Status, StatusClass};

use super::{
    FileResult, OnSent, SendOutcome, SendReport,
    config::{SenderConfig, Target},
    files::{self, Instance},
    state::State,
};
use crate::{connection::Connection, dicom::seconds, error::StreamError, stop::StopToken};

/// The longest wait before another try.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// SOP class and transfer syntax.
type Pair = (String, String);

struct Work<'w> {
    config: &'w SenderConfig,
    target: &'w Target,
    told: Option<&'w dyn OnSent>,
    stop: &'w StopToken,
    state: State,
    results: Mutex<Vec<FileResult>>,
    bytes: AtomicU64,
    associations: AtomicU64,
}

pub(super) fn run(config: &SenderConfig, target: &Target, told: Option<&dyn OnSent>, stop: &StopToken) -> Result<SendReport, StreamError> {
    let to = format!("{}@{}:{}", config.called_ae_title.trim(), config.host, config.port);
    let state = State::open(config.state_file.as_deref(), to);
    let state = state.map_err(|error| StreamError::Folder(config.state_file.clone().unwrap_or_default(), error))?;
    let work = Work {
        config,
        target,
        told,
        stop,
        state,
        results: Mutex::new(Vec::new()),
        bytes: AtomicU64::new(0),
        associations: AtomicU64::new(0),
    };
    let instances = work.instances(files::list(&config.paths)?);
    let begun = Instant::now();
    for (pairs, instances) in groups(instances) {
        work.send(&pairs, instances);
    }
    work.state.sync().map_err(|error| StreamError::Folder(config.state_file.clone().unwrap_or_default(), error))?;
    let mut results = work.results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by(|one, other| one.path.cmp(&other.path));
    let (bytes, associations) = (work.bytes.into_inner(), work.associations.into_inner());
    Ok(SendReport { results, bytes, associations, seconds: begun.elapsed().as_secs_f64() })
}

/// In as few groups as there are presentation contexts for.
fn groups(instances: Vec<Instance>) -> Vec<(Vec<Pair>, VecDeque<Instance>)> {
    let mut groups: Vec<(BTreeSet<Pair>, VecDeque<Instance>)> = Vec::new();
    for instance in instances {
        let pair = (instance.sop_class.clone(), instance.syntax.clone());
        let fits = groups.iter().position(|(pairs, _)| pairs.contains(&pair) || pairs.len() < MOST_CONTEXTS);
        let place = fits.unwrap_or_else(|| {
            groups.push((BTreeSet::new(), VecDeque::new()));
            groups.len() - 1
        });
        groups[place].0.insert(pair);
        groups[place].1.push_back(instance);
    }
    groups.into_iter().map(|(pairs, instances)| (pairs.into_iter().collect(), instances)).collect()
}

/// Files of one group that wait, and why the rest of them cannot be sent at all.
struct Queue {
    waiting: VecDeque<Instance>,
    hopeless: Option<String>,
}

impl Work<'_> {
    /// What is to be sent; of the rest, why not.
    fn instances(&self, paths: Vec<PathBuf>) -> Vec<Instance> {
        let mut instances = Vec::new();
        for path in paths {
            if self.stop.is_stopped() {
                self.done(path, 0, SendOutcome::Stopped, None, 0, None);
                continue;
            }
            if files::mark(&path).is_ok_and(|mark| self.state.has(&path, mark)) {
                self.done(path, 0, SendOutcome::SentBefore, None, 0, None);
                continue;
            }
            match files::look_at(&path) {
                Ok(instance) => instances.push(instance),
                Err((outcome, reason)) => self.done(path, 0, outcome, None, 0, Some(reason)),
            }
        }
        instances
    }

    fn send(&self, pairs: &[Pair], waiting: VecDeque<Instance>) {
        let threads = self.config.associations.min(waiting.len());
        let queue = Mutex::new(Queue { waiting, hopeless: None });
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|| self.send_some(pairs, &queue));
            }
            self.send_some(pairs, &queue);
        });
    }

    /// One association after the other, until no file waits.
    fn send_some(&self, pairs: &[Pair], queue: &Mutex<Queue>) {
        let mut association = None;
        loop {
            let (instance, hopeless) = {
                let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
                (queue.waiting.pop_front(), queue.hopeless.clone())
            };
            let Some(instance) = instance else { break };
            if let Some(reason) = hopeless {
                self.done(instance.path, 0, SendOutcome::Failed, None, 0, Some(reason));
                continue;
            }
            if let Err(reason) = self.send_one(pairs, &mut association, instance) {
                queue.lock().unwrap_or_else(PoisonError::into_inner).hopeless.get_or_insert(reason);
            }
        }
        if let Some(association) = association {
            end(association);
        }
    }

    /// Sends a file, again and again if need be. An error is why no other can be sent either.
    fn send_one(&self, pairs: &[Pair], open: &mut Option<Association<Connection>>, instance: Instance) -> Result<(), String> {
        let mut wait = seconds(self.config.retry_wait_s);
        let (mut attempts, mut aborts) = (0, 0);
        loop {
            if self.stop.is_stopped() {
                self.done(instance.path, 0, SendOutcome::Stopped, None, attempts, None);
                return Ok(());
            }
            attempts += 1;
            let error = match self.attempt(pairs, open, &instance) {
                Ok(Attempt::Answered(status)) if !status.is_transient() => {
                    self.answered(instance, status, attempts);
                    return Ok(());
                }
                Ok(Attempt::Answered(status)) if attempts > self.config.retries => {
                    self.answered(instance, status, attempts);
                    return Ok(());
                }
                Ok(Attempt::Answered(_)) => None,
                Ok(Attempt::NotAccepted) => {
                    let reason = "the receiver takes no instances of that SOP class in that transfer syntax".to_owned();
                    self.done(instance.path, 0, SendOutcome::NotAccepted, None, attempts, Some(reason));
                    return Ok(());
                }
                Ok(Attempt::Unreadable(reason)) => {
                    self.done(instance.path, 0, SendOutcome::Failed, None, attempts, Some(reason));
                    return Ok(());
                }
                Err(error) => Some(error),
            };
            if let Some(Broken { error, is_open }) = error {
                // The file that the program stops in the middle of is not a failed one.
                if self.stop.is_stopped() {
                    continue;
                }
                // A receiver that aborts twice when it gets this file will a third time.
                aborts += u32::from(is_open && matches!(error, DimseError::Aborted(..)));
                if !error.is_transient() || attempts > self.config.retries || aborts > 1 {
                    let reason = error.to_string();
                    self.done(instance.path, 0, SendOutcome::Failed, None, attempts, Some(reason.clone()));
                    // An association that broke may have broken because of this file; where none can be opened, no other file can be sent either.
                    return if is_open { Ok(()) } else { Err(reason) };
                }
                tracing::warn!(reason = %error, "sending is tried again");
            }
            self.stop.wait(wait);
            wait = (2 * wait).min(LONGEST_WAIT);
        }
    }

    fn attempt(&self, pairs: &[Pair], open: &mut Option<Association<Connection>>, instance: &Instance) -> Result<Attempt, Broken> {
        let association = match open.take() {
            Some(association) => association,
            None => self.associate(pairs).map_err(|error| Broken { error, is_open: false })?,
        };
        self.send_on(association, open, instance).map_err(|error| Broken { error, is_open: true })
    }

    /// Sends a file on this association, and gives it back if it is still good.
    fn send_on(
        &self,
        mut association: Association<Connection>,
        open: &mut Option<Association<Connection>>,
        instance: &Instance,
    ) -> Result<Attempt, DimseError> {
        let Some(context) = association.context_for(&instance.sop_class, Some(&instance.syntax)) else {
            *open = Some(association);
            return Ok(Attempt::NotAccepted);
        };
        // It may have changed since it was looked at.
        let file = File::open(&instance.path).and_then(|mut file| {
            let size = file.metadata()?.len();
            file.seek(SeekFrom::Start(instance.offset))?;
            Ok((size, file))
        });
        let file = match file {
            Ok((size, file)) if size == instance.size => file,
            Ok(_) => {
                *open = Some(association);
                return Ok(Attempt::Unreadable("the file changed while it was to be sent".to_owned()));
            }
            Err(error) => {
                *open = Some(association);
                return Ok(Attempt::Unreadable(format!("the file cannot be read ({})", error.kind())));
            }
        };
        let stream = association.stream_mut();
        stream.set_deadline(seconds(self.config.object_timeout_s));
        let id = 1;
        association.send_command(context, &Command::store(id, &instance.sop_class, &instance.sop_instance))?;
        association.send_data(
            context,
            instance.length(),
            BufReader::with_capacity(4096, file.take(instance.size - instance.offset)).chain(&[0u8][..]),
        )?;
        match association.next_message()? {
            Incoming::Command(_, answer) if answer.field == CommandField::CStoreRsp && answer.message_id == id && !answer.has_data_set => {
                *open = Some(association);
                Ok(Attempt::Answered(answer.status))
            }
            // The receiver ends instead of answering.
            Incoming::Release => {
                let _ = association.confirm_release();
                association.into_stream().close();
                Err(DimseError::Closed)
            }
            Incoming::Command(..) => {
                association.abort().close();
                Err(DimseError::Malformed(Malformed::Command, 0))
            }
        }
    }

    fn associate(&self, pairs: &[Pair]) -> Result<Association<Connection>, DimseError> {
        let syntaxes: Vec<[&str; 1]> = pairs.iter().map(|(_, syntax)| [syntax.as_str()]).collect();
        let contexts = pairs.iter().zip(&syntaxes).map(|((class, _), syntaxes)| (class.as_str(), syntaxes.as_slice())).collect();
        let connection = self.target.connect(self.config, self.stop)?;
        let association = Association::request(connection, &self.config.request(contexts))?;
        self.associations.fetch_add(1, Ordering::Relaxed);
        Ok(association)
    }

    fn answered(&self, instance: Instance, status: Status, attempts: u32) {
        let bytes = instance.size - instance.offset;
        let (outcome, reason) = match status.class() {
            StatusClass::Success => (SendOutcome::Sent, None),
            StatusClass::Warning => (SendOutcome::SentWithWarning, None),
            _ => (SendOutcome::Failed, Some(format!("the receiver answers {status}: {}", meaning(status)))),
        };
        if status.is_stored() {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            if let Err(error) = self.state.remember(&instance) {
                tracing::warn!(kind = %error.kind(), "the state file cannot be written; another run sends the file again");
            }
        }
        self.done(instance.path, bytes, outcome, Some(status.0), attempts, reason);
    }

    fn done(&self, path: PathBuf, bytes: u64, outcome: SendOutcome, status: Option<u16>, attempts: u32, reason: Option<String>) {
        let result = FileResult { path, outcome, bytes, status, attempts, reason };
        if let Some(told) = self.told {
            told.on_sent(&result);
        }
        self.results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
    }
}

enum Attempt {
    Answered(Status),
    NotAccepted,
    Unreadable(String),
}

/// Why an attempt came to no answer, and whether there was an association.
struct Broken {
    error: DimseError,
    is_open: bool,
}

/// What a failure of C-STORE means (PS3.4 table B.2-1, PS3.7 annex C).
fn meaning(status: Status) -> &'static str {
    match status.0 {
        0xA700..=0xA7FF => "it has no room for it; send it again later",
        0xA900..=0xA9FF => "the data set is not of its SOP class",
        0xC000..=0xCFFF => "it cannot understand the data set",
        0x0122 => "it does not take that SOP class",
        0x0124 => "we are not allowed to",
        _ => "it failed; look at the receiver's log",
    }
}

fn end(mut association: Association<Connection>) {
    association.stream_mut().set_deadline(Duration::from_secs(5));
    if let Ok(connection) = association.release() {
        connection.close();
    }
}
