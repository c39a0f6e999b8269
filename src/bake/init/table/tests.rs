use std::fmt::Write as _;

use super::*;
use crate::bake::Want;

fn unit() -> String {
    let unit = TABLE[0].files[0].bytes;
    String::from_utf8_lossy(unit).into_owned()
}

#[test]
fn table_is_in_the_order_of_the_enum() {
    for (index, spec) in TABLE.iter().enumerate() {
        assert_eq!(spec.init as usize, index, "{}", spec.name);
    }
}

#[test]
fn every_service_starts_the_program() {
    for spec in &TABLE {
        let changes = spec.changes();
        let starts = changes.iter().any(|change| match &change.want {
            Want::File { bytes, .. } => String::from_utf8_lossy(bytes).contains(PROGRAM),
            Want::Link { target } => target.as_os_str() == PROGRAM,
            Want::Line { text, .. } => text.contains(PROGRAM),
            _ => false,
        });
        assert_eq!(starts, spec.init != Init::None, "{}", spec.name);
        let absolute = changes.iter().all(|change| change.path.is_absolute());
        assert!(absolute, "{}", spec.name);
    }
}

/// The README has the same table. If this test fails, copy the table that it prints to the README.
#[test]
fn readme_lists_every_service() {
    let readme = include_str!("../../../../image-build/init/README.md");
    let code = |text: &str| format!("`{text}`");
    let mut table = String::new();
    for spec in &TABLE {
        let files = spec.files.iter().map(|file| {
            let source = code(file.source);
            let mode = if file.mode == 0o755 { " (0755)" } else { "" };
            (source + mode, code(file.path))
        });
        let entries = spec.inittab.iter();
        let entries = entries.map(|i| (format!("the lines of `{}`", i.source), code(INITTAB)));
        let links = spec.links.iter();
        let links = links.map(|(path, target)| (format!("link to `{target}`"), code(path)));
        let (sources, paths): (Vec<_>, Vec<_>) = files.chain(entries).chain(links).unzip();
        if !sources.is_empty() {
            let (sources, paths) = (sources.join(", "), paths.join(", "));
            let (name, enabled_by) = (spec.name, spec.enabled_by);
            let _ = writeln!(table, "| {name} | {sources} | {paths} | {enabled_by} |");
        }
    }
    assert!(readme.contains(&table), "{table}");
}

/// User data runs in cloud-final.service, which many systems order after multi-user.target, which
/// by default waits for the units it wants: the two would wait for each other.
#[test]
fn unit_waits_for_docker_and_not_for_cloud_init() {
    let unit = unit();
    let has = |line: &str| unit.lines().any(|l| l == line);
    for line in [
        "After=docker.service",
        "Wants=docker.service",
        "DefaultDependencies=no",
        "Type=notify",
        "Restart=on-failure",
        "RestartPreventExitStatus=5",
    ] {
        assert!(has(line), "{line}");
    }
    let settings = unit.lines().filter_map(|line| line.split_once('='));
    for (key, value) in settings.filter(|(key, _)| ["After", "Requires", "Wants"].contains(key)) {
        let waits = value.contains("cloud") || value.contains("multi-user");
        assert!(!waits, "{key}={value}");
    }
}

/// An older systemd drops unknown groups from the list: an allow list would become too short.
#[test]
fn unit_system_call_filter_is_a_deny_list() {
    let unit = unit();
    let filters = unit
        .lines()
        .filter_map(|l| l.strip_prefix("SystemCallFilter="));
    let filters: Vec<_> = filters.collect();
    assert!(!filters.is_empty());
    for list in filters {
        assert!(list.starts_with('~'), "{list}");
    }
}

/// System V init ignores an entry whose identifier has more than four characters.
#[test]
fn inittab_entries_have_four_fields_and_a_short_identifier() {
    for entry in TABLE
        .iter()
        .flat_map(|spec| &spec.inittab)
        .flat_map(|i| i.entries.lines())
    {
        let fields: Vec<_> = entry.splitn(4, ':').collect();
        assert_eq!(fields.len(), 4, "{entry}");
        assert!(fields[0].len() <= 4, "{entry}");
        assert!(fields[3].starts_with(PROGRAM), "{entry}");
    }
}

#[test]
fn shell_parses_the_scripts() {
    for file in TABLE
        .iter()
        .flat_map(|spec| spec.files)
        .filter(|file| file.mode == 0o755)
    {
        let mut shell = std::process::Command::new("sh")
            .arg("-n")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("run sh");
        let mut input = shell.stdin.take().unwrap();
        std::io::Write::write_all(&mut input, file.bytes).unwrap();
        drop(input);
        assert!(shell.wait().unwrap().success(), "{}", file.source);
    }
}
