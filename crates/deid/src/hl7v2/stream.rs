//! Messages of a stream of any length, as the reader frames them: bare, in MLLP frames, in batches and files of batches.

use std::{
    io::Write,
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
};

use sutura_core::{BlockDecoder, Decoded, DecodedSink, DecoderSpec, FormatError};
use sutura_hl7v2::{Decoder, MessageTap, RawMessage, Refusal};

use super::Hl7v2Deidentifier;
use crate::{
    error::DeidError,
    ledger::Ledger,
    stream::{BLOCK, Records, Refused, Rewind, StreamDeidentifier, Streamed, read_some},
};

impl StreamDeidentifier for Hl7v2Deidentifier {
    /// Envelopes of batches are left out: they name sender and time.
    fn deidentify_stream(
        &self,
        input: &mut dyn Rewind,
        output: &mut dyn Write,
        ledger: &mut Ledger,
        refused: &mut dyn FnMut(Refused),
    ) -> Result<Streamed, DeidError> {
        let spec =
            DecoderSpec { source: "".into(), start: 0, end: None, options: serde_json::Value::Null, requests: Vec::new(), batch_rows: 1 };
        let framed = Arc::<Mutex<Framed>>::default();
        let failed = |_: FormatError| DeidError::NotRead { format: "HL7 v2 file", reason: "the reader refuses to begin" };
        let mut decoder = Decoder::with_tap(spec, Box::new(Tap(Arc::clone(&framed)))).map_err(failed)?;
        let mut records = Records { deidentifier: self, output, ledger, refused, done: Streamed::default(), buffer: Vec::new() };
        let mut unread = Unread::default();
        loop {
            let mut block = vec![0; BLOCK];
            let read = read_some(input, &mut block)?;
            records.done.bytes_in += read as u64;
            block.truncate(read);
            let pushed =
                if read == 0 { decoder.finish(&mut unread).map(|_| ()) } else { decoder.push(block.into(), &mut unread).map(|_| ()) };
            pushed.map_err(failed)?;
            framed.lock().unwrap_or_else(PoisonError::into_inner).take(&mut records)?;
            for refused in unread.0.drain(..) {
                records.done.records += 1;
                records.refuse(refused.code, refused.offset, refused.reason);
            }
            if read == 0 {
                return Ok(records.done);
            }
        }
    }
}

/// The messages that a block ended.
#[derive(Default)]
struct Framed {
    bytes: Vec<u8>,
    /// Offset in the source, and where the message ends here.
    messages: Vec<(u64, usize)>,
}

impl Framed {
    fn take(&mut self, records: &mut Records<'_>) -> Result<(), DeidError> {
        let mut start = 0;
        for (offset, end) in self.messages.drain(..) {
            records.take(&self.bytes[start..end], offset)?;
            start = end;
        }
        self.bytes.clear();
        // What one large message took is given back.
        self.bytes.shrink_to(4 * BLOCK);
        Ok(())
    }
}

/// The reader keeps its tap for itself, so that what it hands over goes by way of a shared buffer.
struct Tap(Arc<Mutex<Framed>>);

impl MessageTap for Tap {
    fn take(&mut self, message: &RawMessage<'_>, _: &mut dyn DecodedSink) -> Result<Option<Refusal>, FormatError> {
        let mut framed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        framed.bytes.extend_from_slice(message.raw);
        let end = framed.bytes.len();
        framed.messages.push((message.offset, end));
        Ok(None)
    }

    fn finish(&mut self, _: &mut dyn DecodedSink) -> Result<(), FormatError> {
        Ok(())
    }
}

/// What the reader cannot read.
#[derive(Default)]
struct Unread(Vec<Refused>);

impl DecodedSink for Unread {
    fn take(&mut self, decoded: Decoded) -> ControlFlow<()> {
        if let Decoded::Reject(reject) = decoded {
            self.0.push(Refused { offset: reject.id.offset, code: reject.code, reason: reject.reason });
        }
        ControlFlow::Continue(())
    }
}
