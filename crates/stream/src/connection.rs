//! A TCP connection, plain or TLS, whose reads and writes end: by a timeout, a deadline, or because the program stops.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned, pki_types::ServerName};
use sutura_dicom::dimse::TransportError;

use crate::stop::StopToken;

/// How often a waiting read or write looks whether the program stops.
const LOOK: Duration = Duration::from_millis(200);

enum Transport {
    Plain(Socket),
    Server(Box<StreamOwned<ServerConnection, Socket>>),
    Client(Box<StreamOwned<ClientConnection, Socket>>),
}

/// What bounds the waiting on a connection.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    pub(crate) stop: StopToken,
    /// How long nothing may come.
    pub(crate) idle: Duration,
    /// How long what is under way may still take once the program stops.
    pub(crate) grace: Duration,
}

/// A connection.
pub(crate) struct Connection {
    transport: Transport,
}

impl Connection {
    pub(crate) fn plain(socket: TcpStream, patience: Patience) -> io::Result<Self> {
        Ok(Self { transport: Transport::Plain(Socket::new(socket, patience)?) })
    }

    pub(crate) fn server(socket: TcpStream, config: Arc<ServerConfig>, patience: Patience) -> io::Result<Self> {
        let tls = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Self { transport: Transport::Server(Box::new(StreamOwned::new(tls, Socket::new(socket, patience)?))) })
    }

    pub(crate) fn client(socket: TcpStream, config: Arc<ClientConfig>, name: ServerName<'static>, patience: Patience) -> io::Result<Self> {
        let tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Ok(Self { transport: Transport::Client(Box::new(StreamOwned::new(tls, Socket::new(socket, patience)?))) })
    }

    /// Gives what is under way so long.
    pub(crate) fn set_deadline(&mut self, longest: Duration) {
        let socket = self.socket();
        socket.between = None;
        socket.deadline = Instant::now().checked_add(longest);
    }

    /// Nothing is under way until the first byte comes, so that the program may stop at once; from then on there is so long.
    pub(crate) fn wait_for_next(&mut self, longest: Duration) {
        let socket = self.socket();
        socket.between = Some(longest);
        socket.deadline = None;
    }

    /// Says goodbye where TLS has words for it, and waits a moment for the peer to close, so that what was sent last is not lost in a reset.
    pub(crate) fn close(mut self) {
        // The peer had its time: this takes no longer, whether it reads or not, and whether the program stops or not.
        self.set_deadline(LOOK);
        self.socket().patience.stop = StopToken::new();
        match &mut self.transport {
            Transport::Plain(_) => {}
            Transport::Server(tls) => tls.conn.send_close_notify(),
            Transport::Client(tls) => tls.conn.send_close_notify(),
        }
        let _ = self.flush();
        let socket = self.socket();
        let _ = socket.tcp.shutdown(Shutdown::Write);
        let mut rest = [0; 4096];
        while matches!(socket.read(&mut rest), Ok(1..)) {}
    }

    fn socket(&mut self) -> &mut Socket {
        match &mut self.transport {
            Transport::Plain(socket) => socket,
            Transport::Server(tls) => &mut tls.sock,
            Transport::Client(tls) => &mut tls.sock,
        }
    }
}

impl Read for Connection {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.transport {
            Transport::Plain(socket) => socket.read(into),
            Transport::Server(tls) => tls.read(into).map_err(|error| explained(error, "the sender")),
            Transport::Client(tls) => tls.read(into).map_err(|error| explained(error, "the receiver")),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.transport {
            Transport::Plain(socket) => socket.write(bytes),
            Transport::Server(tls) => tls.write(bytes).map_err(|error| explained(error, "the sender")),
            Transport::Client(tls) => tls.write(bytes).map_err(|error| explained(error, "the receiver")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.transport {
            Transport::Plain(socket) => socket.flush(),
            Transport::Server(tls) => tls.flush().map_err(|error| explained(error, "the sender")),
            Transport::Client(tls) => tls.flush().map_err(|error| explained(error, "the receiver")),
        }
    }
}

/// Says what is wrong with TLS; that gets no better by trying again.
fn explained(error: io::Error, peer: &str) -> io::Error {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else { return error };
    let advice = match tls {
        rustls::Error::AlertReceived(_) => format!("{peer} refused it; look at our certificate, whether it asks for one, and at its log"),
        rustls::Error::InvalidCertificate(_) => format!("look at the certificate of {peer}, its name and its authority"),
        rustls::Error::InvalidMessage(_) => format!("{peer} may not speak TLS on this port"),
        rustls::Error::NoCertificatesPresented => format!("{peer} has to show a certificate"),
        _ => format!("look at the settings of TLS here and at {peer}"),
    };
    io::Error::new(io::ErrorKind::InvalidData, TransportError(format!("TLS: {tls}; {advice}")))
}

/// The socket below: whatever is spoken on it, a peer that sends or takes a byte now and then does not hold it for ever.
struct Socket {
    tcp: TcpStream,
    patience: Patience,
    /// When what is under way has to be done.
    deadline: Option<Instant>,
    /// Where nothing is under way: how long what begins with the next byte may take.
    between: Option<Duration>,
    /// Once there is no time left: until when last words may still be sent.
    farewell: Option<Instant>,
}

impl Socket {
    fn new(tcp: TcpStream, patience: Patience) -> io::Result<Self> {
        // Messages are small and answered one by one: without this each waits for an acknowledgement.
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(LOOK.min(patience.idle)))?;
        tcp.set_write_timeout(Some(LOOK.min(patience.idle)))?;
        Ok(Self { tcp, patience, deadline: None, between: None, farewell: None })
    }

    /// Whether there is time left for what is under way, whatever the peer does.
    fn has_time(&mut self, now: Instant) -> io::Result<()> {
        let has_ended = self.patience.stop.stopped_at().is_some_and(|stopped| now >= stopped + self.patience.grace);
        if !has_ended && self.deadline.is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        self.farewell.get_or_insert(now + LOOK);
        Err(if has_ended { stops() } else { io::ErrorKind::TimedOut.into() })
    }

    /// Whether a peer that does nothing may be waited for.
    fn may_wait(&self, since: Instant, now: Instant) -> io::Result<()> {
        if self.between.is_some() && self.patience.stop.is_stopped() {
            return Err(stops());
        }
        if now.duration_since(since) >= self.patience.idle {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    /// Does something with the socket until it is done or takes too long.
    fn patiently(&mut self, is_write: bool, mut doing: impl FnMut(&mut TcpStream) -> io::Result<usize>) -> io::Result<usize> {
        let since = Instant::now();
        let mut now = since;
        loop {
            if let Err(error) = self.has_time(now)
                && !(is_write && self.farewell.is_some_and(|until| now < until))
            {
                return Err(error);
            }
            match doing(&mut self.tcp) {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    now = Instant::now();
                    self.may_wait(since, now)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

fn stops() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the program stops")
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.patiently(false, |tcp| tcp.read(into))?;
        if read > 0
            && let Some(longest) = self.between.take()
        {
            self.deadline = Instant::now().checked_add(longest);
        }
        Ok(read)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.patiently(true, |tcp| tcp.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}
