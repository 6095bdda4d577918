use std::io::Write;

use super::*;

/// One file of a tar archive: its header and content.
fn entry(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len().min(100)].copy_from_slice(&name.as_bytes()[..name.len().min(100)]);
    header[100..107].copy_from_slice(b"0000644");
    header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    header[156] = kind;
    header[257..263].copy_from_slice(b"ustar\0");
    header[263..265].copy_from_slice(b"00");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut out = header.to_vec();
    out.extend(content);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

/// The checksum of a header that was changed.
fn sum(entry: &mut [u8]) {
    entry[148..156].fill(b' ');
    let sum: u32 = entry[..512].iter().map(|byte| u32::from(*byte)).sum();
    entry[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn tgz(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut tar = entries.concat();
    tar.extend([0; 1024]);
    gz(&tar)
}

fn value_set(url: &str) -> Vec<u8> {
    format!(r#"{{"resourceType":"ValueSet","url":"{url}","expansion":{{"contains":[{{"system":"s","code":"a"}}]}}}}"#).into_bytes()
}

const MANIFEST: &[u8] = br#"{"name":"example.pack","version":"1.2.0","fhirVersions":["4.0.1"],
    "dependencies":{"hl7.fhir.r4.core":"4.0.1","example.base":"2.0.0"}}"#;

fn load(archive: &[u8], limits: PackageLimits) -> (ProfileStore, Result<(), PackageError>) {
    let mut store = ProfileStore::new();
    let result = store.load_package(archive, limits);
    (store, result)
}

fn error(archive: &[u8], limits: PackageLimits) -> PackageError {
    load(archive, limits).1.unwrap_err()
}

#[test]
fn a_package_as_registries_give_it() {
    let long = format!("package/{}.json", "n".repeat(120));
    let pax = |path: &str| {
        let line = format!(" path={path}\n");
        let length = line.len() + 3;
        entry("PaxHeader", b'x', format!("{length}{line}").as_bytes())
    };
    // The folder may stand in a field of its own.
    let mut prefixed = entry("ValueSet-prefix.json", b'0', &value_set("http://prefix"));
    prefixed[345..352].copy_from_slice(b"package");
    sum(&mut prefixed);
    let archive = tgz(&[
        entry("package/", b'5', b""),
        entry("package/package.json", b'0', MANIFEST),
        entry("package/.index.json", b'0', b"no json at all"),
        entry("package/ValueSet-a.json", b'0', &value_set("http://a")),
        entry("package/notes.txt", b'0', b"text"),
        entry("package/example/Patient-x.json", b'0', b"not read"),
        entry("./package/ValueSet-dot.json", 0, &value_set("http://dot")),
        pax(&long),
        entry("package/cut-name.json", b'0', &value_set("http://pax")),
        entry("././@LongLink", b'L', format!("{long}\0").as_bytes()),
        entry("package/cut-name", b'0', &value_set("http://gnu")),
        prefixed,
        entry("package/link.json", b'2', b""),
    ]);
    let (store, result) = load(&archive, PackageLimits::default());
    result.unwrap();
    for url in ["http://a", "http://dot", "http://pax", "http://gnu"] {
        assert!(store.value_set(url).is_some(), "{url}");
    }
    assert!(store.value_set("http://prefix").is_some());
    let package = &store.packages()[0];
    assert_eq!((package.name.as_str(), package.version.as_str()), ("example.pack", "1.2.0"));
    assert_eq!(package.fhir_versions, ["4.0.1"]);
    assert_eq!(store.missing_packages(), ["example.base 2.0.0"]);
    let mut both = ProfileStore::over(std::sync::Arc::new(store));
    both.load_package(archive.as_slice(), PackageLimits::default()).unwrap();
    assert_eq!(both.missing_packages(), ["example.base 2.0.0"]);
    let base = tgz(&[entry("package/package.json", b'0', br#"{"name":"example.base","version":"2.0.0"}"#)]);
    both.load_package(base.as_slice(), PackageLimits::default()).unwrap();
    assert_eq!(both.missing_packages(), Vec::<String>::new());
}

#[test]
fn links_are_told_and_deep_files_are_not_called_broken() {
    let archive = tgz(&[
        entry("package/real.json", b'0', &value_set("http://a")),
        entry("package/hard.json", b'1', b""),
        entry("package/soft.json", b'2', b""),
    ]);
    let (store, result) = load(&archive, PackageLimits::default());
    result.unwrap();
    let problems = store.problems();
    assert!(problems.len() == 1 && problems[0].to_string().contains("links are not followed (2 of them)"), "{problems:?}");

    let deep = format!(
        r#"{{"resourceType":"CodeSystem","url":"http://c","concept":{}{}}}"#,
        r#"[{"concept":"#.repeat(200),
        "[]".to_owned() + &"}]".repeat(200)
    );
    let told = error(&tgz(&[entry("package/deep.json", b'0', deep.as_bytes())]), PackageLimits::default());
    assert!(matches!(told, PackageError::TooDeep { .. }) && told.to_string().contains("deep.json"), "{told}");

    #[cfg(unix)]
    {
        let folder = std::env::temp_dir().join(format!("sutura-links-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink("/nowhere", folder.join("linked.json")).unwrap();
        let mut store = ProfileStore::new();
        let loaded = store.load(&folder);
        std::fs::remove_dir_all(&folder).unwrap();
        loaded.unwrap();
        assert!(store.problems()[0].what.contains("(1 of them)"), "{:?}", store.problems());
    }
}

#[test]
fn a_broken_file_is_named_with_its_place() {
    let archive = tgz(&[entry("package/good.json", b'0', &value_set("http://a")), entry("package/bad.json", b'0', b"{\n \"a\": }")]);
    let (store, result) = load(&archive, PackageLimits::default());
    let told = result.unwrap_err().to_string();
    assert!(told.contains("bad.json") && told.contains("line 2"), "{told}");
    // What came before it is there.
    assert!(store.value_set("http://a").is_some());
}

#[test]
fn damaged_archives_are_errors() {
    let whole = [entry("package/a.json", b'0', &value_set("http://a")), vec![0; 1024]].concat();
    for cut in [100, 511, 600] {
        assert!(matches!(error(&gz(&whole[..cut]), PackageLimits::default()), PackageError::Archive { .. }), "cut at {cut}");
    }
    let packed = gz(&whole);
    assert!(matches!(error(&packed[..packed.len() / 2], PackageLimits::default()), PackageError::Archive { .. }));
    assert!(matches!(error(&gz(b""), PackageLimits::default()), PackageError::Archive { .. }));
    assert!(matches!(error(b"no gzip at all", PackageLimits::default()), PackageError::Io { .. }));
    let mut wrong_sum = whole.clone();
    wrong_sum[0] ^= 1;
    assert!(matches!(error(&gz(&wrong_sum), PackageLimits::default()), PackageError::Archive { offset: 0, .. }));
}

#[test]
fn sizes_are_limited_before_they_are_believed() {
    // A header that claims 8 GB over a few bytes.
    let mut claim = entry("package/a.json", b'0', b"{}");
    claim[124..135].copy_from_slice(b"77777777777");
    sum(&mut claim);
    assert!(matches!(error(&gz(&claim), PackageLimits::default()), PackageError::TooLarge { .. }));
    // Zeros pack a thousandfold.
    let bomb = tgz(&[entry("package/bomb.json", b'0', &vec![b' '; 4 << 20])]);
    assert!(bomb.len() < 64 << 10);
    let small = PackageLimits { file_bytes: 1 << 20, ..PackageLimits::default() };
    assert!(matches!(error(&bomb, small), PackageError::TooLarge { file, what: "bytes of a file" } if file == "bomb.json"));
    // So do empty arrays, which take ten times as much as values.
    let arrays = tgz(&[entry("package/arrays.json", b'0', format!("[{}[]]", "[],".repeat(4 << 20)).as_bytes())]);
    assert!(
        matches!(error(&arrays, PackageLimits::default()), PackageError::TooLarge { file, what: "values of a file" } if file == "arrays.json")
    );
    // Text is none.
    let text = format!(r#"{{"resourceType":"ValueSet","url":"http://x","description":"\\\"{}"}}"#, "[{,".repeat(4 << 20));
    assert!(load(&tgz(&[entry("package/text.json", b'0', text.as_bytes())]), PackageLimits::default()).1.is_ok());
    let outside = tgz(&[entry("docs/bomb.html", b'0', &vec![b' '; 4 << 20])]);
    let all = PackageLimits { bytes: 1 << 20, ..PackageLimits::default() };
    assert!(matches!(error(&outside, all), PackageError::TooLarge { what: "bytes in all", .. }));
    let many = tgz(&(0..20).map(|number| entry(&format!("docs/{number}"), b'0', b"")).collect::<Vec<_>>());
    let few = PackageLimits { files: 10, ..PackageLimits::default() };
    assert!(matches!(error(&many, few), PackageError::TooLarge { what: "files", .. }));
}

#[test]
fn names_that_lead_out_are_refused() {
    for name in ["../x.json", "package/../../x.json", "/etc/x.json", "package\\..\\x.json"] {
        assert!(matches!(error(&tgz(&[entry(name, b'0', b"{}")]), PackageLimits::default()), PackageError::Name { .. }), "{name}");
    }
}

#[test]
fn folders_and_single_files() {
    let root = std::env::temp_dir().join(format!("sutura-fhir-package-{}", std::process::id()));
    let inner = root.join("deep/er");
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::write(root.join("package.json"), MANIFEST).unwrap();
    std::fs::write(inner.join("a.json"), [b"\xEF\xBB\xBF".as_slice(), &value_set("http://a")].concat()).unwrap();
    std::fs::write(inner.join("readme.md"), "no json").unwrap();
    let mut store = ProfileStore::new();
    store.load(&root).unwrap();
    assert!(store.value_set("http://a").is_some());
    assert_eq!(store.packages().len(), 1);
    let packed = root.join("one.json.gz");
    std::fs::write(&packed, gz(&value_set("http://packed"))).unwrap();
    store.load(&packed).unwrap();
    assert!(store.value_set("http://packed").is_some());
    let tight = PackageLimits { file_bytes: 20, ..PackageLimits::default() };
    assert!(matches!(store.load_with(&packed, tight), Err(PackageError::TooLarge { .. })));
    std::fs::write(inner.join("broken.json"), "{").unwrap();
    let told = store.load(&root).unwrap_err().to_string();
    assert!(told.contains("broken.json"), "{told}");
    assert!(matches!(store.load(&root.join("none.tgz")), Err(PackageError::Io { file, .. }) if file == "none.tgz"));
    let few = PackageLimits { files: 1, ..PackageLimits::default() };
    assert!(matches!(store.load_with(&root, few), Err(PackageError::TooLarge { what: "files", .. })));
    std::fs::remove_dir_all(&root).unwrap();
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, ..Default::default() })]
    #[test]
    fn no_archive_makes_it_panic(mut tar in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..2048), at in 0..400_usize, byte: u8) {
        let _ = load(&gz(&tar), PackageLimits::default());
        let _ = load(&tar, PackageLimits::default());
        // A sound header with one wrong byte, and a sum that fits it.
        let mut one = entry("package/a.json", b'x', b"12 path=ab\n");
        one[at] = byte;
        sum(&mut one);
        tar.splice(..0, one);
        let _ = load(&gz(&tar), PackageLimits { file_bytes: 1 << 20, bytes: 1 << 20, files: 100, ..PackageLimits::default() });
    }
}
