//! Whether the service that was baked would be started.

use super::Report;
use crate::bake::manifest::{self, Previous};
use crate::bake::{Init, rivals};

pub fn check(report: &mut Report) {
    let Ok(manifest) = report.tree.itself(manifest::PATH) else {
        return;
    };
    if Previous::read(&manifest).init() != Some(Init::Systemd) {
        return;
    }
    if rivals::is_masked(&report.tree.0) {
        let what = "masks the service: nothing starts the agent";
        report.add(rivals::UNIT_OF_ETC, what, "delete it");
    }
}
