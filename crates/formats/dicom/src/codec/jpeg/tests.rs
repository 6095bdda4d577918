use super::*;

#[test]
fn what_is_no_jpeg_is_said() {
    let shape = Shape { rows: 8, columns: 8, samples: 1 };
    assert_eq!(decode(b"", shape).err(), Some(PixelError::Damaged));
    assert_eq!(decode(b"\xff\xd8\xff\xd9", shape).err(), Some(PixelError::Damaged));
    let other_size = b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x10\x00\x10\x01\x01\x11\x00";
    assert_eq!(decode(other_size, shape).err(), Some(PixelError::Mismatch));
    let arithmetic = b"\xff\xd8\xff\xc9\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00";
    assert_eq!(decode(arithmetic, shape).err(), Some(PixelError::Unsupported));
    let huge = Shape { rows: 65535, columns: 65535, samples: 3 };
    assert_eq!(decode(b"\xff\xd8\xff\xd9", huge).err(), Some(PixelError::TooLarge));
}
