//! Connected pixels of at least some brightness.

use super::TextBox;

/// Connected pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blob {
    pub(super) bounds: TextBox,
    pub(super) pixels: usize,
}

/// A run of bright pixels in a row.
struct Run {
    start: usize,
    end: usize,
    blob: u32,
}

/// The connected components of pixels at or above a level; pixels that touch at a corner are connected.
pub(super) fn blobs(rows: usize, columns: usize, values: &[u8], level: u8) -> Vec<Blob> {
    let mut found: Vec<Blob> = Vec::new();
    let mut parents: Vec<u32> = Vec::new();
    let (mut above, mut here): (Vec<Run>, Vec<Run>) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let line = &values[row * columns..(row + 1) * columns];
        here.clear();
        let mut at = 0;
        let mut first_above = 0;
        while let Some(start) = line[at..].iter().position(|value| *value >= level).map(|offset| at + offset) {
            let end = line[start..].iter().position(|value| *value < level).map_or(columns, |offset| start + offset);
            at = end;
            while above.get(first_above).is_some_and(|run| run.end < start) {
                first_above += 1;
            }
            let mut blob: Option<u32> = None;
            // Runs of the row above that touch it, at a corner too.
            for run in above[first_above..].iter().take_while(|run| run.start <= end) {
                let other = root(&mut parents, run.blob);
                match blob {
                    None => blob = Some(other),
                    Some(own) if own != other => {
                        let (low, high) = (own.min(other), own.max(other));
                        parents[high as usize] = low;
                        let gone = found[high as usize];
                        let kept = &mut found[low as usize];
                        kept.bounds = kept.bounds.joined(&gone.bounds);
                        kept.pixels += gone.pixels;
                        blob = Some(low);
                    }
                    Some(_) => {}
                }
            }
            let bounds = TextBox { top: row, left: start, bottom: row + 1, right: end };
            let number = if let Some(number) = blob {
                let kept = &mut found[number as usize];
                kept.bounds = kept.bounds.joined(&bounds);
                kept.pixels += end - start;
                number
            } else {
                parents.push(found.len() as u32);
                found.push(Blob { bounds, pixels: end - start });
                found.len() as u32 - 1
            };
            here.push(Run { start, end, blob: number });
            if at >= columns {
                break;
            }
        }
        std::mem::swap(&mut above, &mut here);
    }
    found
        .into_iter()
        .zip(parents)
        .enumerate()
        .filter(|(number, (_, parent))| *number == *parent as usize)
        .map(|(_, (blob, _))| blob)
        .collect()
}

fn root(parents: &mut [u32], mut number: u32) -> u32 {
    while parents[number as usize] != number {
        // Each step halves the way for those that come after.
        parents[number as usize] = parents[parents[number as usize] as usize];
        number = parents[number as usize];
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_connect_and_branches_meet() {
        #[rustfmt::skip]
        let values = [
            9, 0, 9, 0, 0,
            0, 9, 0, 0, 9,
            9, 0, 9, 0, 9,
        ];
        let mut sizes: Vec<usize> = blobs(3, 5, &values, 9).iter().map(|blob| blob.pixels).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [2, 5]);
    }
}
