//! After a crash: what was written and never answered.
//!
//! Name, content and journal line of an instance are synced at the same time, so a loss of power can leave one without the others. No such instance was
//! answered: at most those of the last groups. The end of the journal is looked at, what is not whole is taken out of the way, and a line says so.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use sha2::{Digest, Sha256};

use super::{
    journal::{Journal, Outcome, Received},
    store::{JOURNAL, REJECTS, Store, hex},
};

/// Bytes of the journal's end that are looked at: some 1,500 lines, more than there are associations.
const END: u64 = 1 << 20;
/// Files up to that size are read; of larger ones the size is looked at.
const MOST_READ: u64 = 64 << 20;

/// Withdraws instances that are not whole. Gives how many.
pub(super) fn withdraw_unfinished(store: &Store) -> io::Result<u64> {
    let mut journal = Journal::open(&store.folder.join(JOURNAL))?;
    let mut seen = HashSet::new();
    let (mut lines, mut withdrawn) = (Vec::new(), 0);
    // The last line about a file holds.
    for received in last_lines(&store.folder.join(JOURNAL))?.into_iter().rev() {
        if !seen.insert(received.path.clone()) || !matches!(received.outcome, Outcome::Stored | Outcome::Differs) {
            continue;
        }
        let path = store.folder.join(&received.path);
        if is_whole(&path, &received)? {
            continue;
        }
        let kept = format!("{REJECTS}/{}.unfinished", received.sha256);
        if path.try_exists()? {
            fs::rename(&path, store.folder.join(&kept))?;
        }
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

fn last_lines(path: &Path) -> io::Result<Vec<Received>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let begin = size.saturating_sub(END);
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(END).read_to_end(&mut bytes)?;
    let lines = bytes.split(|byte| *byte == b'\n').skip(usize::from(begin > 0));
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}
