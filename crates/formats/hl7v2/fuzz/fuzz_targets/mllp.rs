//! However a stream is cut, the events are the same and cover every byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_hl7v2::mllp::{MllpDecoder, MllpEvent};

fn decode<'a>(portions: impl Iterator<Item = &'a [u8]>, max_frame: usize) -> Vec<MllpEvent> {
    let (mut decoder, mut events) = (MllpDecoder::new(max_frame), Vec::new());
    portions.for_each(|portion| decoder.push(portion, &mut events));
    decoder.finish(&mut events);
    events
}

fuzz_target!(|data: &[u8]| {
    let Some((&[cut, max_frame], stream)) = data.split_first_chunk::<2>() else { return };
    let max_frame = usize::from(max_frame) + 1;
    let whole = decode(std::iter::once(stream), max_frame);
    assert_eq!(decode(stream.chunks(usize::from(cut) + 1), max_frame), whole);
    let mut next = 0;
    for event in &whole {
        let (offset, length) = match event {
            MllpEvent::Frame { offset, content } => {
                let end = offset + content.len() as u64 + 2;
                (*offset, end - offset + u64::from(stream.get(end as usize) == Some(&b'\r')))
            }
            MllpEvent::MissingCarriageReturn { offset } => (*offset, 0),
            MllpEvent::Unterminated { offset, length, .. } | MllpEvent::TooLarge { offset, length, .. } | MllpEvent::Noise { offset, length, .. } => {
                (*offset, *length)
            }
        };
        assert_eq!(offset, next);
        next = offset + length;
    }
    assert_eq!(next, stream.len() as u64);
});
