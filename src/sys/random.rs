//! Random numbers from the kernel, for jitter and for unique file names. Not used for secrets.

use std::io;

use super::errno::retry_if_interrupted;

/// 64 random bits, from getrandom(2).
///
/// # Errors
/// From getrandom(2), except EINTR, which is retried.
pub fn random() -> io::Result<u64> {
    let mut bytes = [0u8; 8];
    loop {
        // SAFETY: `bytes` is writable for the length given and outlives the call.
        let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        match usize::try_from(got) {
            // Reads of up to 256 bytes are never short once the pool is ready (getrandom(2)).
            Ok(got) if got == bytes.len() => return Ok(u64::from_ne_bytes(bytes)),
            Ok(_) => {}
            Err(_) => retry_if_interrupted()?,
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_random_numbers_differ() {
        assert_ne!(super::random().unwrap(), super::random().unwrap());
    }
}
