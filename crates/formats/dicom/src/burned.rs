//! Where devices burn text into their images: rules as data, and the regions that ultrasound images state themselves.

use std::sync::LazyLock;

use crate::{file::DicomFile, tag::Tag};

/// An area of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelBox {
    /// Column of the left edge, from 0.
    pub x: u32,
    /// Row of the upper edge, from 0.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// What one rule says of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covered {
    /// Name of the rule.
    pub name: &'static str,
    /// The areas that may hold text; parts of them may lie outside of the image.
    pub boxes: Vec<PixelBox>,
    /// Whether it is sure that there is no text elsewhere.
    pub is_sure: bool,
}

struct Rule {
    name: &'static str,
    modality: &'static str,
    manufacturer: &'static str,
    image_type: &'static str,
    series: &'static str,
    is_sure: bool,
    /// Hundredths of the image.
    areas: Vec<[u32; 4]>,
}

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let lines = include_str!("../data/burned_regions.tsv").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(parse).collect()
});

fn parse(line: &'static str) -> Option<Rule> {
    let mut fields = line.split('\t').map(|field| if field == "-" { "" } else { field });
    let mut next = || fields.next();
    let (name, modality, manufacturer, image_type, series) = (next()?, next()?, next()?, next()?, next()?);
    let is_sure = next()? == "yes";
    let area = |text: &str| {
        let numbers: Vec<u32> = text.split(',').filter_map(|number| number.trim().parse().ok()).collect();
        <[u32; 4]>::try_from(numbers).ok()
    };
    let areas = next()?.split(';').map(area).collect::<Option<Vec<_>>>()?;
    Some(Rule { name, modality, manufacturer, image_type, series, is_sure, areas })
}

/// The areas of an image of that size where its device writes, rule by rule.
pub fn regions(file: &DicomFile, columns: u32, rows: u32) -> Vec<Covered> {
    let data_set = file.data_set();
    let upper = |tag| data_set.text(Tag(tag)).unwrap_or_default().to_uppercase();
    let (modality, manufacturer, image_type) = (upper(0x0008_0060), upper(0x0008_0070), upper(0x0008_0008));
    // Either may name the page.
    let series = format!("{} {}", upper(0x0008_103E), upper(0x0018_1030));
    let stated = stated_regions(file, columns, rows);
    let mut covered: Vec<Covered> = RULES
        .iter()
        .filter(|rule| rule.modality.is_empty() || rule.modality == modality)
        .filter(|rule| manufacturer.contains(rule.manufacturer) && image_type.contains(rule.image_type) && series.contains(rule.series))
        .filter(|rule| rule.is_sure || stated.is_empty())
        .map(|rule| {
            let part = |hundredths: u32, whole: u32| (u64::from(hundredths) * u64::from(whole)).div_ceil(100) as u32;
            let boxes = rule.areas.iter().map(|[x, y, width, height]| PixelBox {
                x: part(*x, columns),
                y: part(*y, rows),
                width: part(*width, columns),
                height: part(*height, rows),
            });
            Covered { name: rule.name, boxes: boxes.collect(), is_sure: rule.is_sure }
        })
        .collect();
    // A slide's label is in the picture: name, number, barcode (PS3.3 C.8.12.8).
    if data_set.text(Tag(0x0048_0010)).as_deref() == Some("YES") {
        let whole = PixelBox { x: 0, y: 0, width: columns, height: rows };
        covered.push(Covered { name: "specimen-label", boxes: vec![whole], is_sure: true });
    }
    if !stated.is_empty() {
        covered.push(Covered { name: "us-outside-regions", boxes: outside(&stated, columns, rows), is_sure: false });
    }
    covered
}

/// Whether an image is of a kind that text is often written on: what says so itself, saved screens, and all but sections, counts, masks and doses.
pub fn may_hold_text(file: &DicomFile) -> bool {
    const BARE: [&str; 11] = ["CT", "MR", "PT", "NM", "SEG", "SM", "RTDOSE", "OPT", "IVOCT", "OAM", "REG"];
    let data_set = file.data_set();
    let text = |tag| data_set.text(Tag(tag)).unwrap_or_default();
    let sop_class = text(0x0008_0016);
    let is_saved_screen = sop_class.strip_prefix("1.2.840.10008.5.1.4.1.1.7").is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    text(0x0028_0301) == "YES" || is_saved_screen || !BARE.contains(&text(0x0008_0060).as_ref())
}

/// Sequence of Ultrasound Regions (0018,6011): where the image is; the corners belong to it (PS3.3 C.8.5.5).
fn stated_regions(file: &DicomFile, columns: u32, rows: u32) -> Vec<PixelBox> {
    // No real image has more than a handful.
    let items = file.data_set().items(Tag(0x0018_6011)).take(64);
    let regions = items.filter_map(|item| {
        let corner = |tag, end: u32| item.integer(Tag(tag)).and_then(|value| u32::try_from(value).ok()).map(|value| value.min(end));
        let (x0, y0) = (corner(0x0018_6018, columns)?, corner(0x0018_601A, rows)?);
        let (x1, y1) = (corner(0x0018_601C, columns.saturating_sub(1))?, corner(0x0018_601E, rows.saturating_sub(1))?);
        (x1 > x0 && y1 > y0).then(|| PixelBox { x: x0, y: y0, width: x1 - x0 + 1, height: y1 - y0 + 1 })
    });
    regions.collect()
}

/// What of an image is in none of the regions, as few boxes as bands of rows give.
fn outside(regions: &[PixelBox], columns: u32, rows: u32) -> Vec<PixelBox> {
    let mut edges: Vec<u32> = regions.iter().flat_map(|region| [region.y, region.y + region.height]).chain([0, rows]).collect();
    edges.retain(|edge| *edge <= rows);
    edges.sort_unstable();
    edges.dedup();
    let mut boxes: Vec<PixelBox> = Vec::new();
    for band in edges.windows(2) {
        let (y, height) = (band[0], band[1] - band[0]);
        let mut covered: Vec<(u32, u32)> = regions
            .iter()
            .filter(|region| region.y <= y && y < region.y + region.height)
            .map(|region| (region.x, (region.x + region.width).min(columns)))
            .collect();
        covered.sort_unstable();
        let mut from = 0;
        for (start, end) in covered.into_iter().chain([(columns, columns)]) {
            if start > from {
                boxes.push(PixelBox { x: from, y, width: start - from, height });
            }
            from = from.max(end);
        }
    }
    boxes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_read() {
        let lines = include_str!("../data/burned_regions.tsv").lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(RULES.len(), lines);
    }

    #[test]
    fn what_is_outside_of_regions_is_covered_once() {
        let region = |x, y, width, height| PixelBox { x, y, width, height };
        let regions = [region(10, 10, 20, 20), region(20, 15, 30, 40), region(0, 0, 5, 5)];
        let (columns, rows) = (60, 60);
        let boxes = outside(&regions, columns, rows);
        let is_in =
            |place: &PixelBox, x: u32, y: u32| place.x <= x && x < place.x + place.width && place.y <= y && y < place.y + place.height;
        for (x, y) in (0..columns).flat_map(|x| (0..rows).map(move |y| (x, y))) {
            let inside = regions.iter().any(|region| is_in(region, x, y));
            assert_eq!(boxes.iter().filter(|place| is_in(place, x, y)).count(), usize::from(!inside), "{x} {y}");
        }
    }
}
