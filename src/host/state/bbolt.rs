//! Reads one value from a bbolt database (go.etcd.io/bbolt, `page.go`, `db.go`, `bucket.go`).
//!
//! ```text
//! page    id u64, flags u16, count u16, overflow u32; 1 + overflow pages of the file belong to it
//!   meta    magic, version, page size, flags: u32; root page, sequence, free list, high water
//!           mark, transaction, FNV-64a of all that: u64. Pages 0 and 1; the higher transaction wins
//!   branch  count × (pos u32, key size u32, page u64); the key is the first key of the child
//!   leaf    count × (flags u32, pos u32, key size u32, value size u32); flag 1: a bucket
//! bucket  root page u64, sequence u64; root page 0: one leaf page follows, inline
//! ```
//!
//! `pos` is relative to its element; the key is there, followed by the value. Integers are in the
//! writer's byte order, little-endian on all of the agent's architectures.
//!
//! The input is not trusted: one page of limited size is in memory at a time, and the depth of the
//! tree is limited. The agent may write at the same time; the result is then an error or no value.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

use crate::types::array_at;

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
const PAGE_HEADER: usize = 16;
/// With the checksum.
const META: usize = 64;
/// The size of an element of a branch or leaf, in bytes.
const ELEMENT: usize = 16;
const BUCKET_HEADER: usize = 16;

const BRANCH: u16 = 1;
const LEAF: u16 = 2;
/// The leaf element's value is a bucket.
const IS_BUCKET: u32 = 1;

/// The supported page sizes, in bytes.
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 512..=65536;
/// The largest page with its overflow, in bytes.
const LARGEST: u64 = 4 * 1024 * 1024;
/// The depth of a tree of 2⁶⁴ pages with two keys per branch.
const DEPTH: u32 = 64;

/// The value of `key` in the top-level bucket `bucket`.
///
/// # Errors
/// The file cannot be read; `InvalidData` or `UnexpectedEof` if it is damaged.
pub(super) fn get(file: &File, bucket: &[u8], key: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let meta = Meta::read(file)?;
    let Some((flags, found)) = meta.find(file, meta.root, bucket)? else {
        return Ok(None);
    };
    if flags & IS_BUCKET == 0 {
        return Err(damaged("a bucket's name has a value"));
    }
    let value = match u64_at(&found, 0)? {
        0 => {
            let inline = found.get(BUCKET_HEADER..);
            Page(inline.unwrap_or_default()).leaf(key)?
        }
        root => meta.find(file, root, key)?,
    };
    Ok(value
        .filter(|(flags, _)| flags & IS_BUCKET == 0)
        .map(|(_, value)| value))
}

/// A meta page.
struct Meta {
    page_size: u32,
    root: u64,
    transaction: u64,
}

/// A leaf element's flags and value.
type Value = (u32, Vec<u8>);

impl Meta {
    /// The valid meta page with the higher transaction. The offset of the second depends on the
    /// page size, which is in the first if that is valid.
    fn read(file: &File) -> io::Result<Meta> {
        let first = Meta::at(file, 0);
        let mut sizes = (9..=16).map(|bits| 1 << bits);
        let second = match &first {
            Ok(meta) => Meta::at(file, meta.page_size),
            Err(_) => sizes
                .find_map(|size| Meta::at(file, size).ok().filter(|m| m.page_size == size))
                .ok_or_else(|| damaged("no valid meta page")),
        };
        match (first, second) {
            (Ok(a), Ok(b)) if b.transaction > a.transaction => Ok(b),
            (Ok(a), _) => Ok(a),
            (Err(why), Err(_)) => Err(why),
            (Err(_), second) => second,
        }
    }

    fn at(file: &File, offset: u32) -> io::Result<Meta> {
        let mut bytes = [0; PAGE_HEADER + META];
        file.read_exact_at(&mut bytes, offset.into())?;
        let bytes = &bytes[PAGE_HEADER..];
        let page_size = u32_at(bytes, 8)?;
        let valid = u32_at(bytes, 0)? == MAGIC
            && u32_at(bytes, 4)? == VERSION
            && u64_at(bytes, 56)? == fnv64a(&bytes[..56])
            && page_size.is_power_of_two()
            && PAGE_SIZES.contains(&page_size);
        if !valid {
            return Err(damaged("no valid meta page"));
        }
        Ok(Meta {
            page_size,
            root: u64_at(bytes, 16)?,
            transaction: u64_at(bytes, 48)?,
        })
    }

