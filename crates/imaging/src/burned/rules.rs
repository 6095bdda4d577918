//! Where a device writes: rules by maker and model, and what an ultrasound image says of itself.

use serde::{Deserialize, Serialize};
use sutura_dicom::{DataSet, DicomFile, Tag};

use super::TextBox;

/// A rule: images of that kind have text in those areas. What is left out fits any.
///
/// Words are compared without case and may be a part of the attribute's value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceRule {
    /// Modality (0008,0060).
    pub modality: Option<String>,
    /// Manufacturer (0008,0070).
    pub manufacturer: Option<String>,
    /// Manufacturer's Model Name (0008,1090).
    pub model: Option<String>,
    /// A value of Image Type (0008,0008): `SECONDARY`.
    pub image_type: Option<String>,
    /// Rows (0028,0010).
    pub rows: Option<usize>,
    /// Columns (0028,0011).
    pub columns: Option<usize>,
    /// The areas.
    pub boxes: Vec<TextBox>,
}

impl DeviceRule {
    /// Whether the rule is for images like this.
    pub fn fits(&self, file: &DicomFile) -> bool {
        let data_set = file.data_set();
        let word = |wanted: &Option<String>, tag: u32| {
            wanted
                .as_ref()
                .is_none_or(|wanted| data_set.text(Tag(tag)).is_some_and(|text| text.to_lowercase().contains(&wanted.to_lowercase())))
        };
        let number = |wanted: Option<usize>, tag: u32| {
            wanted.is_none_or(|wanted| data_set.integer(Tag(tag)).is_some_and(|number| usize::try_from(number) == Ok(wanted)))
        };
        word(&self.modality, 0x0008_0060)
            && word(&self.manufacturer, 0x0008_0070)
            && word(&self.model, 0x0008_1090)
            && word(&self.image_type, 0x0008_0008)
            && number(self.rows, 0x0028_0010)
            && number(self.columns, 0x0028_0011)
    }

    /// The areas of all rules that fit a file.
    pub fn boxes_of(rules: &[DeviceRule], file: &DicomFile) -> Vec<TextBox> {
        rules.iter().filter(|rule| rule.fits(file)).flat_map(|rule| rule.boxes.iter().copied()).collect()
    }
}

/// The margins of an ultrasound image: what lies above, below, left and right of all regions that the device says have image in them (PS3.3 C.8.5.5, Sequence
/// of Ultrasound Regions). There it writes names and settings. None where it names no region.
pub fn outside_ultrasound_regions(file: &DicomFile) -> Vec<TextBox> {
    let data_set = file.data_set();
    let size = |tag: u32| data_set.integer(Tag(tag)).and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
    let (rows, columns) = (size(0x0028_0010), size(0x0028_0011));
    let regions = data_set.items(Tag(0x0018_6011)).filter_map(|item| region(&item, rows, columns));
    let Some(all) = regions.reduce(|all, region| all.joined(&region)) else { return Vec::new() };
    [
        TextBox { top: 0, left: 0, bottom: all.top, right: columns },
        TextBox { top: all.bottom, left: 0, bottom: rows, right: columns },
        TextBox { top: all.top, left: 0, bottom: all.bottom, right: all.left },
        TextBox { top: all.top, left: all.right, bottom: all.bottom, right: columns },
    ]
    .into_iter()
    .filter(|margin| margin.area() > 0)
    .collect()
}

fn region(item: &DataSet<'_>, rows: usize, columns: usize) -> Option<TextBox> {
    let place = |tag: u32| item.integer(Tag(tag)).and_then(|place| usize::try_from(place).ok());
    let (left, top) = (place(0x0018_6018)?, place(0x0018_601A)?);
    let (right, bottom) = (place(0x0018_601C)?, place(0x0018_601E)?);
    let region = TextBox { top, left, bottom: bottom.saturating_add(1).min(rows), right: right.saturating_add(1).min(columns) };
    (region.area() > 0).then_some(region)
}
