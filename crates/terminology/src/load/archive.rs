//! Just enough of tar (in gzip) and ZIP to read terminology out of them.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::{
    Crc,
    read::{DeflateDecoder, MultiGzDecoder},
};

use super::{Limits, read_error};
use crate::error::{Result, TerminologyError};

fn wrong(what: &'static str, place: impl Into<String>, reason: &str) -> TerminologyError {
    TerminologyError::Format { what, place: place.into(), reason: reason.to_owned() }
}

/// Gives every plain file of a `.tgz` to `take`, with its name.
pub(super) fn each_tar_file(archive: impl Read, limits: &Limits, mut take: impl FnMut(&str, &[u8]) -> Result<()>) -> Result<()> {
    const BLOCK: u64 = 512;
    let mut input = BufReader::new(MultiGzDecoder::new(archive)).take(limits.total_bytes);
    let mut at: u64 = 0;
    let mut long_name: Option<String> = None;
    loop {
        let mut header = [0_u8; BLOCK as usize];
        match read_full(&mut input, &mut header).map_err(|error| read_error("the package", &error))? {
            0 => return Ok(()),
            read if read < header.len() => return Err(wrong("the package", format!("byte {at}"), "it ends inside a header")),
            _ => {}
        }
        if header.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let sum: u64 = header.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) }).sum();
        if octal(&header[148..156]) != Some(sum) {
            return Err(wrong("the package", format!("byte {at}"), "it is not a tar archive in gzip"));
        }
        let size = octal(&header[124..136]).ok_or_else(|| wrong("the package", format!("byte {at}"), "a file in it has no size"))?;
        at += BLOCK + size.next_multiple_of(BLOCK);
        let kind = header[156];
        let is_file = matches!(kind, b'0' | 0);
        // A long name stands in a record of its own before its file.
        let is_name = matches!(kind, b'x' | b'L');
        if !is_file && !is_name {
            skip(&mut input, size.next_multiple_of(BLOCK)).map_err(|error| read_error("the package", &error))?;
            continue;
        }
        if size > limits.resource_bytes {
            return Err(TerminologyError::Limit { what: "bytes of one file in the package", limit: limits.resource_bytes });
        }
        let mut bytes = Vec::new();
        input.by_ref().take(size).read_to_end(&mut bytes).map_err(|error| read_error("the package", &error))?;
        if (bytes.len() as u64) < size {
            return Err(wrong("the package", format!("byte {at}"), "it ends inside a file, or is larger than the limit"));
        }
        skip(&mut input, size.next_multiple_of(BLOCK) - size).map_err(|error| read_error("the package", &error))?;
        if is_name {
            long_name = pax_name(kind, &bytes);
            continue;
        }
        let short = String::from_utf8_lossy(header[..100].split(|byte| *byte == 0).next().unwrap_or_default());
        let name = long_name.take().unwrap_or_else(|| short.into_owned());
        take(&name, &bytes)?;
    }
}

fn pax_name(kind: u8, bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    if kind == b'L' {
        return Some(text.trim_end_matches('\0').to_owned());
    }
    text.lines().find_map(|line| line.split_once(' ')?.1.strip_prefix("path=").map(str::to_owned))
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(|c: char| c == '\0' || c == ' ');
    u64::from_str_radix(text, 8).ok().filter(|number| *number < 1 << 50)
}

fn skip(input: &mut impl Read, bytes: u64) -> io::Result<()> {
    io::copy(&mut input.take(bytes), &mut io::sink()).map(|_| ())
}

fn read_full(input: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match input.read(&mut into[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A file in a ZIP archive.
#[derive(Debug, Clone)]
pub(super) struct ZipFile {
    pub(super) name: String,
    method: u16,
    packed: u64,
    unpacked: u64,
    crc: u32,
    at: u64,
}

const ZIP: &str = "the ZIP archive";

fn short(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)))
}

