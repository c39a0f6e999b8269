//! A file that need not exist.

use std::io;

/// `None` if the result is that the file was not found.
///
/// # Errors
/// Any other error of the result.
pub(crate) fn if_exists<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
