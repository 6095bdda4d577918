//! MLLP framing (HL7 Transport Specification: MLLP, Release 1): VT, message, FS, CR.
//!
//! A state machine without I/O: the same code reads files of frames, sockets and queues. Bytes are
//! pushed in any portions, events come out; the portions never change the events. Every byte is in
//! exactly one frame, unterminated frame, oversized frame or noise, and memory is bounded by the
//! largest frame allowed.
//!
//! A frame is given out at its FS without waiting for the CR: a sender that leaves the CR out would
//! otherwise wait for an acknowledgement of a message that waits for the sender.

use bytes::Bytes;
use memchr::memchr2;

/// Start of a frame (VT).
pub const START_BLOCK: u8 = 0x0B;
/// End of a frame (FS).
pub const END_BLOCK: u8 = 0x1C;
/// What follows the end of a frame.
pub const CARRIAGE_RETURN: u8 = 0x0D;
/// Largest frame unless said otherwise: 64 MiB.
pub const DEFAULT_MAX_FRAME: usize = 64 << 20;
/// How much is kept of a frame that is not delivered.
pub const KEPT_OF_BROKEN: usize = 64 << 10;

/// What the stream held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MllpEvent {
    /// A whole frame.
    Frame {
        /// Offset of its VT in the stream.
        offset: u64,
        /// The content between VT and FS. `Debug` of this event shows it: log the offset instead.
        content: FrameBytes,
    },
    /// The frame before this ended with FS alone.
    MissingCarriageReturn {
        /// Offset where the CR should be.
        offset: u64,
    },
    /// A frame that a new VT or the end of the stream cut off.
    Unterminated {
        /// Offset of its VT.
        offset: u64,
        /// Bytes from its VT on.
        length: u64,
        /// Its content, at most [`KEPT_OF_BROKEN`] bytes of it.
        content: FrameBytes,
    },
    /// A frame above the limit, given out when the limit is passed; what follows up to the next VT is noise.
    TooLarge {
        /// Offset of its VT.
        offset: u64,
        /// Bytes from its VT on that are part of this event.
        length: u64,
        /// The beginning of its content, at most [`KEPT_OF_BROKEN`] bytes of it.
        content: FrameBytes,
    },
    /// Bytes outside frames, given out when the next frame begins or the stream ends.
    Noise {
        /// Offset of the first.
        offset: u64,
        /// How many.
        length: u64,
        /// Whether they are only line ends, spaces and tabs.
        blank: bool,
    },
}

/// Content of a frame; its `Debug` shows the length only, because it holds patient data.
#[derive(Clone, PartialEq, Eq)]
pub struct FrameBytes(pub Bytes);

impl std::fmt::Debug for FrameBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl std::ops::Deref for FrameBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[derive(Debug)]
enum State {
    /// Outside frames, with the noise since the last one.
    Between { offset: u64, length: u64, blank: bool },
    /// After an FS: a CR belongs to the frame.
    AfterEnd,
    /// In a frame that began at `offset`.
    Inside { offset: u64 },
}

/// Cuts a byte stream into frames.
#[derive(Debug)]
pub struct MllpDecoder {
    state: State,
    content: Vec<u8>,
    /// Offset of the next byte.
    offset: u64,
    max_frame: usize,
}

impl Default for MllpDecoder {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_FRAME)
    }
}

impl MllpDecoder {
    /// A decoder that refuses frames with more content than `max_frame` bytes.
    pub fn new(max_frame: usize) -> Self {
        Self { state: State::Between { offset: 0, length: 0, blank: true }, content: Vec::new(), offset: 0, max_frame }
    }

    /// Offset of the next byte to be pushed.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether a frame has begun and not ended.
    pub fn is_inside_frame(&self) -> bool {
        matches!(self.state, State::Inside { .. })
    }

