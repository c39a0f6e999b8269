//! Unpacks a plain ustar archive: the job that the harness hands over as a
//! disk. Only what its writer makes: directories and regular files.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path};

const BLOCK: usize = 512;

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("job disk: {what}"))
}

fn octal(field: &[u8]) -> io::Result<u64> {
    let text = std::str::from_utf8(field).map_err(|_| wrong("a number is not octal"))?;
    u64::from_str_radix(text.trim_matches(['\0', ' ']), 8)
        .map_err(|_| wrong("a number is not octal"))
}

/// Unpacks everything below `to`, over what is there.
///
/// # Errors
/// `InvalidData` for what is no such archive, else what reading or writing gave.
pub fn unpack(mut from: impl Read, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let mut header = [0; BLOCK];
    loop {
        from.read_exact(&mut header)?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        if &header[257..262] != b"ustar" {
            return Err(wrong("not a ustar header"));
        }
        let name = header[..100].split(|byte| *byte == 0).next().unwrap_or(&[]);
        let name = Path::new(std::str::from_utf8(name).map_err(|_| wrong("a name is not text"))?);
        if !name
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
        {
            return Err(wrong("a name leads out"));
        }
        let path = to.join(name);
        let mode = u32::try_from(octal(&header[100..108])?).map_err(|_| wrong("a mode"))?;
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
                    return Err(wrong("cut short"));
                }
                file.flush()?;
                fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
                let padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
                io::copy(&mut from.by_ref().take(padding), &mut io::sink())?;
            }
            _ => return Err(wrong("neither file nor directory")),
        }
    }
}
