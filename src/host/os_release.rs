//! os-release(5): `KEY=value` lines with shell quoting.

/// The fields that we read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OsRelease {
    id: Option<String>,
    id_like: String,
    version_id: Option<String>,
}

impl OsRelease {
    /// Reads the file's text. Lines that are none are passed over.
    pub fn parse(text: &str) -> Self {
        let mut release = OsRelease::default();
        for line in text.lines() {
            let Some((key, value)) = line.trim().split_once('=') else {
                continue;
            };
            let value = value.trim().trim_matches(['"', '\'']).to_owned();
            match key {
                "ID" => release.id = Some(value),
                "ID_LIKE" => release.id_like = value,
                "VERSION_ID" => release.version_id = Some(value),
                _ => {}
            }
        }
        release
    }

    /// `ECS_DETAILED_OS_FAMILY`: `<ID>_<VERSION_ID>`, or `linux` if either is missing.
    pub fn family(&self) -> String {
        match (&self.id, &self.version_id) {
            (Some(id), Some(version)) => format!("{id}_{version}"),
            _ => "linux".to_owned(),
        }
    }

    /// Whether this is one of these systems, or says that it is like one.
    pub fn is_like(&self, ids: &[&str]) -> bool {
        self.id
            .as_deref()
            .into_iter()
            .chain(self.id_like.split_whitespace())
            .any(|id| ids.contains(&id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families() {
        let family = |text: &str| OsRelease::parse(text).family();
        assert_eq!(family("ID=debian\nVERSION_ID=\"12\"\n"), "debian_12");
        assert_eq!(family("ID=arch\n"), "linux");
        assert_eq!(family(""), "linux");
        let rocky = OsRelease::parse("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n");
        assert!(rocky.is_like(&["rhel"]) && !rocky.is_like(&["debian"]));
    }
}