    /// Takes the next bytes of the stream and appends what they complete to `events`.
    pub fn push(&mut self, bytes: &[u8], events: &mut Vec<MllpEvent>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = match self.state {
                State::Between { .. } => self.between(rest, events),
                State::AfterEnd => self.after_end(rest[0], events),
                State::Inside { offset } => self.inside(rest, offset, events),
            };
            rest = &rest[taken..];
        }
    }

    /// Ends the stream. The decoder can be used again for another one after this.
    pub fn finish(&mut self, events: &mut Vec<MllpEvent>) {
        match self.state {
            State::Between { offset, length, blank } => push_noise(offset, length, blank, events),
            State::AfterEnd => events.push(MllpEvent::MissingCarriageReturn { offset: self.offset }),
            State::Inside { offset } => self.unterminated(offset, events),
        }
        *self = Self::new(self.max_frame);
    }

    fn between(&mut self, bytes: &[u8], events: &mut Vec<MllpEvent>) -> usize {
        let State::Between { offset, length, blank } = self.state else { return 0 };
        let start = memchr::memchr(START_BLOCK, bytes);
        let noise = &bytes[..start.unwrap_or(bytes.len())];
        let (length, blank) = (length + noise.len() as u64, blank && noise.iter().all(u8::is_ascii_whitespace));
        self.offset += noise.len() as u64;
        if start.is_none() {
            self.state = State::Between { offset, length, blank };
            return noise.len();
        }
        push_noise(offset, length, blank, events);
        self.begin();
        noise.len() + 1
    }

    fn after_end(&mut self, byte: u8, events: &mut Vec<MllpEvent>) -> usize {
        let has_return = byte == CARRIAGE_RETURN;
        if !has_return {
            events.push(MllpEvent::MissingCarriageReturn { offset: self.offset });
        }
        self.offset += u64::from(has_return);
        self.state = State::Between { offset: self.offset, length: 0, blank: true };
        usize::from(has_return)
    }

    fn inside(&mut self, bytes: &[u8], offset: u64, events: &mut Vec<MllpEvent>) -> usize {
        let end = memchr2(START_BLOCK, END_BLOCK, bytes);
        let content = &bytes[..end.unwrap_or(bytes.len())];
        let room = self.max_frame - self.content.len();
        if content.len() > room {
            // The byte that passes the limit is noise already.
            self.content.extend_from_slice(&content[..room]);
            self.offset += room as u64;
            let content = self.take_beginning();
            events.push(MllpEvent::TooLarge { offset, length: self.offset - offset, content });
            self.state = State::Between { offset: self.offset, length: 0, blank: true };
            return room;
        }
        self.content.extend_from_slice(content);
        self.offset += content.len() as u64;
        match end.map(|at| bytes[at]) {
            None => content.len(),
            Some(START_BLOCK) => {
                self.unterminated(offset, events);
                self.begin();
                content.len() + 1
            }
            Some(_) => {
                let frame = Bytes::from(std::mem::take(&mut self.content));
                events.push(MllpEvent::Frame { offset, content: FrameBytes(frame) });
                self.offset += 1;
                self.state = State::AfterEnd;
                content.len() + 1
            }
        }
    }

    /// A VT has been seen.
    fn begin(&mut self) {
        self.state = State::Inside { offset: self.offset };
        self.offset += 1;
    }

    fn unterminated(&mut self, offset: u64, events: &mut Vec<MllpEvent>) {
        let content = self.take_beginning();
        events.push(MllpEvent::Unterminated { offset, length: self.offset - offset, content });
    }

    fn take_beginning(&mut self) -> FrameBytes {
        let mut content = std::mem::take(&mut self.content);
        content.truncate(KEPT_OF_BROKEN);
        content.shrink_to_fit();
        FrameBytes(Bytes::from(content))
    }
}

fn push_noise(offset: u64, length: u64, blank: bool, events: &mut Vec<MllpEvent>) {
    if length > 0 {
        events.push(MllpEvent::Noise { offset, length, blank });
    }
}

/// A message that cannot be framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message holds a VT or FS byte at position {position}, which would break the frame; escape it as \\X0B\\ or \\X1C\\")]
pub struct UnframableMessage {
    /// Position of the byte.
    pub position: usize,
}

