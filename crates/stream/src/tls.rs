//! TLS on ring, as object storage has it: one provider in the program.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::WebPkiClientVerifier,
};
use serde::{Deserialize, Serialize};

use crate::error::StreamError;

/// TLS of a listener. The profiles of PS3.15 annex B want TLS 1.2 or 1.3; both are spoken, nothing older.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTls {
    /// PEM file with the certificate of this listener, and those between it and its authority.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
    /// PEM file with the authorities that a peer's certificate has to come from. Without it no certificate is asked for, and only AE titles say who calls.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
}

/// TLS of a sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientTls {
    /// PEM file with the authorities that the receiver's certificate has to come from.
    pub ca: PathBuf,
    /// PEM file with our certificate, where the receiver asks for one.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// PEM file with our private key.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// Name in the receiver's certificate. Default: the host that is connected to.
    #[serde(default)]
    pub server_name: Option<String>,
}

impl ServerTls {
    pub(crate) fn config(&self) -> Result<Arc<ServerConfig>, StreamError> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(tls)?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(path)?), Arc::new(ring::default_provider()));
                builder.with_client_cert_verifier(verifier.build().map_err(tls)?)
            }
        };
        let config = builder.with_single_cert(certificates(&self.certificate)?, key(&self.key)?).map_err(tls)?;
        Ok(Arc::new(config))
    }
}

impl ClientTls {
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, StreamError> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(tls)?.with_root_certificates(authorities(&self.ca)?);
        let config = match (&self.certificate, &self.key) {
            (Some(certificate), Some(path)) => builder.with_client_auth_cert(certificates(certificate)?, key(path)?).map_err(tls)?,
            (None, None) => builder.with_no_client_auth(),
            _ => return Err(StreamError::Tls("a certificate needs its key, and a key its certificate; set both".to_owned())),
        };
        Ok(Arc::new(config))
    }

    pub(crate) fn name(&self, host: &str) -> Result<ServerName<'static>, StreamError> {
        let name = self.server_name.as_deref().unwrap_or(host).to_owned();
        ServerName::try_from(name).map_err(|_| StreamError::Tls("the server name is neither a host name nor an address".to_owned()))
    }
}

fn certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, StreamError> {
    let unreadable = || StreamError::Tls(format!("{} is no PEM file with certificates", path.display()));
    let read = CertificateDer::pem_file_iter(path).map_err(|_| unreadable())?;
    let certificates: Vec<_> = read.collect::<Result<_, _>>().map_err(|_| unreadable())?;
    if certificates.is_empty() { Err(unreadable()) } else { Ok(certificates) }
}

fn key(path: &PathBuf) -> Result<PrivateKeyDer<'static>, StreamError> {
    PrivateKeyDer::from_pem_file(path).map_err(|_| StreamError::Tls(format!("{} is no PEM file with a private key", path.display())))
}

fn authorities(path: &PathBuf) -> Result<RootCertStore, StreamError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store.add(certificate).map_err(tls)?;
    }
    Ok(store)
}

fn tls(error: impl std::fmt::Display) -> StreamError {
    StreamError::Tls(error.to_string())
}
