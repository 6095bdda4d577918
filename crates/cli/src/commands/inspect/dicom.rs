//! A DICOM file: its elements as a tree, what the image is, and a picture of a frame.

mod elements;
mod json;
mod preview;

use std::io::{Read, Write};

use sutura_core::Finding;
use sutura_dicom::{
    DicomFile, Encoding, Limits, PixelCoding, Tag, TransferSyntax, dictionary,
    pixels::{PixelDescription, SampleKind},
};

use super::super::whole;
use crate::{
    args::InspectArgs,
    failure::{CLEAN, Failure, Outcome},
    output::{self, Console},
};

/// Bytes that are read of a file whose pixels are not looked at.
const HEADER_BYTES: usize = 64 << 20;
/// Bytes that are read of a file whose pixels are.
const WHOLE_BYTES: usize = 1 << 30;

/// Shows the file.
pub(super) fn run(args: &InspectArgs, input: Box<dyn Read>, reveal: bool, console: Console) -> Outcome {
    let file = &args.file;
    if args.message > 1 || args.control_id.is_some() {
        return Err(Failure::configuration(format!("{file}: this is one DICOM file; leave out --message and --control-id")));
    }
    let most = if args.preview.is_some() { WHOLE_BYTES } else { HEADER_BYTES };
    let (mut input, mut bytes) = (input, Vec::new());
    let mut read = |bytes: &mut Vec<u8>, most| whole::read_on(&mut input, bytes, most).map_err(|error| Failure::io(file, &error));
    let mut is_whole = read(&mut bytes, HEADER_BYTES)?;
    // The rest is read only of a file whose beginning is one: a gigabyte of nothing is none.
    if !is_whole
        && most > HEADER_BYTES
        && DicomFile::parse_beginning(bytes.clone(), &Limits { bytes: HEADER_BYTES, ..Limits::default() }).is_ok()
    {
        is_whole = read(&mut bytes, most)?;
    }
    let length = bytes.len();
    let size = if is_whole { format!("{length} bytes") } else { format!("more than {} MiB", length >> 20) };
    let limits = Limits { bytes: most, ..Limits::default() };
    let parsed = if is_whole { DicomFile::parse(bytes, &limits).map(Some) } else { DicomFile::parse_beginning(bytes, &limits) };
    let written = |error: std::io::Error| Failure::io("standard output", &error);
    let mut out = output::stdout();
    let parsed = match parsed {
        Ok(Some(parsed)) => parsed,
        Ok(None) => {
            let reason = format!("what stands before the pixel data is larger than {} MiB", most >> 20);
            return Err(Failure::failed(format!("{file}: {reason}")));
        }
        Err(error) => {
            let (code, offset, reason) = (error.kind.code(), error.offset, error.kind.to_string());
            if args.json {
                let tag = error.tag.map(|tag| tag.to_string());
                let rejected = serde_json::json!({ "rejected": { "code": code, "offset": offset, "tag": tag, "reason": reason } });
                writeln!(out, "{rejected}").map_err(written)?;
            } else {
                let at = error.tag.map(|tag| format!(", {tag}")).unwrap_or_default();
                writeln!(out, "DICOM file, {size}: rejected\n  ! error {code}: byte {offset}{at}: {reason}").map_err(written)?;
            }
            out.flush().map_err(written)?;
            return if args.preview.is_some() {
                Err(Failure::failed(format!("{file}: no preview of what cannot be read")))
            } else {
                Ok(CLEAN)
            };
        }
    };
    if args.json {
        json::write(&parsed, is_whole.then_some(length), reveal, &mut out).map_err(written)?;
    } else {
        tree(&parsed, &size, reveal, &mut out).map_err(written)?;
    }
    out.flush().map_err(written)?;
    if let Some(path) = &args.preview {
        preview::write(file, &parsed, args.frame as usize, path, reveal)?;
        console.note(&format!("frame {} is in {}", args.frame, path.display()));
    }
    Ok(CLEAN)
}

