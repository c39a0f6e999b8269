//! This program for the image's architecture.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Kind, Result};
use crate::types::{Architecture, array_at};

/// Reads the program for `architecture`: the file of `--binary`, else the running program, or the
/// one for another architecture in its directory.
///
/// # Errors
/// The file cannot be read or is for another architecture. The message mentions `--binary`.
pub(super) fn read(option: Option<&Path>, architecture: Architecture) -> Result<Vec<u8>> {
    let path = match option {
        Some(path) => path.to_owned(),
        None if architecture == Architecture::native() => running(),
        None => in_same_directory(architecture)?,
    };
    let context = || format!("read the program {} (see --binary)", path.display());
    let bytes = fs::read(&path).context(context)?;
    let wanted = elf_constant(architecture);
    let why = match elf_machine(&bytes) {
        Some(machine) if machine == wanted => return Ok(bytes),
        Some(machine) => format!("built for ELF machine {machine}, not {wanted}"),
        None => "not a 64-bit little-endian ELF file".to_owned(),
    };
    let why = Error::invalid(why);
    Err(Error::with_source(Kind::InvalidInput, context(), why))
}

/// The running program. In a chroot without /proc, the path by which it was called.
fn running() -> PathBuf {
    let exe = PathBuf::from("/proc/self/exe");
    if exe.exists() {
        return exe;
    }
    called_as().unwrap_or(exe)
}

/// The path by which the program was called; `None` if that was a bare name, found in `PATH`.
fn called_as() -> Option<PathBuf> {
    let name = std::env::args_os().next().map(PathBuf::from);
    name.filter(|path| path.components().count() > 1)
}

/// The program for another architecture, as the release names it.
fn in_same_directory(architecture: Architecture) -> Result<PathBuf> {
    let name = match architecture {
        Architecture::Amd64 => "ecs-init-x86_64",
        Architecture::Arm64 => "ecs-init-aarch64",
    };
    // The program may be called through a link in the release's directory.
    let paths = called_as().into_iter().chain(std::env::current_exe());
    let mut paths = paths.map(|path| path.with_file_name(name));
    paths.find(|path| path.is_file()).ok_or_else(|| {
        let why = format!("{name} is not in the directory of this program: use --binary");
        Error::unavailable(why)
    })
}

/// `EM_X86_64` and `EM_AARCH64` of elf.h.
fn elf_constant(architecture: Architecture) -> u16 {
    match architecture {
        Architecture::Amd64 => 62,
        Architecture::Arm64 => 183,
    }
}

/// `e_machine` of an ELF file (elf(5)): `ELFCLASS64`, `ELFDATA2LSB`.
fn elf_machine(bytes: &[u8]) -> Option<u16> {
    let is_elf = bytes.starts_with(b"\x7fELF\x02\x01");
    is_elf.then(|| array_at(bytes, 18).map(u16::from_le_bytes))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_is_for_the_architecture() {
        let native = Architecture::native();
        let other = match native {
            Architecture::Amd64 => Architecture::Arm64,
            Architecture::Arm64 => Architecture::Amd64,
        };
        let own = Path::new("/proc/self/exe");
        assert!(read(None, native).is_ok() && read(Some(own), native).is_ok());
        let error = read(Some(own), other).unwrap_err().to_string();
        assert!(
            error.contains("ELF machine") && error.contains("--binary"),
            "{error}"
        );
        let error = read(None, other).unwrap_err().to_string();
        assert!(error.contains("--binary"), "{error}");
    }

    #[test]
    fn short_elf_headers_are_rejected() {
        for bytes in [
            &b""[..],
            b"\x7fELF\x02\x01",
            b"#!/bin/sh\n",
            b"\x7fELF\x01\x01aaaaaaaaaaaaaa",
        ] {
            assert_eq!(elf_machine(bytes), None, "{bytes:?}");
        }
    }
}
