//! Reads the headers of a tar: names, kinds and offsets of its entries.
//!
//! Long-name extensions are resolved here: the `tar` crate reads extensions of any size into
//! memory.

use std::collections::BTreeMap;
use std::io::{self, Read};

use tar::{Entry, EntryType, PaxExtensions};

use super::ImageError;
use super::limited::unreadable;

/// The most entries. The agent's image has about twenty.
const MAX_ENTRIES: usize = 10_000;

/// The largest name extension, in bytes.
const MAX_EXTENSION: u64 = 64 * 1024;

/// An entry that a manifest can refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    /// A file: the offset of its content in the decompressed tar, and its size, in bytes.
    File { at: u64, size: u64 },
    /// A link: old versions of Docker wrote duplicate layers as links, and follow them.
    Link,
}

/// Indexes the entries. `length` is the length of a tar that is read with seeks, which do not
/// detect its end.
pub(super) fn index<'a, R: Read + 'a>(
    entries: impl Iterator<Item = io::Result<Entry<'a, R>>>,
    length: Option<u64>,
) -> Result<BTreeMap<String, Item>, ImageError> {
    let mut items = BTreeMap::new();
    let mut long_name = None;
    for (count, entry) in entries.enumerate() {
        if count == MAX_ENTRIES {
            return Err(ImageError::TooLarge(format!(
                "more than {MAX_ENTRIES} entries"
            )));
        }
        let mut entry = entry.map_err(unreadable)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let (at, size) = (entry.raw_file_position(), entry.header().entry_size());
        let size = size.map_err(unreadable)?;
        if length.is_some_and(|length| at.checked_add(size).is_none_or(|end| end > length)) {
            return Err(ImageError::Truncated(name));
        }
        match entry.header().entry_type() {
            EntryType::GNULongName => {
                let bytes = extension(&mut entry, &name, size)?;
                let name = bytes.split(|&b| b == 0).next().unwrap_or_default();
                long_name = Some(String::from_utf8_lossy(name).into_owned());
            }
            EntryType::XHeader => {
                let bytes = extension(&mut entry, &name, size)?;
                long_name = pax_path(&name, &bytes)?.or(long_name);
            }
            EntryType::GNULongLink | EntryType::XGlobalHeader => {}
            kind => {
                let name = long_name.take().unwrap_or(name);
                let item = match kind {
                    EntryType::Regular | EntryType::Continuous => Item::File { at, size },
                    EntryType::Link | EntryType::Symlink => Item::Link,
                    // Manifests do not refer to directories and other kinds.
                    _ => continue,
                };
                items.insert(normalized(&name).to_owned(), item);
            }
        }
    }
    Ok(items)
}

/// The content of an extension header.
fn extension<R: Read>(
    entry: &mut Entry<'_, R>,
    name: &str,
    size: u64,
) -> Result<Vec<u8>, ImageError> {
    if size > MAX_EXTENSION {
        return Err(ImageError::TooLarge(format!(
            "a name extension ({name:?}) of {size} bytes"
        )));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// The `path` of a pax extended header (POSIX.1-2017, pax, "pax Header Block").
fn pax_path(name: &str, bytes: &[u8]) -> Result<Option<String>, ImageError> {
    let mut path = None;
    for record in PaxExtensions::new(bytes) {
        let record = record
            .map_err(|e| ImageError::malformed(name, format!("is not a pax header ({e})")))?;
        match record.key_bytes() {
            b"path" => path = Some(String::from_utf8_lossy(record.value_bytes()).into_owned()),
            // It would move the following entries; only files of 8 GiB and more need it.
            b"size" => {
                return Err(ImageError::malformed(
                    name,
                    "overrides the size of an entry",
                ));
            }
            _ => {}
        }
    }
    Ok(path)
}

/// A name without leading `/` and `./`, which unpacking ignores.
pub(super) fn normalized(name: &str) -> &str {
    let mut name = name;
    while let Some(rest) = name.strip_prefix("./").or_else(|| name.strip_prefix('/')) {
        name = rest;
    }
    name
}
