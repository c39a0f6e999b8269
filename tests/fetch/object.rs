//! An object that the server serves like S3.

use super::server::{Reply, Request};

/// A version of an object in S3.
#[derive(Debug, Clone)]
pub struct Object {
    pub content: Vec<u8>,
    pub etag: Option<&'static str>,
    pub modified: Option<&'static str>,
}

impl Object {
    /// `size` bytes that differ for each `seed`.
    pub fn new(size: usize, seed: u8, etag: &'static str) -> Object {
        let byte = |i: usize| u8::try_from(i / 251 % 256).unwrap() ^ seed;
        Object {
            content: (0..size).map(byte).collect(),
            etag: Some(etag),
            modified: None,
        }
    }

    /// Responds like S3: with a part if a range is requested and the version is the same.
    pub fn get(&self, request: &Request) -> Reply {
        let wanted = request
            .header("range")
            .and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok())
            .filter(|_| {
                let same = request.header("if-range");
                same.is_none() || same == self.etag || same == self.modified
            });
        let size = self.content.len();
        let mut reply = match wanted {
            None => Reply::new(200, self.content.clone()),
            Some(from) if from >= size => Reply::new(416, ""),
            Some(from) => Reply::new(206, &self.content[from..])
                .with("Content-Range", format!("bytes {from}-{}/{size}", size - 1)),
        };
        if let Some(etag) = self.etag {
            reply = reply.with("ETag", etag);
        }
        if let Some(modified) = self.modified {
            reply = reply.with("Last-Modified", modified);
        }
        reply
    }
}
