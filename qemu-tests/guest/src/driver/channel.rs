//! The channel to the harness: lines over a virtio-serial port or over standard input and output.

use crate::sys;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::thread::sleep;
use std::time::Duration;

/// The name of the guest's port.
const PORT: &str = "ecs-init.driver";

/// The meaning of an end of input.
enum End {
    /// The harness has ended.
    Final,
    /// The harness has disconnected; another connects after a restore.
    Pause,
}

/// Reads and writes lines.
pub struct Channel {
    input: File,
    output: File,
    pending: Vec<u8>,
    end: End,
}

impl Channel {
    /// Standard input and output.
    ///
    /// # Errors
    /// Errors of duplicating the descriptors.
    pub fn stdio() -> io::Result<Self> {
        Ok(Self {
            input: File::from(io::stdin().as_fd().try_clone_to_owned()?),
            output: File::from(io::stdout().as_fd().try_clone_to_owned()?),
            pending: Vec::new(),
            end: End::Final,
        })
    }

    /// The virtio-serial port named [`PORT`].
    ///
    /// # Errors
    /// `NotFound` if the machine has no such port.
    pub fn virtio() -> io::Result<Self> {
        let class = "/sys/class/virtio-ports";
        // The ports appear a moment after the module is loaded.
        for _ in 0..3000 {
            for entry in fs::read_dir(class)? {
                let entry = entry?;
                let name = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
                if name.trim() == PORT {
                    let device = std::path::Path::new("/dev").join(entry.file_name());
                    let input = OpenOptions::new().read(true).write(true).open(device)?;
                    let output = input.try_clone()?;
                    return Ok(Self {
                        input,
                        output,
                        pending: Vec::new(),
                        end: End::Pause,
                    });
                }
            }
            sleep(Duration::from_millis(20));
        }
        let message = format!("no port named {PORT} in {class}");
        Err(io::Error::new(io::ErrorKind::NotFound, message))
    }

    /// The next line without its newline; `None` if the harness has ended.
    ///
    /// # Errors
    /// Errors of reading.
    pub fn read_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut buffer = vec![0; 64 << 10];
        let mut searched = 0;
        loop {
            if let Some(at) = self.pending[searched..].iter().position(|b| *b == b'\n') {
                let rest = self.pending.split_off(searched + at + 1);
                let mut line = std::mem::replace(&mut self.pending, rest);
                line.pop();
                return Ok(Some(line));
            }
            searched = self.pending.len();
            let count = match self.input.read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if count == 0 {
                match self.end {
                    End::Final => return Ok(None),
                    End::Pause => {
                        // An incomplete line of the harness that disconnected.
                        self.pending.clear();
                        searched = 0;
                        sleep(Duration::from_millis(5));
                        continue;
                    }
                }
            }
            self.pending.extend_from_slice(&buffer[..count]);
        }
    }

    /// Writes one line.
    ///
    /// # Errors
    /// Errors of writing.
    pub fn write_line(&mut self, line: &str) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(line.len() + 1);
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        match self.output.write_all(&bytes) {
            Err(error) if matches!(self.end, End::Pause) => {
                sys::console(&format!("answer lost, no harness is connected: {error}"));
                Ok(())
            }
            done => done,
        }
    }
}
