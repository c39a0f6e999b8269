//! Netlink attributes (`struct nlattr`): length, type, value, padded to four bytes.

use super::bytes::ne16;

/// `NLA_F_NESTED`: the value is a list of attributes.
pub(crate) const NESTED: u16 = 1 << 15;
/// `NLA_TYPE_MASK`: the type without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const TYPE_MASK: u16 = 0x3fff;
/// The size of `struct nlattr` in bytes.
const HEADER: usize = 4;

/// Encodes a list of attributes.
#[derive(Debug, Clone, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty list.
    /// Appends an attribute whose value is `value`.
    pub fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        // No attribute of this program is near 64 KiB; the kernel rejects a length that is capped.
        let length = u16::try_from(HEADER + value.len()).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Appends a NUL-terminated string.
    pub fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.bytes(kind, &bytes)
    }

    /// Appends 32 bits in network byte order (nfnetlink).
    pub fn be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Appends 64 bits in network byte order.
    pub fn be64(&mut self, kind: u16, value: u64) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Appends 32 bits in the host's byte order (rtnetlink).
    pub fn ne32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// Appends an attribute whose value is the list that `fill` writes.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Writer)) -> &mut Self {
        let mut inner = Writer::default();
        fill(&mut inner);
        self.bytes(kind | NESTED, &inner.0)
    }

    /// The encoded list.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// A decoded list of attributes.
#[derive(Debug, Clone)]
pub struct Attributes<'a>(Vec<(u16, &'a [u8])>);

impl<'a> Attributes<'a> {
    /// Decodes attributes up to the end of `bytes`; `None` if a length exceeds it.
    pub fn read(mut bytes: &'a [u8]) -> Option<Self> {
        let mut all = Vec::new();
        while !bytes.is_empty() {
            let length = usize::from(ne16(bytes, 0)?);
            let kind = ne16(bytes, 2)? & TYPE_MASK;
            all.push((kind, bytes.get(HEADER..length)?));
            // The last attribute may lack its padding.
            bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Some(Attributes(all))
    }

    /// Type and value of each attribute, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &'a [u8])> {
        self.0.iter().copied()
    }

    /// The value of the first attribute of this type.
    pub fn get(&self, kind: u16) -> Option<&'a [u8]> {
        self.iter().find(|(k, _)| *k == kind).map(|(_, v)| v)
    }

    /// The value of the first attribute of this type, as 32 bits in network byte order.
    pub fn be32(&self, kind: u16) -> Option<u32> {
        Some(u32::from_be_bytes(self.get(kind)?.try_into().ok()?))
    }

    /// The same, as 64 bits in network byte order.
    pub fn be64(&self, kind: u16) -> Option<u64> {
        Some(u64::from_be_bytes(self.get(kind)?.try_into().ok()?))
    }

    /// The same, as 32 bits in the host's byte order.
    pub fn ne32(&self, kind: u16) -> Option<u32> {
        Some(u32::from_ne_bytes(self.get(kind)?.try_into().ok()?))
    }

    /// The same, as a string up to its NUL or its end; `None` if it is not UTF-8.
    pub fn text(&self, kind: u16) -> Option<&'a str> {
        let value = self.get(kind)?;
        let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
        std::str::from_utf8(&value[..end]).ok()
    }

    /// The same, as a list of attributes.
    pub fn nested(&self, kind: u16) -> Option<Attributes<'a>> {
        Attributes::read(self.get(kind)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_attributes_are_read_back() {
        let mut w = Writer::default();
        w.text(1, "nat").be32(2, 7).nest(3, |w| {
            w.be64(4, 1 << 40).bytes(5, &[9; 5]);
        });
        let bytes = w.finish();
        assert_eq!(bytes.len() % 4, 0);
        let read = Attributes::read(&bytes).unwrap();
        assert_eq!(read.text(1), Some("nat"));
        assert_eq!(read.be32(2), Some(7));
        let inner = read.nested(3).unwrap();
        assert_eq!(inner.be64(4), Some(1 << 40));
        assert_eq!(inner.get(5), Some(&[9; 5][..]));
        assert_eq!(read.get(9), None);
    }

    #[test]
    fn attribute_length_beyond_the_end_is_rejected() {
        for bad in [
            &[4][..],
            &[4, 0, 1],
            &[3, 0, 1, 0],
            &[0, 0, 0, 0],
            &[9, 0, 1, 0, 0, 0, 0, 0],
            &[255, 255, 1, 0],
        ] {
            assert!(Attributes::read(bad).is_none(), "{bad:?}");
        }
        // Complete, without the padding of the last attribute.
        assert!(Attributes::read(&[5, 0, 1, 0, 9]).is_some());
    }
}
