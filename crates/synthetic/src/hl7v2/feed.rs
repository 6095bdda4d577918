//! Writing a feed: files of messages and the truth about them, in one pass and with bounded memory.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use crate::{
    SyntheticError,
    files::{Output, packed_ending, remove_if_there},
    rng::Rng,
};

use super::{
    damage::Damage,
    encounter::{Frame, Visits},
    messages::{Facts, render},
    options::{Compression, FeedOptions, LineEnd, Shape},
    truth::{FileTruth, Tally, Truth},
    wire::Wire,
};

const STREAM_FEED: u64 = 3;
const STREAM_FILE: u64 = 4;

/// Bytes kept before they are written to the file.
const BUFFER: usize = 1 << 20;
/// Progress is reported every so many messages.
const REPORT_EVERY: u64 = 4096;

/// A feed that can be written.
#[derive(Debug, Clone)]
pub struct Feed {
    options: FeedOptions,
    frame: Frame,
}

impl Feed {
    /// Checks the options.
    pub fn new(options: FeedOptions) -> Result<Self, SyntheticError> {
        let frame = options.frame()?;
        Ok(Self { options, frame })
    }

    /// Writes `feed_0001.hl7` and so on, and `truth.json`, into a folder, which is made when it is not
    /// there. Files of these names are written over. `progress` is told the messages written so far.
    ///
    /// The truth is written last and appears whole or not at all. A folder with any other `feed_*.hl7` or
    /// `feed_*.hl7.gz` or `feed_*.hl7.zst` is refused.
    pub fn write_to(&self, folder: &Path, progress: &dyn Fn(u64)) -> Result<Truth, SyntheticError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| SyntheticError::Io { path, source }
        };
        fs::create_dir_all(folder).map_err(failed(folder))?;
        if self.has_other_files(folder).map_err(failed(folder))? {
            return Err(SyntheticError::OtherFeed { path: folder.to_owned() });
        }
        // Until this feed is whole there is no truth about the folder.
        let truth_path = folder.join("truth.json");
        remove_if_there(&truth_path).map_err(failed(&truth_path))?;
        let mut tally = Tally::new(self.frame.population);
        let mut messages = Messages::new(self);
        let mut file_number = 0;
        while tally.messages < self.options.messages {
            file_number += 1;
            let name = file_name(file_number, self.options.compression);
            let path = folder.join(&name);
            let file = File::create(&path).map_err(failed(&path))?;
            let wanted = self.options.per_file.min(self.options.messages - tally.messages);
            let mut writer = FileWriter::new(file, &self.options, name).map_err(failed(&path))?;
            self.write_file(&mut writer, wanted, file_number, &mut messages, &mut tally, progress).map_err(failed(&path))?;
            tally.files.push(writer.truth);
        }
        progress(tally.messages);
        let options = FeedOptions { population: Some(self.frame.population), ..self.options.clone() };
        let truth = tally.finish(options);
        let json = serde_json::to_vec_pretty(&truth).map_err(|error| failed(&truth_path)(error.into()))?;
        let part = folder.join(".truth.json.part");
        fs::write(&part, json).map_err(failed(&part))?;
        fs::rename(&part, &truth_path).map_err(failed(&truth_path))?;
        Ok(truth)
    }

    /// Whether the folder holds feed files that this feed does not write over: a reader of the whole
    /// folder would count them too.
    fn has_other_files(&self, folder: &Path) -> io::Result<bool> {
        let files = self.options.messages.div_ceil(self.options.per_file);
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let Some(rest) = name.strip_prefix("feed_") else { continue };
            let Some(number) = [".hl7.gz", ".hl7.zst", ".hl7"].iter().find_map(|end| rest.strip_suffix(end)) else { continue };
            let is_ours =
                number.parse().is_ok_and(|number| (1..=files).contains(&number) && name == file_name(number, self.options.compression));
            if !is_ours {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn write_file(
        &self,
        file: &mut FileWriter,
        wanted: u64,
        number: u64,
        messages: &mut Messages,
        tally: &mut Tally,
        progress: &dyn Fn(u64),
    ) -> io::Result<()> {
        let mut rng = Rng::for_item(self.options.seed, STREAM_FILE, number);
        // Ten times the share of the messages: files are few.
        if rng.chance((self.options.malformed_share * 10.0).min(1.0)) {
            tally.damage(Damage::LeadingJunk);
            file.junk(&mut rng);
        }
        file.open_batch(number);
        // Without frames a lone start block is an error only where nothing follows it: at the end.
        let open_end = self.options.shape == Shape::Separated && rng.chance((self.options.malformed_share * 10.0).min(1.0));
        for position in 1..=wanted {
            let frame_stays_open = open_end && position == wanted;
            // A cut message needs one after it that begins in the usual way.
            let may_be_cut = position + 1 < wanted;
            let message = messages.next(frame_stays_open, may_be_cut);
            let (damage, is_duplicate) = (message.damage, message.is_duplicate);
            file.message(message.text, damage)?;
            tally.messages += 1;
            if let Some(damage) = damage {
                tally.damage(damage);
            }
            if damage.is_some_and(Damage::is_reject) {
                file.truth.rejected += 1;
            } else {
                file.truth.accepted += 1;
                tally.duplicates += u64::from(is_duplicate);
                tally.accept(&messages.facts, &messages.wire.segments);
            }
            // Only after a message that is in order, and never between one and its duplicate.
            if damage.is_none() && !is_duplicate && rng.chance(self.options.malformed_share / 20.0) {
                tally.damage(Damage::TextJunk);
                file.text_junk(&mut rng);
                messages.repeatable = false;
            }
            if tally.messages.is_multiple_of(REPORT_EVERY) {
                progress(tally.messages);
            }
        }
        file.finish(number)
    }
}

fn file_name(number: u64, compression: Compression) -> String {
    format!("feed_{number:04}.hl7{}", packed_ending(compression))
}

/// The messages one after the other, with damage and duplicates.
struct Messages {
    visits: Visits,
    wire: Wire,
    facts: Facts,
    rng: Rng,
    sequence: u64,
    malformed_share: f64,
    duplicate_share: f64,
    shape: Shape,
    /// Whether the message in `wire` may be sent again.
    repeatable: bool,
}

struct Next<'a> {
    text: &'a str,
    damage: Option<Damage>,
    is_duplicate: bool,
}

