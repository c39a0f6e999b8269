//! The transports for `ureq`: non-blocking streams whose every wait ends on a stop signal, with
//! [`ureq::Error::Io`] that contains [`Interrupted`].

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::Duration as Limit;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};

use crate::error::Interrupted;
use crate::sys::signal::{Interest, Stop, WaitResult, wait};
use crate::sys::socket;

/// HTTP over a non-blocking stream.
pub struct StreamTransport<S> {
    stream: S,
    buffers: LazyBuffers,
    stop: Stop,
    /// The peer closed its reading side. It may have sent a response before.
    write_closed: bool,
}

impl<S> StreamTransport<S> {
    /// A transport over a non-blocking stream.
    pub fn new(stream: S, buffers: LazyBuffers, stop: Stop) -> Self {
        StreamTransport {
            stream,
            buffers,
            stop,
            write_closed: false,
        }
    }
}

impl<S> fmt::Debug for StreamTransport<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamTransport").finish_non_exhaustive()
    }
}

impl<S: Read + Write + AsFd + Send + Sync + 'static> Transport for StreamTransport<S> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let start = Instant::now();
        let mut sent = 0;
        while sent < amount && !self.write_closed {
            let limit = remaining(timeout, start).for_write();
            wait_ready(&self.stream, Interest::Write, &self.stop, limit)?;
            match self.stream.write(&self.buffers.output()[sent..amount]) {
                Ok(0) => return Err(io::Error::from(ErrorKind::WriteZero).into()),
                Ok(n) => sent += n,
                Err(e) if is_retryable(&e) => {}
                // A server may respond and close before it read the whole body (RFC 9112, section
                // 9.3). The rest of the request is dropped; reading shows whether it responded.
                Err(e) if is_closed(&e) => self.write_closed = true,
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let start = Instant::now();
        loop {
            let limit = remaining(timeout, start).for_read();
            wait_ready(&self.stream, Interest::Read, &self.stop, limit)?;
            match self.stream.read(self.buffers.input_append_buf()) {
                Ok(n) => {
                    self.buffers.input_appended(n);
                    return Ok(n > 0);
                }
                Err(e) if is_retryable(&e) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // Between two requests there is nothing to read, unless the peer has closed.
        !self.write_closed
            && matches!(self.stream.read(&mut [0]), Err(e) if e.kind() == ErrorKind::WouldBlock)
    }
}

fn is_retryable(e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn is_closed(e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}

/// The rest of a timeout that started at `start`.
fn remaining(mut timeout: NextTimeout, start: Instant) -> NextTimeout {
    if let Limit::Exact(after) = timeout.after {
        timeout.after = Limit::Exact(after.saturating_sub(start.elapsed()));
    }
    timeout
}

/// Waits until the stream is ready; a stop signal and the timeout are errors.
fn wait_ready(
    stream: &impl AsFd,
    interest: Interest,
    stop: &Stop,
    timeout: NextTimeout,
) -> Result<(), Error> {
    let time = match timeout.after {
        Limit::Exact(time) if time.is_zero() => return Err(Error::Timeout(timeout.reason)),
        Limit::Exact(time) => Some(time),
        Limit::NotHappening => None,
    };
    match wait(Some((stream.as_fd(), interest)), stop, time)? {
        WaitResult::Ready => Ok(()),
        WaitResult::TimedOut => Err(Error::Timeout(timeout.reason)),
        WaitResult::Interrupted => Err(interrupted()),
    }
}

fn interrupted() -> Error {
    io::Error::other(Interrupted).into()
}

/// Whether a stop signal ended an exchange. `ureq::Error::source` does not return the
/// [`Interrupted`]; convert it with [`ureq::Error::into_io`] first.
pub fn was_stopped(e: &io::Error) -> bool {
    (e.get_ref()).is_some_and(<dyn StdError + Send + Sync>::is::<Interrupted>)
}

fn buffers(details: &ConnectionDetails) -> LazyBuffers {
    LazyBuffers::new(
        details.config.input_buffer_size(),
        details.config.output_buffer_size(),
    )
}

/// Connects to one Unix socket, whatever host the URL names.
#[derive(Debug)]
pub struct UnixConnector {
    /// The path of the socket.
    pub path: PathBuf,
    /// Interrupts every wait.
    pub stop: Stop,
}

impl<In: Transport> Connector<In> for UnixConnector {
    type Out = StreamTransport<UnixStream>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        _chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        /// The pause if the socket's queue is full: the kernel has no event for that.
        const RETRY: Duration = Duration::from_millis(50);
        let start = Instant::now();
        loop {
            match socket::connect_unix(&self.path) {
                Ok(stream) => {
                    let stop = self.stop.clone();
                    return Ok(Some(StreamTransport::new(stream, buffers(details), stop)));
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    let left = remaining(details.timeout, start);
                    if left.after.is_zero() {
                        return Err(Error::Timeout(left.reason));
                    }
                    let pause = (*left.after).min(RETRY);
                    if wait(None, &self.stop, Some(pause))? == WaitResult::Interrupted {
                        return Err(interrupted());
                    }
                }
                Err(e) => return Err(e.into()),
            }
        }
    }
}

/// The resolver of a client for a Unix socket: it returns no address.
#[derive(Debug)]
pub struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(
        &self,
        _uri: &ureq::http::Uri,
        _config: &ureq::config::Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        Ok(self.empty())
    }
}

/// Connects to the resolved addresses, one after the other, unless the proxy connector before it
/// in the chain is connected.
#[derive(Debug)]
pub struct TcpConnector {
    /// Interrupts every wait.
    pub stop: Stop,
}

impl<In: Transport> Connector<In> for TcpConnector {
    type Out = Either<In, StreamTransport<TcpStream>>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        if let Some(transport) = chained {
            return Ok(Some(Either::A(transport)));
        }
        let start = Instant::now();
        let mut last = None;
        for (index, addr) in details.addrs.iter().enumerate() {
            let mut left = remaining(details.timeout, start);
            if let Limit::Exact(time) = left.after {
                // A silent address must leave time for the next ones.
                let share = u32::try_from(details.addrs.len() - index).unwrap_or(1);
                left.after = Limit::Exact(time / share);
            }
            match self.connect_one(*addr, left) {
                Ok(stream) => {
                    if details.config.no_delay() {
                        stream.set_nodelay(true)?;
                    }
                    let stop = self.stop.clone();
                    let transport = StreamTransport::new(stream, buffers(details), stop);
                    return Ok(Some(Either::B(transport)));
                }
                Err(Error::Io(e)) if was_stopped(&e) => return Err(Error::Io(e)),
                Err(Error::Io(e)) => {
                    last = Some(io::Error::new(e.kind(), format!("connect to {addr}: {e}")).into());
                }
                Err(e) => last = Some(e),
            }
        }
        Err(last.unwrap_or(Error::HostNotFound))
    }
}

impl TcpConnector {
    fn connect_one(&self, addr: SocketAddr, timeout: NextTimeout) -> Result<TcpStream, Error> {
        let stream = socket::start_connect(addr)?;
        wait_ready(&stream, Interest::Write, &self.stop, timeout)?;
        match stream.take_error()? {
            Some(e) => Err(e.into()),
            None => Ok(stream),
        }
    }
}

#[cfg(test)]
#[path = "transport_tests.rs"]
mod tests;
