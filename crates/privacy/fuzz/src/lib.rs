//! What the targets here and those of sutura-deid share.

/// The input that bytes stand for: bytes that begin with a letter or sign as they are, others a document with edits. So a short input reaches
/// as deep as a long one.
pub fn document(seeds: &[&str], data: &[u8]) -> Vec<u8> {
    let Some((&choice, mut rest)) = data.split_first() else { return Vec::new() };
    if choice >= b' ' || seeds.is_empty() {
        return data.to_vec();
    }
    let mut document = seeds[usize::from(choice >> 1) % seeds.len()].as_bytes().to_vec();
    // An edit: a place, how many bytes go, how many come.
    while let [high, low, gone, come, tail @ ..] = rest {
        let place = usize::from(u16::from_be_bytes([*high, *low])) % (document.len() + 1);
        let end = (place + usize::from(*gone)).min(document.len());
        let (new, tail) = tail.split_at(usize::from(*come).min(tail.len()));
        document.splice(place..end, new.iter().copied());
        rest = tail;
    }
    document
}
