//! os-release(5): `KEY=value` lines with shell quoting.

/// The fields of os-release that ecs-init uses.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct OsRelease {
    id: Option<String>,
    id_like: String,
    version_id: Option<String>,
}

impl OsRelease {
    /// Parses the file. Invalid lines are ignored.
    pub(super) fn parse(text: &str) -> Self {
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
    pub(super) fn family(&self) -> String {
        match (&self.id, &self.version_id) {
            (Some(id), Some(version)) => format!("{id}_{version}"),
            _ => "linux".to_owned(),
        }
    }

    /// Whether one of these IDs is in `ID` or `ID_LIKE`.
    pub(super) fn is_like(&self, ids: &[&str]) -> bool {
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
    fn os_family() {
        let family = |text: &str| OsRelease::parse(text).family();
        assert_eq!(family("ID=debian\nVERSION_ID=\"12\"\n"), "debian_12");
        assert_eq!(family("ID=arch\n"), "linux");
        assert_eq!(family(""), "linux");
        let rocky = OsRelease::parse("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n");
        assert!(rocky.is_like(&["rhel"]) && !rocky.is_like(&["debian"]));
    }
}
