//! Settings of a sender, and how it connects.

use std::{
    io,
    net::{TcpStream, ToSocketAddrs},
    path::PathBuf,
    sync::Arc,
};

use rustls::{ClientConfig, pki_types::ServerName};
use serde::{Deserialize, Serialize};
use sutura_dicom::dimse::{DimseError, Request, is_ae_title};

use crate::{
    connection::{Connection, Patience},
    dicom::seconds,
    error::StreamError,
    stop::StopToken,
    tls::ClientTls,
};

/// Settings of a sender. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SenderConfig {
    /// Host name or address of the receiver. No default.
    pub host: String,
    /// Its port. Default 104, the one registered for DICOM; 2762 with TLS is set by hand.
    pub port: u16,
    /// AE title of the receiver. No default.
    pub called_ae_title: String,
    /// Our AE title. Default `SUTURA`.
    pub calling_ae_title: String,
    /// Files and folders. Folders are read with everything in them; links to folders are not followed.
    pub paths: Vec<PathBuf>,
    /// TLS. Default none: DICOM without TLS is not encrypted.
    pub tls: Option<ClientTls>,
    /// File that remembers what was sent, so that another run skips it. It holds paths, not content. Default none.
    pub state_file: Option<PathBuf>,
    /// Associations at the same time, 1 to 32. Default 1.
    pub associations: usize,
    /// Bytes of a PDU that we take, 4,096 to 4 MiB. Default 256 KiB.
    pub max_pdu_bytes: u32,
    /// How often a file is tried again after a failure that may pass. Default 5.
    pub retries: u32,
    /// Seconds before the first other try; each wait is twice the one before, at most 60. Default 1.
    pub retry_wait_s: u64,
    /// Seconds for a connection. Default 10.
    pub connect_timeout_s: u64,
    /// Seconds without a byte before an association is given up. Default 60.
    pub idle_timeout_s: u64,
    /// Seconds for one instance and its answer. Default 600.
    pub object_timeout_s: u64,
    /// Seconds that the file under way may take once the program stops. Default 10.
    pub stop_grace_s: u64,
}

impl Default for SenderConfig {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 104,
            called_ae_title: String::new(),
            calling_ae_title: "SUTURA".to_owned(),
            paths: Vec::new(),
            tls: None,
            state_file: None,
            associations: 1,
            max_pdu_bytes: 256 << 10,
            retries: 5,
            retry_wait_s: 1,
            connect_timeout_s: 10,
            idle_timeout_s: 60,
            object_timeout_s: 600,
            stop_grace_s: 10,
        }
    }
}

/// Where to connect to, and how.
pub(super) struct Target {
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl SenderConfig {
    pub(super) fn target(&self) -> Result<Target, StreamError> {
        if self.host.is_empty() {
            return Err(StreamError::setting("host", "is missing; say where to send to"));
        }
        for (key, title) in [("called_ae_title", &self.called_ae_title), ("calling_ae_title", &self.calling_ae_title)] {
            if !is_ae_title(title) {
                return Err(StreamError::setting(key, "has to be 1 to 16 printable ASCII characters without backslash"));
            }
        }
        let in_range = [
            ("associations", self.associations as u64, 1, 32),
            ("max_pdu_bytes", u64::from(self.max_pdu_bytes), 4096, 4 << 20),
            ("retries", u64::from(self.retries), 0, 1000),
            ("retry_wait_s", self.retry_wait_s, 0, 3600),
            ("connect_timeout_s", self.connect_timeout_s, 1, 86_400),
            ("idle_timeout_s", self.idle_timeout_s, 1, 86_400),
            ("object_timeout_s", self.object_timeout_s, 1, 86_400),
            ("stop_grace_s", self.stop_grace_s, 0, 86_400),
        ];
        for (key, value, least, most) in in_range {
            if !(least..=most).contains(&value) {
                return Err(StreamError::setting(key, format!("must be between {least} and {most}")));
            }
        }
        let tls = self.tls.as_ref().map(|tls| Ok::<_, StreamError>((tls.config()?, tls.name(&self.host)?))).transpose()?;
        Ok(Target { tls })
    }

    pub(super) fn request<'t>(&'t self, contexts: Vec<(&'t str, &'t [&'t str])>) -> Request<'t> {
        Request { called: self.called_ae_title.trim(), calling: self.calling_ae_title.trim(), contexts, max_pdu_length: self.max_pdu_bytes }
    }
}

impl Target {
    pub(super) fn connect(&self, config: &SenderConfig, stop: &StopToken) -> Result<Connection, DimseError> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in (config.host.as_str(), config.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, seconds(config.connect_timeout_s)) {
                Ok(socket) => {
                    let patience =
                        Patience { stop: stop.clone(), idle: seconds(config.idle_timeout_s), grace: seconds(config.stop_grace_s) };
                    let connection = match &self.tls {
                        Some((tls, name)) => Connection::client(socket, Arc::clone(tls), name.clone(), patience),
                        None => Connection::plain(socket, patience),
                    };
                    let mut connection = connection?;
                    connection.set_deadline(seconds(config.idle_timeout_s));
                    return Ok(connection);
                }
                Err(error) => last = error,
            }
        }
        Err(last.into())
    }
}