impl Messages {
    fn new(feed: &Feed) -> Self {
        Self {
            visits: Visits::new(feed.frame),
            wire: Wire::new(),
            facts: Facts::default(),
            rng: Rng::for_item(feed.options.seed, STREAM_FEED, 0),
            sequence: 0,
            malformed_share: feed.options.malformed_share,
            duplicate_share: feed.options.duplicate_share,
            shape: feed.options.shape,
            repeatable: false,
        }
    }

    fn next(&mut self, frame_stays_open: bool, may_be_cut: bool) -> Next<'_> {
        let repeated = self.repeatable && !frame_stays_open && self.rng.chance(self.duplicate_share);
        if repeated {
            self.repeatable = false;
            return Next { text: &self.wire.text, damage: None, is_duplicate: true };
        }
        let malformed = self.rng.chance(self.malformed_share);
        let drawn = if malformed { Some(self.draw_damage()) } else { None };
        let drawn = if drawn == Some(Damage::CutMessage) && !may_be_cut { Some(Damage::MissingControlId) } else { drawn };
        let drawn = if frame_stays_open { Some(Damage::UnterminatedFrame) } else { drawn };
        self.repeatable = drawn.is_none();
        self.sequence += 1;
        if drawn == Some(Damage::TruncatedHeader) {
            return Next { text: "MSH|^~\\&|", damage: drawn, is_duplicate: false };
        }
        let (visit, step) = self.visits.next_step();
        let damage = drawn.map(|damage| damage.fitting(step.event, &visit.person));
        render(&mut self.wire, &mut self.facts, visit, step, self.sequence, damage);
        Next { text: &self.wire.text, damage, is_duplicate: false }
    }

    fn draw_damage(&mut self) -> Damage {
        use Damage::*;
        // Some are listed more often because few messages can have them.
        let kinds = [
            TruncatedHeader,
            MissingPid,
            TextInNumeric,
            TextInNumeric,
            InvalidDate,
            MissingControlId,
            WrongVersion,
            CutMessage,
            WrongCharset,
            WrongCharset,
            WrongCharset,
            OversizedField,
        ];
        if self.shape == Shape::Mllp && self.rng.percent(15) { UnterminatedFrame } else { *self.rng.pick(&kinds) }
    }
}

