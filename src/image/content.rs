//! The content of a tar: its entries, and the content of small ones. Nothing is unpacked, and every
//! size is limited.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use flate2::read::MultiGzDecoder;
use tar::Archive;

use super::ImageError;
use super::entries::{Item, index, normalized};
use super::limited::{Limited, unreadable};

/// The largest JSON entry, in bytes.
const MAX_JSON: u64 = 4 * 1024 * 1024;

/// The largest size of a decompressed gzip file, in bytes. The agent's image has a tenth of it.
const MAX_DECOMPRESSED: u64 = 4 * 1024 * 1024 * 1024;

/// The entries of a tar by name. Of two entries with the same name the last is used, as by tar(1).
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
        self.items.get(normalized(name)).copied()
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
        let reader = MultiGzDecoder::new(self.file.by_ref().take(self.length));
        let left = self.decompressed_limit;
        Limited { reader, left }
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