fn tree(file: &DicomFile, size: &str, reveal: bool, out: &mut dyn Write) -> std::io::Result<()> {
    let kind = sop_class(file).unwrap_or("SOP class unknown");
    writeln!(out, "DICOM file, {size}: {kind}")?;
    writeln!(out, "transfer syntax: {}", syntax_words(file.transfer_syntax()))?;
    match PixelDescription::of(file) {
        Ok(image) => writeln!(out, "image: {}", image_words(&image))?,
        Err(sutura_dicom::pixels::PixelError::Absent) => writeln!(out, "image: none")?,
        Err(error) => writeln!(out, "image: {error} [{}]", error.code())?,
    }
    if file.is_beginning() {
        writeln!(out, "only what stands before the pixel data was read")?;
    }
    for finding in file.findings().iter().chain(file.text_findings()) {
        writeln!(out, "! {}", finding_words(finding))?;
    }
    if !file.meta().is_empty() {
        writeln!(out, "\nfile meta information")?;
        elements::write(file.meta(), reveal, out)?;
    }
    writeln!(out, "\ndata set")?;
    elements::write(file.data_set(), reveal, out)
}

fn finding_words(finding: &Finding) -> String {
    let at = if finding.location.is_empty() { String::new() } else { format!("{}: ", finding.location) };
    format!("{} {}: {at}{}", finding.severity.as_str(), finding.code, finding.message)
}

/// The name of the SOP class, if it is one of the standard's storage classes.
fn sop_class(file: &DicomFile) -> Option<&'static str> {
    let uid = file.data_set().text(Tag(0x0008_0016)).or_else(|| file.meta().text(Tag(0x0002_0002)))?;
    dictionary::sop_class_name(&uid)
}

fn coding_words(coding: PixelCoding) -> &'static str {
    match coding {
        PixelCoding::Native => "native",
        PixelCoding::EncapsulatedUncompressed => "uncompressed in fragments",
        PixelCoding::DeflatedFrame => "deflated frames",
        PixelCoding::Rle => "RLE",
        PixelCoding::JpegBaseline => "JPEG baseline",
        PixelCoding::JpegExtended => "JPEG extended",
        PixelCoding::JpegLossless => "JPEG lossless",
        PixelCoding::JpegLs => "JPEG-LS",
        PixelCoding::Jpeg2000 => "JPEG 2000",
        PixelCoding::HtJpeg2000 => "HTJ2K",
        PixelCoding::JpegXl => "JPEG XL",
        PixelCoding::Video => "a video",
        PixelCoding::Referenced => "by reference to a server",
        _ => "unknown",
    }
}

fn encoding_words(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::ImplicitLittle => "implicit VR little endian",
        Encoding::ExplicitLittle => "explicit VR little endian",
        Encoding::ExplicitBig => "explicit VR big endian",
    }
}

/// Whether a UID is one of the standard's transfer syntaxes. Another text in its place may be anything.
fn syntax_uid(syntax: &TransferSyntax) -> &str {
    if syntax.uid.is_empty() {
        "not stated"
    } else if syntax.is_known() {
        &syntax.uid
    } else {
        "not one of the standard"
    }
}

fn syntax_words(syntax: &TransferSyntax) -> String {
    let deflated = if syntax.deflated { ", deflated" } else { "" };
    format!("{} ({}{deflated}; pixels {})", syntax_uid(syntax), encoding_words(syntax.encoding), coding_words(syntax.pixels))
}

fn image_words(image: &PixelDescription) -> String {
    let numbers = match image.kind {
        SampleKind::Integer => {
            format!("{} of {} bits, {}", image.bits_stored, image.bits_allocated, if image.signed { "signed" } else { "unsigned" })
        }
        SampleKind::Float => "32 bit floating point".to_owned(),
        SampleKind::Double => "64 bit floating point".to_owned(),
    };
    format!(
        "{} rows x {} columns, {}, {}, {numbers}, {}, {}",
        image.rows,
        image.columns,
        output::count(image.frames, "frame"),
        output::count(image.samples, "sample"),
        elements::code(&image.photometric).unwrap_or("photometric interpretation unknown"),
        coding_words(image.coding)
    )
}