/// One file in its shape.
struct FileWriter {
    file: Output,
    shape: Shape,
    line_end: LineEnd,
    buffer: Vec<u8>,
    /// The message before was cut: the next one follows without line end and without a frame's start.
    after_cut: bool,
    truth: FileTruth,
}

impl FileWriter {
    fn new(file: File, options: &FeedOptions, name: String) -> io::Result<Self> {
        let file = Output::new(file, options.compression)?;
        let buffer = Vec::with_capacity(BUFFER + (64 << 10));
        let truth = FileTruth { name, ..FileTruth::default() };
        Ok(Self { file, shape: options.shape, line_end: options.line_end, buffer, after_cut: false, truth })
    }

    /// Bytes that no charset makes text of, none of which means anything to a reader of HL7.
    fn junk(&mut self, rng: &mut Rng) {
        self.truth.junk_records += 1;
        self.truth.rejected += 1;
        self.buffer.extend_from_slice(b"\x89\x93\xC1");
        for _ in 0..rng.between(40, 400) {
            self.buffer.push(0x80 + rng.below(0x70) as u8);
        }
        self.buffer.extend_from_slice(b"\x9B\x81");
        self.end_line();
    }

    /// What an interface engine's log left between two messages. No line of it looks like a segment.
    fn text_junk(&mut self, rng: &mut Rng) {
        self.truth.junk_records += 1;
        self.truth.rejected += 1;
        if self.shape == Shape::Batch {
            self.end_line();
        }
        self.line(&format!("*** interface restarted, {} messages waiting ***", rng.between(2, 90)));
        for _ in 0..rng.below(3) {
            self.line(&format!("retry {} in {} seconds: connection reset by peer", rng.between(1, 9), rng.between(1, 60)));
        }
        self.end_line();
    }

    fn end_line(&mut self) {
        self.buffer.push(if self.line_end == LineEnd::Lf { b'\n' } else { b'\r' });
    }

    fn line(&mut self, text: &str) {
        self.buffer.extend_from_slice(text.as_bytes());
        self.end_line();
    }

    fn open_batch(&mut self, number: u64) {
        if self.shape == Shape::Batch {
            self.line(&format!("FHS|^~\\&|FEED|SYNTHETIC|SUTURA|HUB|||||{number}"));
            self.line(&format!("BHS|^~\\&|FEED|SYNTHETIC|SUTURA|HUB|||||{number}"));
        }
    }

    fn message(&mut self, text: &str, damage: Option<Damage>) -> io::Result<()> {
        let open = damage == Some(Damage::UnterminatedFrame);
        if (open || self.shape == Shape::Mllp) && !self.after_cut {
            self.buffer.push(0x0B);
        }
        let start = self.buffer.len();
        match damage {
            Some(Damage::WrongCharset) => self.buffer.extend(text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?'))),
            _ => self.buffer.extend_from_slice(text.as_bytes()),
        }
        self.after_cut = damage == Some(Damage::CutMessage);
        if !self.after_cut {
            self.end_line();
        }
        if self.line_end == LineEnd::Lf {
            for byte in &mut self.buffer[start..] {
                if *byte == b'\r' {
                    *byte = b'\n';
                }
            }
        }
        match (self.shape, self.line_end) {
            _ if self.after_cut => {}
            (Shape::Mllp, _) if !open => self.buffer.extend_from_slice(b"\x1C\r"),
            (Shape::Mllp | Shape::Batch, _) => {}
            // CR of the last segment, then LF CR LF: the message ends in CRLF, and a blank line follows.
            (Shape::Separated, LineEnd::Cr) => self.buffer.extend_from_slice(b"\n\r\n"),
            (Shape::Separated, LineEnd::Lf) => self.buffer.push(b'\n'),
        }
        self.truth.messages += 1;
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(())
    }

    fn finish(&mut self, number: u64) -> io::Result<()> {
        if self.shape == Shape::Batch {
            let messages = self.truth.messages;
            self.line(&format!("BTS|{messages}|batch {number}"));
            self.line("FTS|1");
        }
        self.flush()?;
        self.file.finish()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.truth.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}
