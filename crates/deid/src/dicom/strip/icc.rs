//! Colour profiles (ISO 15076-1): written anew with what colours are computed from. Descriptions, makers, serial numbers, dates and private tags go.

/// What colours are computed from.
const COLOUR: [&[u8; 4]; 21] = [
    b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"wtpt", b"bkpt", b"chad", b"lumi", b"A2B0", b"A2B1", b"A2B2", b"B2A0",
    b"B2A1", b"B2A2", b"gamt", b"pre0", b"pre1", b"pre2",
];
const CLASSES: [&[u8; 4]; 7] = [b"scnr", b"mntr", b"prtr", b"link", b"spac", b"abst", b"nmcl"];
const SPACES: [&[u8; 4]; 12] = [b"XYZ ", b"Lab ", b"Luv ", b"YCbr", b"Yxy ", b"RGB ", b"GRAY", b"HSV ", b"HLS ", b"CMYK", b"CMY ", b"3CLR"];
/// Tags of a profile; real ones have about twenty.
const MOST_TAGS: usize = 100;

/// The profile anew; `None` where it is none, or colours cannot be computed from what is understood of it.
pub(super) fn anew(profile: &[u8]) -> Option<Vec<u8>> {
    let header = profile.first_chunk::<128>()?;
    let four = |at: usize| profile.get(at..at + 4).and_then(|four| <[u8; 4]>::try_from(four).ok());
    let number = |at: usize| four(at).map(|four| u32::from_be_bytes(four) as usize);
    let (class, space, connection) = (four(12)?, four(16)?, four(20)?);
    if !CLASSES.contains(&&class) || !SPACES.contains(&&space) || !SPACES.contains(&&connection) || &header[36..40] != b"acsp" {
        return None;
    }
    let is_fourth = header[8] >= 4;
    let mut tags: Vec<([u8; 4], Vec<u8>)> = vec![(*b"desc", description(is_fourth)), (*b"cprt", copyright(is_fourth))];
    for place in 0..number(128)?.min(MOST_TAGS) {
        let at = 132 + 12 * place;
        let (name, offset, length) = (four(at)?, number(at + 4)?, number(at + 8)?);
        if !COLOUR.contains(&&name) || tags.iter().any(|(known, _)| *known == name) {
            continue;
        }
        if let Some(data) = profile.get(offset..offset.checked_add(length)?).and_then(numbers) {
            tags.push((name, data));
        }
    }
    let has = |name: &[u8; 4]| tags.iter().any(|(known, _)| known == name);
    let is_matrix = [b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"].into_iter().all(has);
    if !is_matrix && !has(b"A2B0") && !has(b"kTRC") {
        return None;
    }
    let mut out = vec![0; 128];
    out[8..10].copy_from_slice(&header[8..10]);
    out[12..24].copy_from_slice(&header[12..24]);
    // A date has to be there, and the white of the connection space.
    out[24..36].copy_from_slice(&[7, 0xD0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
    out[36..40].copy_from_slice(b"acsp");
    out[67] = header[67] & 3;
    out[68..80].copy_from_slice(&[0, 0, 0xF6, 0xD6, 0, 1, 0, 0, 0, 0, 0xD3, 0x2D]);
    out.extend((tags.len() as u32).to_be_bytes());
    let table = out.len();
    out.resize(table + 12 * tags.len(), 0);
    let mut written: Vec<(usize, usize)> = Vec::with_capacity(tags.len());
    for (place, (name, data)) in tags.iter().enumerate() {
        // The same curve for all colours is there once.
        let same = tags[..place].iter().position(|(_, other)| other == data);
        let (offset, length) = same.map_or((out.len(), data.len()), |same| written[same]);
        if same.is_none() {
            out.extend_from_slice(data);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        written.push((offset, length));
        let entry = table + 12 * place;
        out[entry..entry + 4].copy_from_slice(name);
        out[entry + 4..entry + 8].copy_from_slice(&u32::try_from(offset).ok()?.to_be_bytes());
        out[entry + 8..entry + 12].copy_from_slice(&u32::try_from(length).ok()?.to_be_bytes());
    }
    let length = u32::try_from(out.len()).ok()?;
    out[..4].copy_from_slice(&length.to_be_bytes());
    Some(out)
}

/// The data of a tag, if it is of a type whose length is known, and no longer than that.
fn numbers(data: &[u8]) -> Option<Vec<u8>> {
    let wide = |at: usize| data.get(at..at + 2).map(|two| usize::from(u16::from_be_bytes([two[0], two[1]])));
    let length = match data.first_chunk::<4>()? {
        b"XYZ " => 20,
        b"sf32" => 44,
        b"curv" => 12 + 2 * u32::from_be_bytes(*data.get(8..12)?.first_chunk()?) as usize,
        b"para" => 12 + 4 * [1, 3, 4, 5, 7].get(wide(8)?)?,
        kind @ (b"mft1" | b"mft2") => {
            let (inputs, outputs, points) = (usize::from(*data.get(8)?), usize::from(*data.get(9)?), usize::from(*data.get(10)?));
            let grid = points.checked_pow(u32::try_from(inputs).ok()?)?.checked_mul(outputs)?;
            if grid > data.len() {
                return None;
            }
            if kind == b"mft1" {
                48 + 256 * inputs + grid + 256 * outputs
            } else {
                52 + 2 * (wide(48)? * inputs + grid + wide(50)? * outputs)
            }
        }
        _ => return None,
    };
    let mut out = data.get(..length)?.to_vec();
    out[4..8].fill(0);
    Some(out)
}

fn description(is_fourth: bool) -> Vec<u8> {
    if is_fourth {
        return localized();
    }
    let mut out = b"desc\0\0\0\0\0\0\0\x04ICC\0".to_vec();
    out.resize(out.len() + 4 + 4 + 2 + 1 + 67, 0);
    out
}

fn copyright(is_fourth: bool) -> Vec<u8> {
    if is_fourth { localized() } else { b"text\0\0\0\0-\0".to_vec() }
}

fn localized() -> Vec<u8> {
    b"mluc\0\0\0\0\0\0\0\x01\0\0\0\x0cenUS\0\0\0\x06\0\0\0\x1c\0I\0C\0C".to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(text: &[u8]) -> Vec<u8> {
        let mut out = vec![0; 128];
        out[8] = 2;
        out[12..24].copy_from_slice(b"scnrRGB XYZ ");
        out[36..40].copy_from_slice(b"acsp");
        out[48..52].copy_from_slice(&text[..4]);
        let curve = [b"curv\0\0\0\0\0\0\0\x01\x01\x80", text].concat();
        let point = [b"XYZ \0\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0", text].concat();
        let told = [b"desc\0\0\0\0\0\0\0\x20", text].concat();
        let tags: [(&[u8; 4], &[u8]); 8] = [
            (b"desc", &told),
            (b"rXYZ", &point),
            (b"gXYZ", &point),
            (b"bXYZ", &point),
            (b"rTRC", &curve),
            (b"gTRC", &curve),
            (b"bTRC", &curve),
            (b"priv", text),
        ];
        out.extend((tags.len() as u32).to_be_bytes());
        let mut at = 132 + 12 * tags.len();
        for (name, data) in tags {
            out.extend_from_slice(name);
            out.extend((at as u32).to_be_bytes());
            out.extend((data.len() as u32).to_be_bytes());
            at += data.len();
        }
        for (_, data) in tags {
            out.extend_from_slice(data);
        }
        out
    }

    #[test]
    fn colours_stay_and_texts_go() {
        let text = b"SCANNER OF KOWALEWSKA";
        let out = anew(&profile(text)).unwrap();
        assert!(!out.windows(4).any(|window| window == b"SCAN" || window == b"WALE"));
        assert!(out.windows(14).any(|window| window == b"curv\0\0\0\0\0\0\0\x01\x01\x80"));
        assert_eq!(anew(&out).as_deref(), Some(&out[..]), "once is enough");
        assert_eq!(anew(b"no profile at all"), None);
        assert_eq!(anew(&profile(text)[..200]), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_end_well(place in 0usize..400, value: u8, length in 0usize..500) {
            let mut bytes = profile(b"text");
            let end = bytes.len();
            bytes[place % end] = value;
            let _ = anew(&bytes);
            let _ = anew(&bytes[..length.min(end)]);
        }
    }
}
