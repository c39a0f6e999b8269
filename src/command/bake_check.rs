//! `bake --check DIR`: list what must not be in an image.

use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use crate::bake::check;
use crate::error::{Context, Error, Result};
use crate::types::Root;

/// Prints one line for each finding. Any finding is an error.
pub fn run(dir: &Path) -> Result<()> {
    let findings = check::run(&Root::new(dir), SystemTime::now())?;
    let mut lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
    if lines.is_empty() {
        lines.push(format!("no problems found in {}", dir.display()));
    }
    std::io::stdout()
        .write_all((lines.join("\n") + "\n").as_bytes())
        .context(|| "print the findings")?;
    match findings.len() {
        0 => Ok(()),
        count => Err(Error::invalid(format!(
            "problems found in {}: {count}",
            dir.display()
        ))),
    }
}
