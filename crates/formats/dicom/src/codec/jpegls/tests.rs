use proptest::prelude::*;

use super::*;

fn words(decoded: Decoded) -> Vec<u16> {
    match decoded.values {
        Values::Bytes(bytes) => bytes.into_iter().map(u16::from).collect(),
        Values::Words(words) => words,
        Values::Wide(_) => Vec::new(),
    }
}

/// Flat parts, slopes and noise.
fn image() -> impl Strategy<Value = (Shape, u32, Vec<u16>)> {
    (1usize..24, 1usize..40, prop_oneof![Just(1usize), Just(3), Just(4)], 2u32..=16, any::<u64>(), 0u32..4).prop_map(
        |(rows, columns, samples, precision, seed, kind)| {
            let shape = Shape { rows, columns, samples };
            let mut state = seed | 1;
            let mut random = move || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state
            };
            let most = (1u64 << precision) - 1;
            let values = (0..shape.count()).map(|place| {
                let value = match kind {
                    0 => random(),
                    1 => random() % 3 * most / 2,
                    2 => (place as u64 / samples as u64 % columns as u64) + random() % 2,
                    _ => u64::from(random() % 29 == 0) * random(),
                };
                (value % (most + 1)) as u16
            });
            (shape, precision, values.collect())
        },
    )
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded((shape, precision, values) in image()) {
        let coded = encode(&values, shape, precision).unwrap();
        let decoded = decode(&coded, shape).unwrap();
        prop_assert_eq!(decoded.precision, precision);
        prop_assert_eq!(words(decoded), values);
    }

    #[test]
    fn what_is_changed_ends_well((shape, precision, values) in image(), places in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4), end: usize) {
        let mut coded = encode(&values, shape, precision).unwrap();
        for (place, byte) in places {
            let place = place % coded.len();
            coded[place] = byte;
        }
        let _ = decode(&coded, shape);
        coded.truncate(end % coded.len());
        let _ = decode(&coded, shape);
    }

    #[test]
    fn any_bytes_end_well(bytes: Vec<u8>, near in 0u8..4, mode in 0u8..3) {
        let shape = Shape { rows: 5, columns: 9, samples: 3 };
        let mut coded = b"\xff\xd8\xff\xf7\x00\x11\x08\x00\x05\x00\x09\x03\x01\x11\x00\x02\x11\x00\x03\x11\x00".to_vec();
        if mode == 0 {
            coded.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, near, 0, 0]);
        } else {
            coded.extend([0xFF, 0xDA, 0, 12, 3, 1, 0, 2, 0, 3, 0, near, mode, 0]);
        }
        coded.extend(bytes);
        let _ = decode(&coded, shape);
    }
}

/// The example of T.87 annex H.3: 4 lines of 4 samples of 8 bits.
#[test]
fn the_standards_example_is_decoded() {
    let coded = b"\xff\xd8\xff\xf7\x00\x0b\x08\x00\x04\x00\x04\x01\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00\
        \xc0\x00\x00\x6c\x80\x20\x8e\x01\xc0\x00\x00\x57\x40\x00\x00\x6e\xe6\x00\x00\x01\xbc\x18\x00\x00\x05\xd8\x00\x00\x91\x60\xff\xd9";
    let shape = Shape { rows: 4, columns: 4, samples: 1 };
    let wanted = [0, 0, 90, 74, 68, 50, 43, 205, 64, 145, 145, 145, 100, 145, 145, 145];
    assert_eq!(words(decode(coded, shape).unwrap()), wanted);
    assert_eq!(encode(&wanted, shape, 8).unwrap(), coded);
}
