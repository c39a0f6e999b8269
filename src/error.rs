//! One error for the whole program: what was being done, why it failed, and with which code the
//! process ends.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;

/// The exit-code table. The reference's codes where it has them.
///
/// | code | meaning |
/// |---|---|
/// | 0 | done; or the agent ended with 0; or a SIGTERM or SIGINT was obeyed |
/// | 1 | the command line was wrong: usage on stderr |
/// | 5 | the agent said that it can never work here (its own exit 5): do not restart it |
/// | 255 | anything else that failed; the error is on stderr |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Success,
    /// The command line was wrong.
    Usage,
    /// The agent's terminal failure; units name it in `RestartPreventExitStatus=5`.
    AgentTerminal,
    /// Any other failure.
    Failure,
}

impl Exit {
    /// The process exit status.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Usage => 1,
            Exit::AgentTerminal => 5,
            Exit::Failure => 255,
        }
    }
}

/// The cause of an [`Error`], whatever its type.
pub type Cause = Box<dyn StdError + Send + Sync + 'static>;

/// What was being done, why it failed, how the process ends.
#[derive(Debug)]
pub struct Error {
    message: String,
    cause: Option<Cause>,
    exit: Exit,
    stopped: bool,
}

/// The program's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure (exit 255) that explains itself.
    pub fn new(message: impl Into<String>) -> Self {
        Error {
            message: message.into(),
            cause: None,
            exit: Exit::Failure,
            stopped: false,
        }
    }

    /// A failure while doing something, and its cause.
    pub fn caused(doing: impl Into<String>, cause: impl Into<Cause>) -> Self {
        let cause = cause.into();
        // What an inner error decided about the end of the process stays decided.
        let (exit, stopped) = match cause.downcast_ref::<Error>() {
            Some(inner) => (inner.exit, inner.stopped),
            None => (Exit::Failure, cause.downcast_ref::<Stopped>().is_some()),
        };
        Error {
            message: doing.into(),
            cause: Some(cause),
            exit,
            stopped,
        }
    }

    /// A wrong command line (exit 1).
    pub fn usage(message: impl Into<String>) -> Self {
        Error {
            exit: Exit::Usage,
            ..Error::new(message)
        }
    }

    /// SIGTERM or SIGINT arrived while something was under way. Not a failure: verbs end with 0.
    #[must_use]
    pub fn stopped() -> Self {
        Error {
            stopped: true,
            ..Error::new("stopped by a signal")
        }
    }

    /// Whether this is the way out after a SIGTERM or SIGINT, not a failure.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// The same error with another exit code.
    #[must_use]
    pub fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// How the process ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// The first cause in the chain that is a `T`.
    #[must_use]
    pub fn find<T: StdError + 'static>(&self) -> Option<&T> {
        let mut next: Option<&(dyn StdError + 'static)> = Some(self);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<T>() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }
}

/// Prints the whole chain on one line: `what: why: why`.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut next = self.cause.as_deref().map(|c| c as &dyn StdError);
        while let Some(cause) = next {
            // An `Error` prints its own causes; going on below it would say them twice.
            write!(f, ": {cause}")?;
            if cause.is::<Error>() {
                break;
            }
            next = cause.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|c| c as _)
    }
}

/// The cause that a waiting read or sleep gives up with after a SIGTERM or SIGINT. Transports
/// carry it through `std::io::Error`; [`Context::doing`] recognises it at any depth.
#[derive(Debug, Clone, Copy)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped by a signal")
    }
}

impl StdError for Stopped {}

/// Whether `Stopped` lies somewhere below this error.
fn is_stop(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(e) = next {
        if e.is::<Stopped>() {
            return true;
        }
        // `io::Error` hides a custom payload from `source()`: its source is the payload's source.
        if let Some(io) = e.downcast_ref::<std::io::Error>()
            && let Some(inner) = io.get_ref()
            && is_stop(inner)
        {
            return true;
        }
        next = e.source();
    }
    false
}

/// Says what was being done when a result turned out an error.
pub trait Context<T> {
    /// Wraps the error: `doing` becomes its message, the error its cause.
    ///
    /// # Errors
    /// The wrapped one; exit code and "stopped" are kept.
    fn doing<S: Into<String>>(self, doing: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: StdError + Send + Sync + 'static> Context<T> for Result<T, E> {
    fn doing<S: Into<String>>(self, doing: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|e| {
            let stopped = (&e as &dyn Any)
                .downcast_ref::<Error>()
                .map_or_else(|| is_stop(&e), Error::is_stopped);
            let mut error = Error::caused(doing(), e);
            error.stopped = stopped;
            error
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn the_chain_is_one_line_and_says_nothing_twice() {
        let e: Result<(), io::Error> = Err(io::Error::other("no such device"));
        let e = e.doing(|| "read a").doing(|| "start").unwrap_err();
        assert_eq!(e.to_string(), "start: read a: no such device");
    }

    #[test]
    fn exit_code_and_stop_survive_wrapping() {
        let e: Result<()> = Err(Error::usage("bad verb"));
        assert_eq!(e.doing(|| "parse").unwrap_err().exit(), Exit::Usage);
        let e: Result<(), io::Error> = Err(io::Error::other(Stopped));
        assert!(e.doing(|| "wait").unwrap_err().is_stopped());
    }
}
