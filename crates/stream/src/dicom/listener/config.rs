//! Settings of a receiver.

use std::{collections::BTreeSet, path::PathBuf};

use serde::{Deserialize, Serialize};
use sutura_dicom::{
    PixelCoding, TransferSyntax, dictionary,
    dimse::{AcceptPolicy, Identity, STORAGE_BRANCH, Titles, VERIFICATION, is_ae_title, is_uid},
};

use crate::{error::StreamError, tls::ServerTls};

/// Settings of a receiver. Unknown keys are errors. There is no default for `folder` and for who may call: nobody may, unless it is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenerConfig {
    /// Folder for instances, journal and rejects. It is created, readable by its owner alone. One listener at a time. No default.
    pub folder: PathBuf,
    /// Address and port. Default `127.0.0.1:11112`: this machine only. DICOM without TLS is not encrypted.
    pub address: String,
    /// AE titles that this receiver may be called by. No default: empty is refused unless `allow_any_called` is set.
    pub called_ae_titles: Vec<String>,
    /// AE titles that may call. No default: empty is refused unless `allow_any_calling` is set. A title is a name, not a proof: TLS with `client_ca` is one.
    pub calling_ae_titles: Vec<String>,
    /// Answers to any called title. Default false.
    pub allow_any_called: bool,
    /// Takes instances from anyone who can connect. Default false.
    pub allow_any_calling: bool,
    /// UIDs of the SOP classes that are taken. Default: every storage class of the standard, and whatever else is
    /// stored below 1.2.840.10008.5.1.4.1.1: retired classes and those of later editions. C-ECHO is always answered.
    pub sop_classes: Vec<String>,
    /// UIDs of SOP classes that are taken beside these, such as a vendor's own. Default none.
    pub more_sop_classes: Vec<String>,
    /// UIDs of the transfer syntaxes that are taken. Default: every one of the standard that is not by reference to a server.
    pub transfer_syntaxes: Vec<String>,
    /// TLS. Default none.
    pub tls: Option<ServerTls>,
    /// What becomes of a peer that says who its user is: `ignore` (the default) or `refuse`. Passwords are not looked at.
    pub user_identity: UserIdentity,
    /// Associations at a time; more are refused for now. Default 32.
    pub max_associations: usize,
    /// Bytes of a PDU that are taken, 4,096 to 4 MiB. Default 256 KiB.
    pub max_pdu_bytes: u32,
    /// Bytes of one instance that are taken; a larger one is answered A700. Default 4 GiB.
    pub max_object_bytes: u64,
    /// Bytes of an instance that are held in memory, for each association. Of a larger one, what stands before its pixel data has to fit. Default 64 MiB.
    pub max_memory_bytes: usize,
    /// Bytes of the disk that the log takes at most, 16 MiB to 64 GiB. Instances up to a 64th of it go through it. Default 512 MiB.
    pub max_log_bytes: u64,
    /// Bytes that stay free on the disk; below, instances are answered A700. Default 1 GiB.
    pub min_free_bytes: u64,
    /// Seconds without a byte before an association is given up. Default 60.
    pub idle_timeout_s: u64,
    /// Seconds from the connection to a request for an association, and from the first byte of a message to the end of its command. Default 30.
    pub association_timeout_s: u64,
    /// Seconds for one instance. Default 600.
    pub object_timeout_s: u64,
    /// Seconds that what is under way may take once the program stops. Default 10.
    pub stop_grace_s: u64,
}

/// What becomes of a peer that says who its user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserIdentity {
    /// It is left aside.
    #[default]
    Ignore,
    /// The association is refused.
    Refuse,
}

impl Default for ListenerConfig {
    fn default() -> Self {
        Self {
            folder: PathBuf::new(),
            address: "127.0.0.1:11112".to_owned(),
            called_ae_titles: Vec::new(),
            calling_ae_titles: Vec::new(),
            allow_any_called: false,
            allow_any_calling: false,
            sop_classes: Vec::new(),
            more_sop_classes: Vec::new(),
            transfer_syntaxes: Vec::new(),
            tls: None,
            user_identity: UserIdentity::Ignore,
            max_associations: 32,
            max_pdu_bytes: 256 << 10,
            max_object_bytes: 4 << 30,
            max_memory_bytes: 64 << 20,
            max_log_bytes: 512 << 20,
            min_free_bytes: 1 << 30,
            idle_timeout_s: 60,
            association_timeout_s: 30,
            object_timeout_s: 600,
            stop_grace_s: 10,
        }
    }
}

