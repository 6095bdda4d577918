//! After a crash: what was answered is done, and what was not is taken out of the way.
//!
//! The log has every instance that was answered and not settled. Its records are done again, in their order: an instance whose file is there and whole
//! stays as it is, and a line that the journal has is not written twice.
//!
//! Without a log (an earlier version had none) name, content and journal line of an instance that was never answered may be there without one another: the
//! end of the journal is looked at, what is not whole is taken out of the way, and a line says so.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Component, Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{
    buffer::Buffer,
    filing::Journals,
    journal::{Journal, Outcome, Received},
    record, segment,
    store::{JOURNAL, REJECTS, REJECTS_JOURNAL, Store, hex},
};

/// Bytes of the journal's end that are looked at for files that are not whole: some 1,500 lines, more than there are associations.
const END: u64 = 1 << 20;
/// Bytes of the journal's end that may have lines of what is in the log.
const LOGGED_END: u64 = 64 << 20;
/// Files up to that size are read; of larger ones the size is looked at.
const MOST_READ: u64 = 64 << 20;

/// Where a record is.
struct Place<'p> {
    sequence: u64,
    segment: &'p Path,
    at: usize,
    size: usize,
}

/// Does the records of segments: files that are not there or not whole are written, lines that are not there are added. Nothing is synced. Gives how many
/// records changed something, and the paths of all.
pub(super) fn replay(store: &Store, segments: &[PathBuf], journals: &Journals) -> io::Result<(u64, Vec<String>)> {
    let mut places = Vec::new();
    for path in segments {
        for (at, record) in record::records(&segment::read(path)?) {
            let size = record::size_of(record.line.len(), record.file.map_or(0, <[u8]>::len));
            places.push(Place { sequence: record.sequence, segment: path, at, size });
        }
    }
    if places.is_empty() {
        return Ok((0, Vec::new()));
    }
    places.sort_by_key(|place| place.sequence);
    let mut lines = Lines::default();
    lines.read(&store.folder.join(JOURNAL))?;
    lines.read(&store.folder.join(REJECTS).join(REJECTS_JOURNAL))?;
    let (mut bytes, mut changed, mut paths) = (Vec::new(), 0, Vec::new());
    for place in places {
        let mut file = File::open(place.segment)?;
        file.seek(SeekFrom::Start(place.at as u64))?;
        bytes.clear();
        file.take(place.size as u64).read_to_end(&mut bytes)?;
        // It was whole a moment ago.
        let Some(record) = record::record(&bytes) else { return Err(io::ErrorKind::InvalidData.into()) };
        let Some(received) = record.received().filter(|received| is_ours(&received.path)) else { continue };
        let mut is_new = false;
        if let Some(content) = record.file
            && !is_whole(&store.folder.join(&received.path), &received)?
        {
            write(store, &received, content)?;
            is_new = true;
        }
        if !lines.take(record.line) {
            journals.add(&received, record.line)?;
            is_new = true;
        }
        changed += u64::from(is_new);
        paths.push(received.path);
    }
    Ok((changed, paths))
}

/// Whether a path leads to a place in the folder.
fn is_ours(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|component| matches!(component, Component::Normal(_)))
}

fn write(store: &Store, received: &Received, content: &[u8]) -> io::Result<()> {
    let mut buffer = Buffer::with_room(content.len());
    buffer.push(content);
    let mut temporary = store.create()?;
    temporary.write(&mut buffer)?;
    temporary.finish()?;
    temporary.rename(&store.folder.join(&received.path)).map(drop)
}

/// Lines that a journal has, and how often.
#[derive(Default)]
struct Lines(HashMap<[u8; 32], u32>);

impl Lines {
    fn read(&mut self, path: &Path) -> io::Result<()> {
        for line in end_of(path, LOGGED_END)?.split_inclusive(|byte| *byte == b'\n') {
            *self.0.entry(Sha256::digest(line).into()).or_default() += 1;
        }
        Ok(())
    }

    /// Whether it is there, once more than it was taken.
    fn take(&mut self, line: &[u8]) -> bool {
        let key: [u8; 32] = Sha256::digest(line).into();
        match self.0.get_mut(&key) {
            Some(left @ 1..) => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

/// Cuts the end of a journal off where a loss of power left zeros: what was behind them was not settled, and is in the log.
pub(super) fn cut_zeros(path: &Path) -> io::Result<()> {
    let Ok(size) = fs::metadata(path).map(|metadata| metadata.len()) else { return Ok(()) };
    let end = end_of(path, LOGGED_END)?;
    if let Some(zero) = end.iter().position(|byte| *byte == 0) {
        let line = end[..zero].iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let file = fs::OpenOptions::new().write(true).open(path)?;
        file.set_len(size - (end.len() - line) as u64)?;
        file.sync_all()?;
    }
    Ok(())
}

/// Withdraws instances that are not whole. Gives how many.
pub(super) fn withdraw_unfinished(store: &Store) -> io::Result<u64> {
    let mut journal = Journal::open(&store.folder.join(JOURNAL))?;
    let mut seen = HashSet::new();
    let (mut lines, mut withdrawn) = (Vec::new(), 0);
    // The last line about a file holds.
    let end = end_of(&store.folder.join(JOURNAL), END)?;
    let received = end.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Received>(line).ok());
    for received in received.collect::<Vec<_>>().into_iter().rev() {
        if !seen.insert(received.path.clone()) || !matches!(received.outcome, Outcome::Stored | Outcome::Differs) {
            continue;
        }
        let path = store.folder.join(&received.path);
        // One that is not there may have been taken away.
        if !path.try_exists()? || is_whole(&path, &received)? {
            continue;
        }
        fs::rename(&path, store.folder.join(format!("{REJECTS}/{}.unfinished", received.sha256)))?;
        let reason = "the program ended before the instance was durable; its sender was not answered and has to send it again".to_owned();
        Received { outcome: Outcome::Withdrawn, codes: vec!["unfinished".to_owned()], reason: Some(reason), status: 0x0110, ..received }
            .append_to(&mut lines)?;
        withdrawn += 1;
    }
    journal.append(&lines)?;
    journal.sync()?;
    Ok(withdrawn)
}

fn is_whole(path: &Path, received: &Received) -> io::Result<bool> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file?,
    };
    if file.metadata()?.len() != received.bytes {
        return Ok(false);
    }
    if received.bytes > MOST_READ {
        return Ok(true);
    }
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hex(&hash.finalize()) == received.sha256),
            read => hash.update(&chunk[..read]),
        }
    }
}

/// The whole lines among the last bytes of a file; a last one without its end too.
fn end_of(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let begin = size.saturating_sub(most);
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    if begin > 0 {
        let first = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |first| first + 1);
        bytes.drain(..first);
    }
    Ok(bytes)
}
