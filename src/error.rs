//! The program's error type, its kinds and its exit codes.

use std::error::Error as StdError;
use std::fmt;
use std::io;

/// How the process exits. amazon-ecs-init has the same codes.
///
/// | code | meaning |
/// |---|---|
/// | 0 | success; the agent exited with 0; SIGTERM or SIGINT stopped the command |
/// | 1 | the command line is wrong: usage on stderr |
/// | 5 | the agent reported that it can never run on this host (its own exit code 5) |
/// | 255 | any other failure: the error is in the log |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Success, or stopped by a signal.
    Success = 0,
    /// The command line is wrong.
    Usage = 1,
    /// The agent can never run on this host; service units have `RestartPreventExitStatus=5`.
    AgentTerminal = 5,
    /// Any other failure.
    Failure = 255,
}

impl ExitCode {
    /// The number that the parent process receives.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// What kind of failure an [`Error`] is. Code branches on the kind and never on the message.
///
/// Retries repeat an operation after [`Kind::Transient`] only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// SIGTERM or SIGINT arrived. Not a failure: exit code 0.
    Interrupted,
    /// May succeed if tried again: a timeout, a reset connection, HTTP 503.
    Transient,
    /// Something that is needed is missing, in use or out of reach: no such host, no socket, HTTP
    /// 404.
    Unavailable,
    /// A server, dockerd or the kernel refused the request: HTTP 403, EPERM.
    Rejected,
    /// A signature, digest or certificate did not verify.
    Untrusted,
    /// A value, a file or a response has content that cannot be used.
    InvalidInput,
    /// The command line is wrong: exit code 1.
    Usage,
    /// The agent reported that it can never run on this host: exit code 5.
    AgentTerminal,
    /// A system call on this host failed: disk full, no permission for a file.
    Io,
}

impl Kind {
    /// The exit code of a process that ends with an error of this kind.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Kind::Interrupted => ExitCode::Success,
            Kind::Usage => ExitCode::Usage,
            Kind::AgentTerminal => ExitCode::AgentTerminal,
            _ => ExitCode::Failure,
        }
    }
}

/// The source of an [`Error`]: any error type.
pub type Source = Box<dyn StdError + Send + Sync + 'static>;

/// What failed, on what, and why. The only error type that crosses a module border; a typed detail
/// that a caller needs is its source: see [`Error::find`].
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    context: String,
    source: Option<Source>,
}

/// A result with the program's error type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error without a source.
    pub fn new(kind: Kind, context: impl Into<String>) -> Self {
        Error {
            kind,
            context: context.into(),
            source: None,
        }
    }

    /// An error with the error that caused it.
    pub fn with_source(kind: Kind, context: impl Into<String>, source: impl Into<Source>) -> Self {
        Error {
            source: Some(source.into()),
            ..Error::new(kind, context)
        }
    }

    /// An unusable value, file or answer: [`Kind::InvalidInput`].
    pub fn invalid(context: impl Into<String>) -> Self {
        Error::new(Kind::InvalidInput, context)
    }

    /// Something that is needed does not exist or does not work: [`Kind::Unavailable`].
    pub fn unavailable(context: impl Into<String>) -> Self {
        Error::new(Kind::Unavailable, context)
    }

    /// SIGTERM or SIGINT arrived.
    pub fn interrupted() -> Self {
        Error::new(Kind::Interrupted, Interrupted.to_string())
    }

    /// A wrong command line.
    pub fn usage(context: impl Into<String>) -> Self {
        Error::new(Kind::Usage, context)
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether SIGTERM or SIGINT ended the work.
    pub fn is_interrupted(&self) -> bool {
        self.kind == Kind::Interrupted
    }

    /// The same error with another kind.
    #[must_use]
    pub fn with_kind(self, kind: Kind) -> Self {
        Error { kind, ..self }
    }

    /// The exit code of the process.
    pub fn exit_code(&self) -> ExitCode {
        self.kind.exit_code()
    }

    /// The first error in the chain that is a `T`.
    pub fn find<T: StdError + 'static>(&self) -> Option<&T> {
        chain(self).find_map(|error| error.downcast_ref::<T>())
    }
}

/// The errors from `error` down to its deepest source.
fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| {
        (*error).source()
    })
}

/// Prints the whole chain on one line: `context: source: source`.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)?;
        let Some(source) = &self.source else {
            return Ok(());
        };
        for source in chain(&**source) {
            write!(f, ": {source}")?;
            // An `Error` prints the rest of the chain itself.
            if source.is::<Error>() {
                break;
            }
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The error that a read or a sleep returns after SIGTERM or SIGINT. Transports carry it inside
/// `std::io::Error`; [`Context::context`] finds it at any depth.
#[derive(Debug, Clone, Copy)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted by a signal")
    }
}

impl StdError for Interrupted {}

/// Whether [`Interrupted`] is in the chain of this error.
fn is_interrupt(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|error| {
        // `io::Error::source` skips its payload and returns the payload's source.
        let payload = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        error.is::<Interrupted>() || payload.is_some_and(|payload| is_interrupt(payload))
    })
}

/// The kind of any error: that of the first [`Error`] in its chain, otherwise [`Kind::Io`].
fn kind_of(error: &(dyn StdError + 'static)) -> Kind {
    if is_interrupt(error) {
        return Kind::Interrupted;
    }
    chain(error)
        .find_map(|error| error.downcast_ref::<Error>())
        .map_or(Kind::Io, Error::kind)
}

/// Adds what was being done to an error.
pub trait Context<T> {
    /// Wraps the error: `context` becomes its message, the error its source.
    ///
    /// # Errors
    /// The wrapped error. An [`Error`] keeps its kind, [`Interrupted`] at any depth becomes
    /// [`Kind::Interrupted`], any other error becomes [`Kind::Io`].
    fn context<S: Into<String>>(self, context: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: StdError + Send + Sync + 'static> Context<T> for Result<T, E> {
    fn context<S: Into<String>>(self, context: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|source| Error::with_source(kind_of(&source), context(), source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_prints_each_source_once() {
        let error: Result<(), io::Error> = Err(io::Error::other("no such device"));
        let error = error.context(|| "read a").context(|| "start").unwrap_err();
        assert_eq!(error.to_string(), "start: read a: no such device");
    }

    #[test]
    fn context_keeps_kind_and_interrupt() {
        let error: Result<()> = Err(Error::usage("bad command"));
        let error = error.context(|| "parse").unwrap_err();
        assert_eq!(
            (error.kind(), error.exit_code()),
            (Kind::Usage, ExitCode::Usage)
        );
        let error: Result<(), io::Error> = Err(io::Error::other(Interrupted));
        assert!(error.context(|| "wait").unwrap_err().is_interrupted());
        let error: Result<(), io::Error> = Err(io::ErrorKind::StorageFull.into());
        assert_eq!(error.context(|| "write").unwrap_err().kind(), Kind::Io);
    }
}