impl ListenerConfig {
    /// What is accepted, from settings that were checked.
    pub(super) fn policy(&self) -> Result<AcceptPolicy, StreamError> {
        if self.folder.as_os_str().is_empty() {
            return Err(StreamError::setting("folder", "is missing; say where instances go"));
        }
        let in_range = [
            ("max_associations", self.max_associations as u64, 1, 1024),
            ("max_pdu_bytes", u64::from(self.max_pdu_bytes), 4096, 4 << 20),
            ("max_memory_bytes", self.max_memory_bytes as u64, 1 << 20, 2 << 30),
            ("max_log_bytes", self.max_log_bytes, 16 << 20, 64 << 30),
            ("idle_timeout_s", self.idle_timeout_s, 1, 86_400),
            ("association_timeout_s", self.association_timeout_s, 1, 86_400),
            ("object_timeout_s", self.object_timeout_s, 1, 86_400),
            ("stop_grace_s", self.stop_grace_s, 0, 86_400),
        ];
        for (key, value, least, most) in in_range {
            if !(least..=most).contains(&value) {
                return Err(StreamError::setting(key, format!("must be between {least} and {most}")));
            }
        }
        let mut sop_classes = uids("sop_classes", &self.sop_classes)?;
        if sop_classes.is_empty() {
            sop_classes.extend(dictionary::sop_classes().map(|(uid, _)| uid.to_owned()));
            sop_classes.insert(STORAGE_BRANCH.to_owned());
        }
        sop_classes.extend(uids("more_sop_classes", &self.more_sop_classes)?);
        sop_classes.insert(VERIFICATION.to_owned());
        let mut transfer_syntaxes = uids("transfer_syntaxes", &self.transfer_syntaxes)?;
        if transfer_syntaxes.is_empty() {
            transfer_syntaxes
                .extend(TransferSyntax::standard().filter(|syntax| syntax.pixels != PixelCoding::Referenced).map(|syntax| syntax.uid));
        }
        if let Some(unknown) = transfer_syntaxes.iter().find(|uid| !TransferSyntax::of(uid).is_known()) {
            return Err(StreamError::setting("transfer_syntaxes", format!("{unknown} is not one that the reader knows")));
        }
        Ok(AcceptPolicy {
            called: titles("called_ae_titles", "allow_any_called", &self.called_ae_titles, self.allow_any_called)?,
            calling: titles("calling_ae_titles", "allow_any_calling", &self.calling_ae_titles, self.allow_any_calling)?,
            sop_classes,
            transfer_syntaxes,
            max_pdu_length: self.max_pdu_bytes,
            identity: if self.user_identity == UserIdentity::Refuse { Identity::Refuse } else { Identity::Ignore },
        })
    }
}

fn titles(key: &'static str, any_key: &str, titles: &[String], any: bool) -> Result<Titles, StreamError> {
    if let Some(wrong) = titles.iter().find(|title| !is_ae_title(title)) {
        return Err(StreamError::setting(key, format!("{wrong:?} is no AE title: 1 to 16 printable ASCII characters without backslash")));
    }
    match (titles.is_empty(), any) {
        (true, false) => Err(StreamError::setting(key, format!("is empty; name the titles, or set {any_key} to let anyone in"))),
        (false, true) => Err(StreamError::setting(key, format!("is set, and {any_key} too; only one of them can hold"))),
        (true, true) => Ok(Titles::Any),
        (false, false) => Ok(Titles::Only(titles.iter().map(|title| title.trim().to_owned()).collect())),
    }
}

fn uids(key: &'static str, uids: &[String]) -> Result<BTreeSet<String>, StreamError> {
    match uids.iter().find(|uid| !is_uid(uid)) {
        Some(wrong) => Err(StreamError::setting(key, format!("{wrong:?} is no UID"))),
        None => Ok(uids.iter().cloned().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> ListenerConfig {
        let titles = |title: &str| vec![title.to_owned()];
        ListenerConfig {
            folder: "x".into(),
            called_ae_titles: titles("SUTURA"),
            calling_ae_titles: titles("CT1"),
            ..ListenerConfig::default()
        }
    }

    #[test]
    fn nobody_is_let_in_unless_it_is_said() {
        assert!(good().policy().is_ok());
        assert!(ListenerConfig { calling_ae_titles: vec![], ..good() }.policy().is_err());
        assert!(ListenerConfig { called_ae_titles: vec![], ..good() }.policy().is_err());
        assert!(ListenerConfig { allow_any_calling: true, ..good() }.policy().is_err());
        let any = ListenerConfig { calling_ae_titles: vec![], allow_any_calling: true, ..good() }.policy().unwrap();
        assert_eq!(any.calling, Titles::Any);
        assert!(ListenerConfig { calling_ae_titles: vec!["SEVENTEEN_LETTERS".to_owned()], ..good() }.policy().is_err());
    }

    #[test]
    fn everything_of_the_standard_is_taken() {
        let policy = good().policy().unwrap();
        assert!(policy.sop_classes.len() > 150 && policy.transfer_syntaxes.len() > 30, "{}", policy.transfer_syntaxes.len());
        assert!(policy.sop_classes.contains("1.2.840.10008.5.1.4.1.1.2") && policy.sop_classes.contains(VERIFICATION));
        assert!(policy.transfer_syntaxes.contains("1.2.840.10008.1.2") && !policy.transfer_syntaxes.contains("1.2.840.10008.1.2.4.94"));
        for taken in
            ["1.2.840.10008.5.1.4.1.1.66.7", "1.2.840.10008.5.1.4.39.1", "1.2.840.10008.5.1.4.1.1.6", "1.2.840.10008.5.1.4.1.1.999.1"]
        {
            assert!(policy.takes(taken), "{taken}");
        }
        for other in ["1.2.840.10008.5.1.4.1.1.201.2", "1.2.840.10008.5.1.4.1.2.1.1", "1.2.840.10008.5.1.4.1.1", "1.2.3"] {
            assert!(!policy.takes(other), "{other}");
        }
        let few = ListenerConfig { sop_classes: vec!["1.2.840.10008.5.1.4.1.1.2".to_owned()], ..good() }.policy().unwrap();
        assert_eq!(few.sop_classes.len(), 2);
        assert!(ListenerConfig { transfer_syntaxes: vec!["1.2.3".to_owned()], ..good() }.policy().is_err());
    }

    #[test]
    fn settings_are_read_and_unknown_ones_refused() {
        let read: ListenerConfig = toml::from_str("folder = \"in\"\nmax_pdu_bytes = 16384\nuser_identity = \"refuse\"").unwrap();
        assert_eq!((read.max_pdu_bytes, read.user_identity, read.max_associations), (16384, UserIdentity::Refuse, 32));
        assert!(toml::from_str::<ListenerConfig>("foldr = \"in\"").is_err());
    }
}
