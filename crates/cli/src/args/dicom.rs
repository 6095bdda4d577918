//! `sutura listen ...` and `sutura send ...`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Receive over the network
#[derive(Debug, Subcommand)]
pub(crate) enum ListenCommand {
    Dicom(ListenDicomArgs),
}

/// Send over the network
#[derive(Debug, Subcommand)]
pub(crate) enum SendCommand {
    Dicom(SendDicomArgs),
}

/// Receive DICOM instances (C-STORE) into a folder, and answer C-ECHO
///
/// An instance is answered with success only when it is durable. Files are named by a hash, never by a UID; received.ndjson in the folder is
/// the journal. Nobody may send unless --allow names the calling AE titles or --allow-any lets everyone in. An interrupt or SIGTERM ends it: what
/// is under way may finish, and the counts are printed.
///
/// The images are a folder like any other: SELECT from read_dicom('DIR/???/*.dcm'), which leaves rejects/ out, also while it runs.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Settings in a file have the names of the reference (how to receive from a PACS); a flag stands above the file's setting. Paths in the file are
relative to the file.

Exit codes:
  0    stopped as asked
  1    it could not go on
  2    a setting is wrong, the folder cannot be used, or the address is taken

Examples:
  sutura listen dicom --folder in/ --allow CT1 --allow PACS_WEST
  sutura listen dicom --folder in/ --ae-title SUTURA --allow-any                  this machine only: the address is the loopback
  sutura listen dicom --config receiver.toml --json
  sutura listen dicom --folder in/ --address 0.0.0.0:2762 --allow CT1 --tls-cert server.pem --tls-key server.key --tls-client-ca modalities.pem
  sutura sql \"select modality, count(*) from read_dicom('in/???/*.dcm') group by 1\"")]
pub(crate) struct ListenDicomArgs {
    /// Folder for instances, journal and rejects; made for its owner only
    #[arg(long, value_name = "DIR", required_unless_present = "config")]
    pub(crate) folder: Option<PathBuf>,
    /// Settings, TOML
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:11112]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) address: Option<String>,
    /// AE title that this receiver may be called by; may be given several times [default: SUTURA]
    #[arg(long = "ae-title", value_name = "TITLE")]
    pub(crate) ae_titles: Vec<String>,
    /// Answer to any called AE title
    #[arg(long, conflicts_with = "ae_titles")]
    pub(crate) any_ae_title: bool,
    /// AE title that may call; may be given several times. A title is a name, not a proof: TLS with --tls-client-ca is one
    #[arg(long = "allow", value_name = "TITLE")]
    pub(crate) allow: Vec<String>,
    /// Let anyone who can connect send
    #[arg(long, conflicts_with = "allow")]
    pub(crate) allow_any: bool,
    /// TLS: PEM file with the certificate of this receiver
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// TLS: PEM file with its private key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// TLS: PEM file with the authorities that a sender's certificate has to come from
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// Associations at a time; more are refused for now [default: 32]
    #[arg(long, value_name = "N")]
    pub(crate) max_associations: Option<usize>,
    /// Bytes of a PDU that are taken [default: 262144]
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_pdu: Option<u32>,
    /// Largest instance that is taken, in MiB [default: 4096]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_object: Option<u32>,
    /// Disk that stays free, in MiB; below, instances are answered A700 [default: 1024]
    #[arg(long, value_name = "MIB")]
    pub(crate) min_free: Option<u32>,
    /// Seconds without a byte before an association is given up [default: 60]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) idle_timeout: Option<u64>,
    /// The counts at the end as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Send DICOM files to another receiver (C-STORE)
///
/// Files are sent as they are: nothing is converted, and nothing is de-identified. What fails for a while (no connection, no room) is tried
/// again. With a state file another run skips what the same receiver already has. Files that are no DICOM instances are named and passed over.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Exit codes:
  0    the receiver has every instance
  1    some were not sent, or there was nothing to send; each has a line with its status and what that means
  2    a setting or a path is wrong
  130  interrupted; what was sent is in the state file

Examples:
  sutura send dicom released/ --to pacs.example.org:11112 --called PACS_WEST --state sent.ndjson
  sutura send dicom a.dcm b.dcm --to 127.0.0.1:11112 --called SUTURA --calling CT1
  sutura send dicom --echo --to pacs.example.org:11112 --called PACS_WEST      only asks whether it is there
  sutura send dicom released/ --to pacs:2762 --called PACS --tls-ca hospital.pem --json | jq .counts")]
pub(crate) struct SendDicomArgs {
    /// Files and folders; folders are read with everything in them
    #[arg(required_unless_present = "echo", value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Host and port of the receiver; without a port 104
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) to: String,
    /// AE title of the receiver
    #[arg(long, value_name = "TITLE")]
    pub(crate) called: String,
    /// Our AE title
    #[arg(long, value_name = "TITLE", default_value = "SUTURA")]
    pub(crate) calling: String,
    /// Only ask whether the receiver is there and lets us in (C-ECHO)
    #[arg(long, conflicts_with_all = ["paths", "state"])]
    pub(crate) echo: bool,
    /// File that remembers what was sent, so that another run skips it; it holds paths, not content
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Associations at the same time, 1 to 32
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) associations: usize,
    /// How often a file is tried again after a failure that may pass
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) retries: u32,
    /// TLS: PEM file with the authorities that the receiver's certificate has to come from
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// TLS: PEM file with our certificate, where the receiver asks for one
    #[arg(long, value_name = "FILE", requires_all = ["tls_ca", "tls_key"])]
    pub(crate) tls_cert: Option<PathBuf>,
    /// TLS: PEM file with our private key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// TLS: name in the receiver's certificate, where it is not the host
    #[arg(long, value_name = "NAME", requires = "tls_ca")]
    pub(crate) tls_name: Option<String>,
    /// What became of each file as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
