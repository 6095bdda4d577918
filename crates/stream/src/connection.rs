//! A TCP connection, plain or TLS, whose reads end: by a timeout, a deadline, or because the program stops.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned, pki_types::ServerName};

use crate::stop::StopToken;

/// How often a waiting read looks whether the program stops.
const LOOK: Duration = Duration::from_millis(200);

enum Transport {
    Plain(TcpStream),
    Server(Box<StreamOwned<ServerConnection, TcpStream>>),
    Client(Box<StreamOwned<ClientConnection, TcpStream>>),
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
    patience: Patience,
    /// When what is under way has to be done: a peer that sends a byte now and then is not idle.
    deadline: Option<Instant>,
    /// Whether nothing is under way, so that the program may stop at once.
    pub(crate) is_between: bool,
}

impl Connection {
    pub(crate) fn plain(socket: TcpStream, patience: Patience) -> io::Result<Self> {
        set_up(&socket, &patience)?;
        Ok(Self::new(Transport::Plain(socket), patience))
    }

    pub(crate) fn server(socket: TcpStream, config: Arc<ServerConfig>, patience: Patience) -> io::Result<Self> {
        set_up(&socket, &patience)?;
        let tls = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Self::new(Transport::Server(Box::new(StreamOwned::new(tls, socket))), patience))
    }

    pub(crate) fn client(socket: TcpStream, config: Arc<ClientConfig>, name: ServerName<'static>, patience: Patience) -> io::Result<Self> {
        set_up(&socket, &patience)?;
        let tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Ok(Self::new(Transport::Client(Box::new(StreamOwned::new(tls, socket))), patience))
    }

    fn new(transport: Transport, patience: Patience) -> Self {
        Self { transport, patience, deadline: None, is_between: false }
    }

    /// Gives what is under way so long; `None` takes the bound away.
    pub(crate) fn set_deadline(&mut self, longest: Option<Duration>) {
        self.deadline = longest.and_then(|longest| Instant::now().checked_add(longest));
    }

    /// Says goodbye where TLS has words for it, and waits a moment for the peer to close, so that what was sent last is not lost in a reset.
    pub(crate) fn close(mut self) {
        match &mut self.transport {
            Transport::Plain(_) => {}
            Transport::Server(tls) => tls.conn.send_close_notify(),
            Transport::Client(tls) => tls.conn.send_close_notify(),
        }
        let _ = self.flush();
        let socket = match &self.transport {
            Transport::Plain(socket) => socket,
            Transport::Server(tls) => &tls.sock,
            Transport::Client(tls) => &tls.sock,
        };
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let _ = socket.set_read_timeout(Some(LOOK));
        let mut socket = socket;
        let (mut rest, until) = ([0; 4096], Instant::now() + LOOK);
        while Instant::now() < until && matches!(socket.read(&mut rest), Ok(1..)) {}
    }

    /// Whether a read may go on waiting.
    fn may_wait(&self, since: Instant) -> io::Result<()> {
        let now = Instant::now();
        if let Some(stopped) = self.patience.stop.stopped_at()
            && (self.is_between || now >= stopped + self.patience.grace)
        {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the program stops"));
        }
        if now.duration_since(since) >= self.patience.idle || self.deadline.is_some_and(|deadline| now >= deadline) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

fn set_up(socket: &TcpStream, patience: &Patience) -> io::Result<()> {
    // Messages are small and answered one by one: without this each waits for an acknowledgement.
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(LOOK.min(patience.idle)))?;
    socket.set_write_timeout(Some(patience.idle))
}

impl Read for Connection {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let since = Instant::now();
        loop {
            let read = match &mut self.transport {
                Transport::Plain(socket) => socket.read(into),
                Transport::Server(tls) => tls.read(into),
                Transport::Client(tls) => tls.read(into),
            };
            match read {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => self.may_wait(since)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.transport {
            Transport::Plain(socket) => socket.write(bytes),
            Transport::Server(tls) => tls.write(bytes),
            Transport::Client(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.transport {
            Transport::Plain(socket) => socket.flush(),
            Transport::Server(tls) => tls.flush(),
            Transport::Client(tls) => tls.flush(),
        }
    }
}
