//! Dividing files among workers: whole files, and byte ranges of large ones.

use std::sync::Arc;

use crate::files::{Compression, SourceFile};

/// A piece of work: a file, or a byte range of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) file: Arc<SourceFile>,
    /// Position of the file in its list.
    pub(crate) index: usize,
    /// `None` for the whole file.
    pub(crate) range: Option<(u64, u64)>,
}

impl Unit {
    /// Bytes of work.
    pub(crate) fn size(&self) -> u64 {
        self.range.map_or(self.file.size, |(start, end)| end - start)
    }
}

/// The units of work, in order of file and offset. Files that can be split are cut so that no unit is much larger than
/// a quarter of a worker's fair share, but never below `min_range` bytes.
pub(crate) fn units(files: &[Arc<SourceFile>], splittable: bool, workers: usize, min_range: u64) -> Vec<Unit> {
    let workers = workers.max(1) as u64;
    let total: u64 = files.iter().map(|file| file.size).sum();
    let most = (total / workers / 4).max(min_range).max(1);
    let mut units = Vec::with_capacity(files.len());
    for (index, file) in files.iter().enumerate() {
        let pieces = if splittable && workers > 1 && file.compression == Compression::None { file.size.div_ceil(most).max(1) } else { 1 };
        for piece in 0..pieces {
            let at = |piece: u64| (u128::from(file.size) * u128::from(piece) / u128::from(pieces)) as u64;
            let range = (pieces > 1).then(|| (at(piece), at(piece + 1)));
            units.push(Unit { file: Arc::clone(file), index, range });
        }
    }
    units
}

/// Units in at most `workers` groups of about the same size: the largest first, each to the emptiest group.
pub(crate) fn groups(mut units: Vec<Unit>, workers: usize) -> Vec<Vec<Unit>> {
    let count = workers.clamp(1, units.len().max(1));
    let order = |unit: &Unit| (unit.index, unit.range.map_or(0, |(start, _)| start));
    units.sort_by_key(|unit| (std::cmp::Reverse(unit.size()), order(unit)));
    let mut groups: Vec<(u64, Vec<Unit>)> = vec![(0, Vec::new()); count];
    for unit in units {
        // An empty file is work too.
        if let Some(group) = groups.iter_mut().min_by_key(|(size, members)| (*size, members.len())) {
            group.0 += unit.size();
            group.1.push(unit);
        }
    }
    let mut groups: Vec<Vec<Unit>> = groups.into_iter().map(|(_, members)| members).filter(|members| !members.is_empty()).collect();
    for members in &mut groups {
        members.sort_by_key(order);
    }
    groups
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use datafusion::execution::object_store::ObjectStoreUrl;

    use super::*;

    fn file(size: u64, compression: Compression) -> Arc<SourceFile> {
        Arc::new(SourceFile {
            uri: "file:///x".into(),
            store: ObjectStoreUrl::local_filesystem(),
            local: None,
            key: "x".into(),
            size,
            modified: DateTime::UNIX_EPOCH,
            etag: None,
            compression,
        })
    }

    #[test]
    fn every_byte_is_in_one_unit_and_groups_are_even() {
        let files = [file(1000, Compression::None), file(0, Compression::None), file(3000, Compression::Gzip), file(77, Compression::None)];
        let units = units(&files, true, 4, 100);
        for (index, file) in files.iter().enumerate() {
            let mut at = 0;
            for unit in units.iter().filter(|unit| unit.index == index) {
                let (start, end) = unit.range.unwrap_or((0, file.size));
                assert_eq!(start, at);
                at = end;
            }
            assert_eq!(at, file.size);
        }
        assert_eq!(units.iter().filter(|unit| unit.index == 2).count(), 1, "packed files stay whole");
        let groups = groups(units.clone(), 4);
        assert_eq!(groups.len(), 4);
        assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), units.len());
        let sizes: Vec<u64> = groups.iter().map(|group| group.iter().map(Unit::size).sum()).collect();
        assert_eq!(sizes.iter().max(), Some(&3000));
        assert!(super::groups(Vec::new(), 4).is_empty());
    }
}
