//! This program for the image's architecture.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Kind, Result};
use crate::types::Architecture;

/// Reads the file that was named; else this program's own file, or the one beside it for another
/// architecture. It must be made for `architecture`.
///
/// # Errors
/// There is no such file, or it is for another machine; says how to name another.
pub fn read(named: Option<&Path>, architecture: Architecture) -> Result<Vec<u8>> {
    let path = match named {
        Some(path) => path.to_owned(),
        None if architecture == Architecture::here() => own(),
        None => beside(architecture)?,
    };
    let doing = || {
        let name = architecture.name();
        format!("take {} as ecs-init for {name}", path.display())
    };
    let bytes = fs::read(&path).context(|| format!("{}; name it with --binary", doing()))?;
    let wanted = machine(architecture);
    match elf_machine(&bytes) {
        Some(machine) if machine == wanted => Ok(bytes),
        other => {
            let what = other.map_or_else(
                || "it is no 64-bit little-endian ELF file".to_owned(),
                |other| format!("it is for ELF machine {other}, not {wanted}"),
            );
            let why = Error::new(
                Kind::InvalidInput,
                format!("{what}; name another with --binary"),
            );
            Err(Error::with_source(Kind::InvalidInput, doing(), why))
        }
    }
}

/// This program's own file; in a chroot without /proc, by the name by which it was called.
fn own() -> PathBuf {
    let own = PathBuf::from("/proc/self/exe");
    if own.exists() {
        return own;
    }
    called().unwrap_or(own)
}

/// The path by which this program was called. A bare name was found in PATH, not in this directory.
fn called() -> Option<PathBuf> {
    let called = std::env::args_os().next().map(PathBuf::from);
    called.filter(|path| path.components().count() > 1)
}

/// Where the release keeps both architectures' programs: in one directory.
fn beside(architecture: Architecture) -> Result<PathBuf> {
    let name = match architecture {
        Architecture::Amd64 => "ecs-init-x86_64",
        Architecture::Arm64 => "ecs-init-aarch64",
    };
    // Under the name by which it was called, too: that may be a link into a build's own directories.
    let places = called().into_iter().chain(std::env::current_exe());
    let mut places = places.map(|path| path.with_file_name(name));
    places.find(|path| path.is_file()).ok_or_else(|| {
        Error::new(
            Kind::InvalidInput,
            format!(
                "{name}, this program for {}, is not beside this one: name it with --binary",
                architecture.name()
            ),
        )
    })
}

/// `EM_X86_64` and `EM_AARCH64` of elf.h.
fn machine(architecture: Architecture) -> u16 {
    match architecture {
        Architecture::Amd64 => 62,
        Architecture::Arm64 => 183,
    }
}

/// `e_machine` of an ELF file (elf(5)): `ELFCLASS64`, `ELFDATA2LSB`.
fn elf_machine(bytes: &[u8]) -> Option<u16> {
    let rest = bytes.strip_prefix(b"\x7fELF\x02\x01")?;
    // At offset 18 of the file.
    Some(u16::from_le_bytes([*rest.get(12)?, *rest.get(13)?]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_is_for_this_machine() {
        let here = Architecture::here();
        let other = match here {
            Architecture::Amd64 => Architecture::Arm64,
            Architecture::Arm64 => Architecture::Amd64,
        };
        let own = Path::new("/proc/self/exe");
        assert!(read(None, here).is_ok() && read(Some(own), here).is_ok());
        let error = read(Some(own), other).unwrap_err().to_string();
        assert!(
            error.contains("ELF machine") && error.contains("--binary"),
            "{error}"
        );
        let error = read(None, other).unwrap_err().to_string();
        assert!(error.contains("--binary"), "{error}");
    }

    #[test]
    fn only_whole_heads_are_read() {
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
