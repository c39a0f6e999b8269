//! `bake --check DIR`: what must not be in the image.

use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use crate::bake::check;
use crate::error::{Context, Error, Kind, Result};
use crate::types::Root;

/// One line for each thing on stdout; fails if there is one.
pub fn run(dir: &Path) -> Result<()> {
    let findings = check::run(&Root::new(dir), SystemTime::now())?;
    let mut lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
    if lines.is_empty() {
        let dir = dir.display();
        lines.push(format!("nothing in {dir} that an image must not have"));
    }
    std::io::stdout()
        .write_all((lines.join("\n") + "\n").as_bytes())
        .context(|| "print what was found")?;
    match findings.len() {
        0 => Ok(()),
        many => Err(Error::new(
            Kind::InvalidInput,
            format!(
                "{} must not become an image so: {many} to mend, named on stdout",
                dir.display()
            ),
        )),
    }
}
