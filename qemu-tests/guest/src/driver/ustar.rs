//! Unpacks the job, a ustar archive on a disk, with directories and regular files only.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path};

const BLOCK: usize = 512;

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("job disk: {what}"))
}

fn octal(field: &[u8]) -> io::Result<u64> {
    let text = std::str::from_utf8(field).map_err(|_| invalid("invalid octal number"))?;
    u64::from_str_radix(text.trim_matches(['\0', ' ']), 8)
        .map_err(|_| invalid("invalid octal number"))
}

/// Unpacks everything below `to`, replacing existing files.
///
/// # Errors
/// `InvalidData` for an invalid archive, else errors of reading or writing.
pub fn unpack(mut from: impl Read, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let mut header = [0; BLOCK];
    loop {
        from.read_exact(&mut header)?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        if &header[257..262] != b"ustar" {
            return Err(invalid("not a ustar header"));
        }
        let name = header[..100].split(|byte| *byte == 0).next().unwrap_or(&[]);
        let name =
            Path::new(std::str::from_utf8(name).map_err(|_| invalid("a name is not UTF-8"))?);
        if !name
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
        {
            return Err(invalid("a name outside of the target"));
        }
        let path = to.join(name);
        let mode = u32::try_from(octal(&header[100..108])?).map_err(|_| invalid("invalid mode"))?;
        let size = octal(&header[124..136])?;
        match header[156] {
            b'5' => fs::create_dir_all(&path)?,
            b'0' | 0 => {
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent)?;
                }
                let mut file = OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(mode)
                    .open(&path)?;
                let copied = io::copy(&mut from.by_ref().take(size), &mut file)?;
                if copied != size {
                    return Err(invalid("truncated"));
                }
                file.flush()?;
                fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
                let padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
                io::copy(&mut from.by_ref().take(padding), &mut io::sink())?;
            }
            _ => return Err(invalid("neither file nor directory")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One header block, tar(5), without a valid checksum.
    fn header(name: &str, size: usize, kind: u8) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..108].copy_from_slice(b"0000755\0");
        block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        block[156] = kind;
        block[257..263].copy_from_slice(b"ustar\0");
        block
    }

    fn place(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("ustar-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    #[test]
    fn files_have_content_and_mode() {
        let mut archive = header("a/b", 3, b'0');
        archive.extend_from_slice(b"xyz");
        archive.resize(2 * BLOCK, 0);
        archive.extend(header("c", 0, b'0'));
        archive.resize(5 * BLOCK, 0);
        let to = place("files");
        unpack(archive.as_slice(), &to).unwrap();
        assert_eq!(fs::read(to.join("a/b")).unwrap(), b"xyz");
        let mode = fs::metadata(to.join("a/b")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
        assert_eq!(fs::read(to.join("c")).unwrap(), b"");
        fs::remove_dir_all(to).unwrap();
    }

    #[test]
    fn names_outside_of_the_target_are_rejected() {
        for name in ["../a", "/a", "a/../../b"] {
            let mut archive = header(name, 0, b'0');
            archive.resize(3 * BLOCK, 0);
            let to = place("out");
            let error = unpack(archive.as_slice(), &to).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{name}");
        }
    }

    #[test]
    fn truncated_archive_is_an_error() {
        let mut archive = header("a", 600, b'0');
        archive.extend_from_slice(b"too short");
        assert!(unpack(archive.as_slice(), &place("cut")).is_err());
    }
}