fn int(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// The files of a ZIP archive, from its directory at the end.
pub(super) fn zip_files(archive: &mut (impl Read + Seek)) -> Result<Vec<ZipFile>> {
    const TAIL: u64 = 22 + 65_535 + 20;
    const LARGEST_DIRECTORY: u64 = 16 << 20;
    let io_error = |error: io::Error| read_error(ZIP, &error);
    let not_zip = || wrong(ZIP, "its end", "it is not a ZIP archive, or it is cut");
    let length = archive.seek(SeekFrom::End(0)).map_err(io_error)?;
    let tail_at = length.saturating_sub(TAIL);
    archive.seek(SeekFrom::Start(tail_at)).map_err(io_error)?;
    let mut tail = Vec::new();
    archive.take(TAIL).read_to_end(&mut tail).map_err(io_error)?;
    let end = memchr::memmem::rfind(&tail, b"PK\x05\x06").ok_or_else(not_zip)?;
    let mut directory = (int(&tail, end + 12).ok_or_else(not_zip)?, int(&tail, end + 16).ok_or_else(not_zip)?);
    // Archives beyond 4 GiB say where the larger numbers are.
    if directory.1 == u64::from(u32::MAX)
        && let Some(locator) = end.checked_sub(20).filter(|at| tail[*at..].starts_with(b"PK\x06\x07"))
    {
        let at = long(&tail, locator + 8).ok_or_else(not_zip)?;
        archive.seek(SeekFrom::Start(at)).map_err(io_error)?;
        let mut record = [0_u8; 56];
        read_full(archive, &mut record).map_err(io_error)?;
        if !record.starts_with(b"PK\x06\x06") {
            return Err(not_zip());
        }
        directory = (long(&record, 40).ok_or_else(not_zip)?, long(&record, 48).ok_or_else(not_zip)?);
    }
    if directory.0 > LARGEST_DIRECTORY || directory.1.saturating_add(directory.0) > length {
        return Err(not_zip());
    }
    archive.seek(SeekFrom::Start(directory.1)).map_err(io_error)?;
    let mut bytes = Vec::new();
    archive.take(directory.0).read_to_end(&mut bytes).map_err(io_error)?;
    let mut files = Vec::new();
    let mut rest = bytes.as_slice();
    while rest.starts_with(b"PK\x01\x02") {
        let (file, used) = directory_entry(rest).ok_or_else(not_zip)?;
        files.push(file);
        rest = rest.get(used..).unwrap_or_default();
    }
    Ok(files)
}

fn directory_entry(bytes: &[u8]) -> Option<(ZipFile, usize)> {
    const FIXED: usize = 46;
    let (name, extra, comment) = (short(bytes, 28)? as usize, short(bytes, 30)? as usize, short(bytes, 32)? as usize);
    let mut file = ZipFile {
        name: String::from_utf8_lossy(bytes.get(FIXED..FIXED + name)?).into_owned(),
        method: short(bytes, 10)? as u16,
        packed: int(bytes, 20)?,
        unpacked: int(bytes, 24)?,
        crc: int(bytes, 16)? as u32,
        at: int(bytes, 42)?,
    };
    let mut fields = bytes.get(FIXED + name..FIXED + name + extra)?;
    while let (Some(id), Some(size)) = (short(fields, 0), short(fields, 2)) {
        let body = fields.get(4..4 + size as usize)?;
        if id == 1 {
            // Only the numbers that did not fit are here, in this order.
            let mut wide = body.chunks_exact(8).map(|number| long(number, 0).unwrap_or(0));
            for number in [&mut file.unpacked, &mut file.packed, &mut file.at] {
                if *number == u64::from(u32::MAX) {
                    *number = wide.next()?;
                }
            }
        }
        fields = fields.get(4 + size as usize..)?;
    }
    Some((file, FIXED + name + extra + comment))
}

/// Reads a file of a ZIP archive to `take`, and checks at the end that all of it was there.
pub(super) fn read_zip_file<A: Read + Seek, T>(
    archive: &mut A,
    file: &ZipFile,
    limits: &Limits,
    take: impl FnOnce(&mut dyn Read) -> Result<T>,
) -> Result<T> {
    const STORED: u16 = 0;
    const DEFLATED: u16 = 8;
    let io_error = |error: io::Error| read_error(file.name.clone(), &error);
    if file.unpacked > limits.total_bytes {
        return Err(TerminologyError::Limit { what: "bytes of one file in the archive", limit: limits.total_bytes });
    }
    archive.seek(SeekFrom::Start(file.at)).map_err(io_error)?;
    let mut header = [0_u8; 30];
    read_full(archive, &mut header).map_err(io_error)?;
    let behind = short(&header, 26).zip(short(&header, 28)).filter(|_| header.starts_with(b"PK\x03\x04"));
    let (name, extra) = behind.ok_or_else(|| wrong(ZIP, file.name.clone(), "the file is not where the directory says"))?;
    archive.seek(SeekFrom::Current((name + extra) as i64)).map_err(io_error)?;
    let packed = archive.take(file.packed);
    let unpacked: Box<dyn Read + '_> = match file.method {
        STORED => Box::new(packed),
        DEFLATED => Box::new(DeflateDecoder::new(BufReader::new(packed))),
        _ => return Err(wrong(ZIP, file.name.clone(), "it is packed by a method other than deflate: pack it again")),
    };
    let mut checked = Checked { inner: unpacked.take(file.unpacked.saturating_add(1)), crc: Crc::new(), bytes: 0 };
    let result = take(&mut checked)?;
    io::copy(&mut checked, &mut io::sink()).map_err(io_error)?;
    if checked.bytes != file.unpacked || checked.crc.sum() != file.crc {
        return Err(wrong(ZIP, file.name.clone(), "the file is damaged: its length or checksum is wrong"));
    }
    Ok(result)
}

