//! Random numbers from the kernel, for jitter and for names that nobody else takes. Nothing
//! secret hangs on them.

use std::io;

/// Sixty-four random bits, from getrandom(2).
///
/// # Errors
/// What the kernel answered; EINTR is tried again.
pub fn random() -> io::Result<u64> {
    let mut bytes = [0u8; 8];
    loop {
        // SAFETY: the buffer is valid for its length, and the kernel writes no further.
        let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        match usize::try_from(got) {
            // Reads of up to 256 bytes are never short once the pool is ready (getrandom(2)).
            Ok(got) if got == bytes.len() => return Ok(u64::from_ne_bytes(bytes)),
            Ok(_) => {}
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_are_not_the_same() {
        assert_ne!(super::random().unwrap(), super::random().unwrap());
    }
}