/// Appends a message as a frame to `out`.
pub fn encode(message: &[u8], out: &mut Vec<u8>) -> Result<(), UnframableMessage> {
    if let Some(position) = memchr2(START_BLOCK, END_BLOCK, message) {
        return Err(UnframableMessage { position });
    }
    out.reserve(message.len() + 3);
    out.push(START_BLOCK);
    out.extend_from_slice(message);
    out.extend_from_slice(&[END_BLOCK, CARRIAGE_RETURN]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(portions: &[&[u8]], max_frame: usize) -> Vec<MllpEvent> {
        let (mut decoder, mut events) = (MllpDecoder::new(max_frame), Vec::new());
        for portion in portions {
            decoder.push(portion, &mut events);
        }
        decoder.finish(&mut events);
        events
    }

    fn content(bytes: &'static [u8]) -> FrameBytes {
        FrameBytes(Bytes::from_static(bytes))
    }

    #[test]
    fn frames_noise_and_their_offsets() {
        assert_eq!(
            decode(&[b"junk\x0bM1\x1c\r\r\n\x0bM2\x1c\r"], 10),
            [
                MllpEvent::Noise { offset: 0, length: 4, blank: false },
                MllpEvent::Frame { offset: 4, content: content(b"M1") },
                MllpEvent::Noise { offset: 9, length: 2, blank: true },
                MllpEvent::Frame { offset: 11, content: content(b"M2") },
            ]
        );
    }

    #[test]
    fn leniency_is_visible() {
        assert_eq!(
            decode(&[b"\x0bM1\x1c\x0bM2\x1c"], 10),
            [
                MllpEvent::Frame { offset: 0, content: content(b"M1") },
                MllpEvent::MissingCarriageReturn { offset: 4 },
                MllpEvent::Frame { offset: 4, content: content(b"M2") },
                MllpEvent::MissingCarriageReturn { offset: 8 },
            ]
        );
        assert_eq!(
            decode(&[b"\x0bM1\x0bM2\x1c\r\x0bM3"], 10),
            [
                MllpEvent::Unterminated { offset: 0, length: 3, content: content(b"M1") },
                MllpEvent::Frame { offset: 3, content: content(b"M2") },
                MllpEvent::Unterminated { offset: 8, length: 3, content: content(b"M3") },
            ]
        );
    }

    #[test]
    fn a_frame_is_out_before_its_carriage_return() {
        let (mut decoder, mut events) = (MllpDecoder::default(), Vec::new());
        decoder.push(b"\x0bM1\x1c", &mut events);
        assert_eq!(events.len(), 1);
        assert!(!decoder.is_inside_frame() && decoder.offset() == 4);
    }

    #[test]
    fn memory_is_bounded() {
        assert_eq!(
            decode(&[b"\x0b12345\x1c\r\x0b123456\x1c\r\x0b1\x1c\r"], 5),
            [
                MllpEvent::Frame { offset: 0, content: content(b"12345") },
                MllpEvent::TooLarge { offset: 8, length: 6, content: content(b"12345") },
                MllpEvent::Noise { offset: 14, length: 3, blank: false },
                MllpEvent::Frame { offset: 17, content: content(b"1") },
            ]
        );
        let (mut decoder, mut events) = (MllpDecoder::new(1 << 20), Vec::new());
        decoder.push(b"\x0b", &mut events);
        for _ in 0..1000 {
            decoder.push(&[b'x'; 8192], &mut events);
            assert!(decoder.content.capacity() <= 2 << 20);
        }
        let MllpEvent::TooLarge { content, .. } = &events[0] else { panic!() };
        assert_eq!((events.len(), content.len()), (1, KEPT_OF_BROKEN));
    }

    #[test]
    fn debug_shows_no_content() {
        let text = format!("{:?}", decode(&[b"\x0bSECRET\x1c\r"], 100));
        assert!(!text.contains("SECRET") && text.contains("6 bytes"));
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(START_BLOCK), Just(END_BLOCK), Just(b'\r'), Just(b'x'), any::<u8>()], 0..60)
    }

    proptest! {
        #[test]
        fn portions_never_change_the_events(bytes in stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4), max in 1usize..20) {
            let whole = decode(&[&bytes], max);
            let one_by_one: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(&decode(&one_by_one, max), &whole);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let starts = [0].into_iter().chain(cuts.iter().copied());
            let ends = cuts.iter().copied().chain([bytes.len()]);
            let portions: Vec<&[u8]> = starts.zip(ends).map(|(start, end)| &bytes[start..end]).collect();
            prop_assert_eq!(decode(&portions, max), whole);
        }

        #[test]
        fn every_byte_is_in_one_event(bytes in stream(), max in 1usize..20) {
            let mut next = 0;
            for event in decode(&[&bytes], max) {
                let (offset, length) = match event {
                    MllpEvent::Frame { offset, content } => {
                        let end = offset + content.len() as u64 + 2;
                        (offset, content.len() as u64 + 2 + u64::from(bytes.get(end as usize) == Some(&b'\r')))
                    }
                    MllpEvent::MissingCarriageReturn { offset } => (offset, 0),
                    MllpEvent::Unterminated { offset, length, .. } | MllpEvent::TooLarge { offset, length, .. } | MllpEvent::Noise { offset, length, .. } => (offset, length),
                };
                prop_assert_eq!(offset, next);
                next = offset + length;
            }
            prop_assert_eq!(next, bytes.len() as u64);
        }

        #[test]
        fn what_is_framed_comes_out(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5)) {
            let mut wire = Vec::new();
            let framed: Vec<_> = messages.into_iter().filter(|message| encode(message, &mut wire).is_ok()).collect();
            let frames: Vec<Vec<u8>> = decode(&[&wire], 100)
                .into_iter()
                .map(|event| match event {
                    MllpEvent::Frame { content, .. } => content.to_vec(),
                    other => panic!("{other:?}"),
                })
                .collect();
            prop_assert_eq!(frames, framed);
        }
    }
}
