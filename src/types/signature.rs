//! The detached OpenPGP signature of a tar: a file next to it, with `.asc` appended to its name.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};
use crate::fs::if_exists;
use crate::sys::file::open_regular;

/// The largest accepted signature, in bytes. Real ones have a few hundred.
pub(crate) const SIGNATURE_LIMIT: u64 = 64 * 1024;

/// The path of a tar's signature.
pub(crate) fn signature_path(tar: &Path) -> PathBuf {
    let mut path = tar.as_os_str().to_owned();
    path.push(".asc");
    path.into()
}

/// Reads a signature; `None` if the file does not exist.
///
/// # Errors
/// The file cannot be read, or is longer than [`SIGNATURE_LIMIT`].
pub(crate) fn read_signature(path: &Path) -> Result<Option<Vec<u8>>> {
    let context = || format!("read the signature {}", path.display());
    let Some(file) = if_exists(open_regular(path)).context(context)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(SIGNATURE_LIMIT + 1)
        .read_to_end(&mut bytes)
        .context(context)?;
    if bytes.len() as u64 > SIGNATURE_LIMIT {
        return Err(Error::invalid(format!(
            "not a signature: {} is longer than {SIGNATURE_LIMIT} bytes",
            path.display()
        )));
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::testing::TempDir;
    use std::fs;

    #[test]
    fn signature_longer_than_limit_is_rejected() {
        let dir = TempDir::new("signature");
        let path = dir.path().join("x.asc");
        assert!(read_signature(&path).unwrap().is_none());
        let mut bytes = vec![0; usize::try_from(SIGNATURE_LIMIT).unwrap()];
        fs::write(&path, &bytes).unwrap();
        assert!(read_signature(&path).unwrap().is_some());
        bytes.push(0);
        fs::write(&path, &bytes).unwrap();
        let error = read_signature(&path).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput);
    }
}