    /// Searches the tree below the page `root`.
    fn find(&self, file: &File, root: u64, key: &[u8]) -> io::Result<Option<Value>> {
        let mut id = root;
        for _ in 0..DEPTH {
            let bytes = self.page(file, id)?;
            let page = Page(&bytes);
            match page.flags()? {
                BRANCH => id = page.child(key)?,
                LEAF => return page.leaf(key),
                _ => return Err(damaged("a page that is neither branch nor leaf")),
            }
        }
        Err(damaged("a cycle of pages"))
    }

    fn page(&self, file: &File, id: u64) -> io::Result<Vec<u8>> {
        let size = u64::from(self.page_size);
        let offset = id.checked_mul(size).ok_or_else(out_of_bounds)?;
        let mut header = [0; PAGE_HEADER];
        file.read_exact_at(&mut header, offset)?;
        if u64_at(&header, 0)? != id {
            return Err(damaged("a page with a wrong ID"));
        }
        let length = (u64::from(u32_at(&header, 12)?) + 1) * size;
        // Do not allocate more than the file has.
        let left = file.metadata()?.len().saturating_sub(offset);
        if length > left.min(LARGEST) {
            return Err(damaged("an oversized page"));
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }
}

/// A page with its header.
struct Page<'a>(&'a [u8]);

impl<'a> Page<'a> {
    fn flags(&self) -> io::Result<u16> {
        u16_at(self.0, 8)
    }

    /// The offsets of the elements in the page.
    fn elements(&self) -> io::Result<impl Iterator<Item = usize> + use<>> {
        let count = u16_at(self.0, 10)?;
        Ok((0..usize::from(count)).map(|n| PAGE_HEADER + n * ELEMENT))
    }

    fn slice(&self, from: usize, offset: u32, length: u32) -> io::Result<&'a [u8]> {
        let from = from.checked_add(offset as usize);
        let to = from.and_then(|from| from.checked_add(length as usize));
        let range = from.zip(to).and_then(|(from, to)| self.0.get(from..to));
        range.ok_or_else(out_of_bounds)
    }

    /// The child page for a key: the last whose first key is not greater, or the first.
    fn child(&self, key: &[u8]) -> io::Result<u64> {
        let mut child = None;
        for at in self.elements()? {
            let first = self.slice(at, u32_at(self.0, at)?, u32_at(self.0, at + 4)?)?;
            if child.is_some() && first > key {
                break;
            }
            child = Some(u64_at(self.0, at + 8)?);
        }
        child.ok_or_else(|| damaged("a branch page without a child"))
    }

    fn leaf(&self, key: &[u8]) -> io::Result<Option<Value>> {
        if self.flags()? != LEAF {
            return Err(damaged("an inline page that is not a leaf"));
        }
        for at in self.elements()? {
            let (pos, size) = (u32_at(self.0, at + 4)?, u32_at(self.0, at + 8)?);
            if self.slice(at, pos, size)? == key {
                let pos = pos.checked_add(size).ok_or_else(out_of_bounds)?;
                let value = self.slice(at, pos, u32_at(self.0, at + 12)?)?;
                return Ok(Some((u32_at(self.0, at)?, value.to_vec())));
            }
        }
        Ok(None)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> io::Result<u16> {
    let bytes = array_at(bytes, at).ok_or_else(out_of_bounds)?;
    Ok(u16::from_le_bytes(bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> io::Result<u32> {
    let bytes = array_at(bytes, at).ok_or_else(out_of_bounds)?;
    Ok(u32::from_le_bytes(bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> io::Result<u64> {
    let bytes = array_at(bytes, at).ok_or_else(out_of_bounds)?;
    Ok(u64::from_le_bytes(bytes))
}

/// The Fowler-Noll-Vo hash, 1a, 64 bits (draft-eastlake-fnv).
fn fnv64a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn out_of_bounds() -> io::Error {
    damaged("an offset outside of the file")
}

fn damaged(why: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}
