//! What an agent leaves on the instance where it ran.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use super::{Report, some};
use crate::cache;
use crate::host::state;
use crate::host::{DIRECTORIES, ROTATING_CREDENTIALS, gpu};

const LOGS: &str = "/var/log/ecs";
const CONTAINERS: &str = "/var/lib/docker/containers";
const FETCHED: &str = "/var/lib/ecs/ecs.config.s3";
/// Where [`FETCHED`] lies, and what was to become it.
const OURS: &str = "/var/lib/ecs";

/// What names a credential in the AWS CLI's files, the last two in its caches' JSON; in lower case.
const SECRETS: [&str; 4] = [
    "aws_secret_access_key",
    "aws_session_token",
    "secretaccesskey",
    "accesstoken",
];

const EMPTY_IT: &str = "delete all that is in it";
const DELETE: &str = "delete it";

pub fn check(report: &mut Report) {
    data(report);
    let gpu = report.names(gpu::DIRECTORY);
    if !gpu.is_empty() {
        let what = format!("tells of one instance's GPUs ({})", some(&gpu));
        report.add(gpu::DIRECTORY, what, EMPTY_IT);
    }
    let mut logs = Vec::new();
    if !shared(report) {
        let walked = walk(report, LOGS, &mut logs);
        report.known(LOGS, walked);
    }
    if !logs.is_empty() {
        let what = format!("holds logs ({})", some(&logs));
        report.add(LOGS, what, "delete the files in it");
    }
    leftovers(report);
    containers(report);
    if exists(report, FETCHED) {
        let what = "was fetched from S3 for one instance and may hold its secrets";
        report.add(FETCHED, what, DELETE);
    }
    credentials(report);
}

/// What the AWS CLI and the SSM agent keep: also what was fetched by `aws sso`. A file of settings
/// alone is none.
fn credentials(report: &mut Report) {
    let mut files = Vec::new();
    let walked = walk(report, ROTATING_CREDENTIALS, &mut files);
    report.known(ROTATING_CREDENTIALS, walked);
    for file in files {
        let path = Path::new(ROTATING_CREDENTIALS).join(&file);
        let bytes = report.tree.read(&path);
        let Some(bytes) = report.known(&path, bytes) else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        let mut lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with(['#', ';']));
        let named = lines.any(|line| SECRETS.iter().any(|name| line.contains(name)));
        // The services' models, which name what they only describe.
        let model = file.as_encoded_bytes().starts_with(b"models/");
        if !model && (named || file == "credentials" && !text.trim().is_empty()) {
            report.add(path, "holds root's AWS credentials", DELETE);
        }
    }
}

fn data(report: &mut Report) {
    let names = report.names(state::DIRECTORY);
    if names.is_empty() {
        return;
    }
    let real = report.tree.real(state::DIRECTORY).ok();
    let whose = real
        .and_then(|real| state::instance_id(&real).ok().flatten())
        .map_or(String::new(), |id| format!(" of instance {id}"));
    let what = format!("holds an agent's state{whose} ({})", some(&names));
    report.add(state::DIRECTORY, what, EMPTY_IT);
}

/// Whether the logs' directory is another one of ours, by a link: what lies in it is meant to.
fn shared(report: &Report) -> bool {
    let Ok(logs) = report.tree.real(LOGS) else {
        return false;
    };
    let mut others = DIRECTORIES.iter().filter(|(path, _)| *path != LOGS);
    others.any(|(path, _)| report.tree.real(path).is_ok_and(|other| other == logs))
}

/// What is no directory below `directory`, links not followed.
fn walk(report: &Report, directory: &str, found: &mut Vec<OsString>) -> io::Result<()> {
    let top = report.tree.real(directory)?;
    let mut rest = vec![top.clone()];
    while let Some(next) = rest.pop() {
        for entry in fs::read_dir(next)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                rest.push(path);
            } else {
                let below = path.strip_prefix(&top).unwrap_or(&path);
                found.push(below.as_os_str().to_owned());
            }
        }
    }
    found.sort();
    Ok(())
}

fn is_part(name: &OsString) -> bool {
    Path::new(name).extension().is_some_and(|e| e == "part")
}

fn leftovers(report: &mut Report) {
    for name in report.names(cache::DIRECTORY) {
        let path = Path::new(cache::DIRECTORY).join(&name);
        if name == cache::DESIRED_IMAGE {
            let what = "is what one instance's agent asked to be updated to";
            report.add(path, what, DELETE);
        } else if is_part(&name) {
            report.add(path, "is an unfinished download", DELETE);
        }
    }
    for name in report.names(OURS).into_iter().filter(is_part) {
        let what = "is an unfinished fetch and may hold one instance's secrets";
        report.add(Path::new(OURS).join(name), what, DELETE);
    }
}

/// Docker's containers of the agent and of tasks.
fn containers(report: &mut Report) {
    for id in report.names(CONTAINERS) {
        let directory = Path::new(CONTAINERS).join(id);
        let file = directory.join("config.v2.json");
        let bytes = report.tree.read(&file);
        let Some(bytes) = report.known(&file, bytes) else {
            continue;
        };
        let parsed = serde_json::from_slice::<serde_json::Value>(&bytes);
        let Some(container) = report.known(&file, parsed.map_err(io::Error::from)) else {
            continue;
        };
        let is_task = container
            .pointer("/Config/Labels/com.amazonaws.ecs.task-arn")
            .is_some();
        let name = container["Name"].as_str().unwrap_or_default();
        let name = name.trim_start_matches('/');
        if is_task || name == crate::supervise::CONTAINER {
            let what = format!("is Docker's container {name}, which ran on one instance");
            let mend = format!("stop the agent and `docker rm {name}`, or delete the directory");
            report.add(directory, what, mend);
        }
    }
}

fn exists(report: &mut Report, path: &str) -> bool {
    let found = report.tree.itself(path).and_then(fs::symlink_metadata);
    report.known(path, found).is_some()
}