struct Checked<R> {
    inner: R,
    crc: Crc,
    bytes: u64,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.crc.update(&into[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder},
    };

    use super::*;
    use crate::Terminology;

    /// A ZIP archive with those files, packed.
    pub(in crate::load) fn zip(files: &[(&str, &str)]) -> Vec<u8> {
        let (mut out, mut directory) = (Vec::new(), Vec::new());
        for (name, text) in files {
            let mut crc = Crc::new();
            crc.update(text.as_bytes());
            let mut packer = DeflateEncoder::new(Vec::new(), Compression::fast());
            packer.write_all(text.as_bytes()).unwrap();
            let packed = packer.finish().unwrap();
            let at = out.len() as u32;
            let mut common = vec![20, 0, 0, 0, 8, 0, 0, 0, 0, 0];
            common.extend(crc.sum().to_le_bytes());
            common.extend((packed.len() as u32).to_le_bytes());
            common.extend((text.len() as u32).to_le_bytes());
            common.extend((name.len() as u16).to_le_bytes());
            common.extend([0, 0]);
            out.extend(b"PK\x03\x04");
            out.extend(&common);
            out.extend(name.as_bytes());
            out.extend(&packed);
            directory.extend(b"PK\x01\x02\x14\0");
            directory.extend(&common);
            directory.extend([0; 10]);
            directory.extend(at.to_le_bytes());
            directory.extend(name.as_bytes());
        }
        let at = out.len() as u32;
        out.extend(&directory);
        out.extend(b"PK\x05\x06\0\0\0\0");
        out.extend((files.len() as u16).to_le_bytes());
        out.extend((files.len() as u16).to_le_bytes());
        out.extend((directory.len() as u32).to_le_bytes());
        out.extend(at.to_le_bytes());
        out.extend([0, 0]);
        out
    }

    /// A FHIR package with those files.
    pub(in crate::load) fn tgz(files: &[(&str, &str)]) -> Vec<u8> {
        let mut tar = Vec::new();
        for (name, text) in files {
            let mut header = [0_u8; 512];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[124..135].copy_from_slice(format!("{:011o}", text.len()).as_bytes());
            header[156] = b'0';
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
            tar.extend(header);
            tar.extend(text.as_bytes());
            tar.resize(tar.len().next_multiple_of(512), 0);
        }
        tar.extend([0; 1024]);
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(&tar).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn a_zip_archive_is_read_and_damage_is_seen() {
        let mut bytes = zip(&[("a.csv", "hello hello hello"), ("b.csv", "")]);
        let read = |bytes: &[u8]| {
            let mut archive = io::Cursor::new(bytes);
            let files = zip_files(&mut archive)?;
            let mut text = String::new();
            read_zip_file(&mut archive, &files[0], &Limits::default(), |input| {
                input.read_to_string(&mut text).map_err(|error| read_error("a", &error))
            })?;
            Ok::<_, TerminologyError>(text)
        };
        assert_eq!(read(&bytes).unwrap(), "hello hello hello");
        assert!(read(&bytes[..bytes.len() - 30]).is_err());
        bytes[37] ^= 0x10;
        assert!(read(&bytes).is_err());
        assert!(zip_files(&mut io::Cursor::new(b"")).is_err());
    }

    #[test]
    fn a_package_is_read() {
        let system = r#"{"resourceType":"CodeSystem","url":"urn:p","concept":[{"code":"x"}]}"#;
        let bytes = tgz(&[
            ("package/package.json", "{}"),
            ("package/CodeSystem-p.json", system),
            ("package/example/CodeSystem-q.json", "{"),
            ("package/a.txt", "?"),
        ]);
        let mut all = Terminology::empty();
        assert_eq!(all.load_fhir_package(bytes.as_slice(), &Limits::default()).unwrap().code_systems, 1);
        assert!(all.load_fhir_package(&bytes[..60], &Limits::default()).is_err());
        assert!(all.load_fhir_package(b"PK".as_slice(), &Limits::default()).is_err());
        let small = Limits { total_bytes: 1500, ..Limits::default() };
        assert!(all.load_fhir_package(bytes.as_slice(), &small).is_err());
    }
}
