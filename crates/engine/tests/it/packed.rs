//! Packed files as they come: whole, of several parts, cut, damaged, with something behind them, and bombs.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use sutura_engine::{
    Engine, EngineOptions,
    pass::{PassOptions, SharedPass, SourceSpec},
};

use crate::{hl7v2::feed, read::text};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn zstandard(bytes: &[u8]) -> Vec<u8> {
    let mut packed = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    packed.include_checksum(true).unwrap();
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// Offset and length of every message.
async fn places(engine: &Engine, path: &Path) -> Vec<String> {
    let table = text(engine, &format!("select _offset, _length from read_hl7v2('{}') order by 1", path.display())).await;
    table.lines().filter(|line| line.starts_with("| ") && !line.contains('_')).map(str::to_owned).collect()
}

/// The codes of the rejects, and whether the account balances.
async fn rejects(path: &Path) -> Vec<String> {
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let pass = SharedPass::new(&engine, vec![SourceSpec::new("feed", "hl7v2", path.to_str().unwrap())]).await.unwrap();
    let report = pass.run::<()>(Vec::new(), PassOptions::default()).await.unwrap();
    assert!(report.balances(), "{}", path.display());
    report.files[0].stats.rejects_by_code.iter().flat_map(|(code, count)| std::iter::repeat_n(code.clone(), *count as usize)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_packed_is_read_as_far_as_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain.hl7");
    // Without envelope and junk: every reject below comes of the packing.
    let messages = feed(400).replace("THIS IS NOT|A MESSAGE\r\n\r\n", "");
    let start = messages.find("MSH").unwrap();
    let messages = &messages[start..messages.find("BTS|").unwrap()];
    fs::write(&plain, messages).unwrap();
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let whole = places(&engine, &plain).await;
    assert_eq!(whole.len(), 400);

    for (end, pack) in [("gz", gzip as fn(&[u8]) -> Vec<u8>), ("zst", zstandard)] {
        let packed = pack(messages.as_bytes());
        let write = |name: &str, bytes: &[u8]| -> PathBuf {
            let path = folder.path().join(format!("{name}.hl7.{end}"));
            fs::write(&path, bytes).unwrap();
            path
        };
        let path = write("whole", &packed);
        assert_eq!((places(&engine, &path).await, rejects(&path).await), (whole.clone(), vec![]), "{end}");
        let parts: Vec<u8> = messages.as_bytes().chunks(7001).flat_map(pack).collect();
        let path = write("parts", &parts);
        assert_eq!((places(&engine, &path).await, rejects(&path).await), (whole.clone(), vec![]), "{end}");

        // What follows is no part of it; what came before is whole.
        let path = write("behind", &[&packed[..], b"and this is not packed"].concat());
        assert_eq!((places(&engine, &path).await, rejects(&path).await), (whole.clone(), vec!["damaged-compression".to_owned()]), "{end}");

        // Cut: the last message may be half of one, and is not taken for a message.
        for share in [2, 3, 5] {
            let path = write("cut", &packed[..packed.len() - packed.len() / share]);
            let found = places(&engine, &path).await;
            assert!(found.len() < 400 && found == whole[..found.len()], "{end}: a part of a message passed for a message");
            let codes = rejects(&path).await;
            let known = codes == ["cut-off", "damaged-compression"] || (found.is_empty() && codes == ["damaged-compression"]);
            assert!(known, "{end}: {codes:?}");
        }
        // A checksum that does not fit is told even where all bytes could be unpacked.
        let mut wrong = packed.clone();
        let at = wrong.len() - if end == "gz" { 8 } else { 4 };
        wrong[at] ^= 0x55;
        let path = write("checksum", &wrong);
        assert!(rejects(&path).await.contains(&"damaged-compression".to_owned()), "{end}");
        for (name, bytes) in [("empty", &b""[..]), ("start", &packed[..5]), ("other", messages.as_bytes())] {
            let path = write(name, bytes);
            assert_eq!(rejects(&path).await, ["damaged-compression"], "{end} {name}");
        }
    }
}

/// A small file that unpacks to a large one is read in bounded memory: one reject.
#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_is_one_reject() {
    let folder = tempfile::tempdir().unwrap();
    let block = vec![b'A'; 1 << 20];
    let path = folder.path().join("bomb.hl7.zst");
    let mut packed = zstd::stream::write::Encoder::new(fs::File::create(&path).unwrap(), 1).unwrap();
    for _ in 0..200 {
        packed.write_all(&block).unwrap();
    }
    packed.finish().unwrap();
    assert!(fs::metadata(&path).unwrap().len() < 1 << 20);
    assert_eq!(rejects(&path).await, ["record-too-large"]);
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let found = text(&engine, &format!("select _length from rejects('{}')", path.display())).await;
    assert!(found.contains("209715200"), "{found}");
}
