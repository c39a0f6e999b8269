//! The entries of a tar, from one pass over its headers. Nothing is unpacked, and every size is
//! limited.
//!
//! Long-name extensions are resolved here: the `tar` crate reads extensions of any size into memory.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::io::{self, Read, Seek, SeekFrom};

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::ImageError;

/// The most entries. The agent's image has about twenty.
const MAX_ENTRIES: usize = 10_000;

/// The largest JSON entry, in bytes.
const MAX_JSON: u64 = 4 * 1024 * 1024;

/// The largest name extension, in bytes.
const MAX_EXTENSION: u64 = 64 * 1024;

/// The largest size of a decompressed gzip file, in bytes. The agent's image has a tenth of it.
const MAX_DECOMPRESSED: u64 = 4 * 1024 * 1024 * 1024;

/// An entry that a manifest can refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    /// A file: the offset of its content in the decompressed tar, and its size, in bytes.
    File { at: u64, size: u64 },
    /// A link: old versions of Docker wrote duplicate layers as links, and follow them.
    Link,
}

/// The entries of a tar by name. Of two with one name the later counts, as when unpacked.
pub(super) struct Content<R> {
    file: R,
    length: u64,
    gzip: bool,
    decompressed_limit: u64,
    items: BTreeMap<String, Item>,
}

impl<R: Read + Seek> Content<R> {
    /// Reads the headers of a tar of `length` bytes.
    pub(super) fn read(file: R, length: u64) -> Result<Self, ImageError> {
        Content::read_limited(file, length, MAX_DECOMPRESSED)
    }

    fn read_limited(mut file: R, length: u64, decompressed_limit: u64) -> Result<Self, ImageError> {
        let mut magic = Vec::new();
        file.by_ref()
            .take(2)
            .read_to_end(&mut magic)
            .and_then(|_| file.rewind())
            .map_err(ImageError::Unreadable)?;
        let gzip = magic == [0x1f, 0x8b]; // RFC 1952, section 2.3.1.
        let mut content = Content {
            file,
            length,
            gzip,
            decompressed_limit,
            items: BTreeMap::new(),
        };
        content.items = if gzip {
            let mut limited = content.decompressed();
            let mut archive = Archive::new(&mut limited);
            let items = archive
                .entries()
                .map_err(ImageError::Unreadable)
                .and_then(|e| index(e.raw(true), None))?;
            // The gzip checksum is after the end of the tar.
            io::copy(&mut limited, &mut io::sink()).map_err(unreadable)?;
            items
        } else {
            let mut archive = Archive::new(&mut content.file);
            let entries = archive
                .entries_with_seek()
                .map_err(ImageError::Unreadable)?;
            index(entries.raw(true), Some(length))?
        };
        Ok(content)
    }

    /// The entry with this name.
    pub(super) fn get(&self, name: &str) -> Option<Item> {
        self.items.get(plain_name(name)).copied()
    }

    /// The content of a JSON entry, at most [`MAX_JSON`] bytes.
    pub(super) fn json(
        &mut self,
        name: &str,
        wanted_by: &'static str,
    ) -> Result<Vec<u8>, ImageError> {
        let (at, size) = match self.get(name) {
            Some(Item::File { at, size }) => (at, size),
            Some(Item::Link) => {
                return Err(ImageError::malformed(name, "is a link, not a file"));
            }
            None => {
                return Err(ImageError::MissingEntry {
                    entry: name.to_owned(),
                    wanted_by,
                });
            }
        };
        if size > MAX_JSON {
            let why = format!("has {size} bytes, more than {MAX_JSON}");
            return Err(ImageError::malformed(name, why));
        }
        let mut bytes = Vec::new();
        if self.gzip {
            self.file.rewind().map_err(ImageError::Unreadable)?;
            let mut reader = self.decompressed();
            io::copy(&mut reader.by_ref().take(at), &mut io::sink()).map_err(unreadable)?;
            reader
                .take(size)
                .read_to_end(&mut bytes)
                .map_err(unreadable)?;
        } else {
            self.file
                .seek(SeekFrom::Start(at))
                .and_then(|_| self.file.by_ref().take(size).read_to_end(&mut bytes))
                .map_err(ImageError::Unreadable)?;
        }
        if bytes.len() as u64 == size {
            Ok(bytes)
        } else {
            Err(ImageError::Truncated(name.to_owned()))
        }
    }

    fn decompressed(&mut self) -> Limited<MultiGzDecoder<io::Take<&mut R>>> {
        Limited {
            reader: MultiGzDecoder::new(self.file.by_ref().take(self.length)),
            left: self.decompressed_limit,
        }
    }
}

/// Indexes the entries. `length` is the length of a tar that is read with seeks, which do not
/// detect its end.
fn index<'a, R: Read + 'a>(
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
                items.insert(plain_name(&name).to_owned(), item);
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
fn plain_name(name: &str) -> &str {
    let mut name = name;
    while let Some(rest) = name.strip_prefix("./").or_else(|| name.strip_prefix('/')) {
        name = rest;
    }
    name
}

/// Converts a read error; [`OverLimit`] becomes [`ImageError::TooLarge`].
fn unreadable(error: io::Error) -> ImageError {
    if error
        .get_ref()
        .is_some_and(<dyn StdError + Send + Sync>::is::<OverLimit>)
    {
        ImageError::TooLarge("more than 4 GiB when decompressed".to_owned())
    } else {
        ImageError::Unreadable(error)
    }
}

/// Fails after `left` bytes.
struct Limited<R> {
    reader: R,
    left: u64,
}

#[derive(Debug)]
struct OverLimit;

impl std::fmt::Display for OverLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("larger than allowed when decompressed")
    }
}

impl StdError for OverLimit {}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buf)?;
        self.left = self
            .left
            .checked_sub(n as u64)
            .ok_or_else(|| io::Error::other(OverLimit))?;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn zipped(tar: &[u8]) -> io::Cursor<Vec<u8>> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(tar).unwrap();
        io::Cursor::new(encoder.finish().unwrap())
    }

    #[test]
    fn gzip_bomb_stops_at_limit() {
        const LIMIT: u64 = 100_000;
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(200_000);
        builder
            .append_data(&mut header, "layer", vec![0; 200_000].as_slice())
            .unwrap();
        let within_entry = builder.into_inner().unwrap();
        let after_end = vec![0; 200_000];
        for tar in [within_entry, after_end] {
            let bomb = zipped(&tar);
            let length = bomb.get_ref().len() as u64;
            let limited = Content::read_limited(bomb.clone(), length, LIMIT).map(|_| ());
            assert!(
                matches!(limited, Err(ImageError::TooLarge(_))),
                "{limited:?}"
            );
            let large_enough = Content::read_limited(bomb, length, tar.len() as u64);
            assert!(large_enough.is_ok());
        }
    }
}
