//! Instances and listeners for the tests.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use sutura_dicom::dimse::meta_information;
use sutura_stream::{
    StopToken,
    dicom::{
        listener::{Listener, ListenerConfig, Received, Snapshot},
        sender::{SendReport, Sender, SenderConfig},
    },
};

pub const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
pub const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// An element, explicit little endian.
pub fn element(tag: u32, vr: &str, value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    if value.len() % 2 == 1 {
        value.push(if vr == "UI" { 0 } else { b' ' });
    }
    let mut out = Vec::new();
    out.extend(((tag >> 16) as u16).to_le_bytes());
    out.extend((tag as u16).to_le_bytes());
    out.extend(vr.bytes());
    if matches!(vr, "OW" | "OB") {
        out.extend([0, 0]);
        out.extend((value.len() as u32).to_le_bytes());
    } else {
        out.extend((value.len() as u16).to_le_bytes());
    }
    out.extend(value);
    out
}

/// A data set of a CT image with so many bytes of pixels.
pub fn data_set(instance: &str, name: &str, pixels: usize) -> Vec<u8> {
    let mut out = element(0x0008_0016, "UI", CT.as_bytes());
    out.extend(element(0x0008_0018, "UI", instance.as_bytes()));
    out.extend(element(0x0010_0010, "PN", name.as_bytes()));
    out.extend(element(0x0020_000D, "UI", b"1.2.3.4"));
    out.extend(element(0x0020_000E, "UI", b"1.2.3.4.5"));
    let bytes: Vec<u8> = (0..pixels).map(|at| (at * 7) as u8).collect();
    out.extend(element(0x7FE0_0010, "OW", &bytes));
    out
}

pub fn file(instance: &str, name: &str, pixels: usize) -> Vec<u8> {
    let mut out = meta_information(CT, instance, EXPLICIT, "TEST", "TEST");
    out.extend(data_set(instance, name, pixels));
    out
}

/// So many files of different sizes in a folder.
pub fn files(folder: &Path, count: usize) {
    fs::create_dir_all(folder).unwrap();
    for number in 0..count {
        fs::write(folder.join(format!("{number:04}.dcm")), file(&format!("1.2.3.4.5.{number}"), "DOE^JANE", 1000 * number)).unwrap();
    }
}

pub fn config(folder: &Path) -> ListenerConfig {
    ListenerConfig {
        folder: folder.to_owned(),
        address: "127.0.0.1:0".to_owned(),
        called_ae_titles: vec!["SUTURA".to_owned()],
        calling_ae_titles: vec!["SENDER".to_owned()],
        min_free_bytes: 0,
        max_log_bytes: 32 << 20,
        stop_grace_s: 2,
        ..ListenerConfig::default()
    }
}

/// A listener that runs.
pub struct Running {
    pub port: u16,
    pub folder: PathBuf,
    stop: StopToken,
    thread: Option<thread::JoinHandle<Snapshot>>,
}

impl Running {
    pub fn start(config: ListenerConfig) -> Self {
        Self::start_with(config, |listener| listener)
    }

    pub fn start_with(config: ListenerConfig, with: impl FnOnce(Listener) -> Listener) -> Self {
        let folder = config.folder.clone();
        let listener = with(Listener::bind(config).unwrap());
        let (port, stop) = (listener.address().port(), StopToken::new());
        let thread = thread::spawn({
            let stop = stop.clone();
            move || listener.run(&stop).unwrap()
        });
        Self { port, folder, stop, thread: Some(thread) }
    }

    pub fn stop(&mut self) -> Snapshot {
        let begun = Instant::now();
        self.stop.stop();
        let counts = self.thread.take().unwrap().join().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10), "stopping took {:?}", begun.elapsed());
        counts
    }

    pub fn sender(&self, paths: &[&Path]) -> SenderConfig {
        SenderConfig {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            called_ae_title: "SUTURA".to_owned(),
            calling_ae_title: "SENDER".to_owned(),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            retries: 1,
            retry_wait_s: 0,
            ..SenderConfig::default()
        }
    }

    pub fn journal(&self) -> Vec<Received> {
        lines(&self.folder.join("received.ndjson"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

pub fn lines(path: &Path) -> Vec<Received> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn send(config: SenderConfig) -> SendReport {
    Sender::new(config).unwrap().run(&StopToken::new()).unwrap()
}

/// The data set of a file, behind its meta information.
pub fn behind_meta(bytes: &[u8]) -> &[u8] {
    let length = u32::from_le_bytes(bytes[140..144].try_into().unwrap()) as usize;
    &bytes[144 + length..]
}
