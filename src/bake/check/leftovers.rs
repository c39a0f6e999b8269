//! What an agent leaves on the instance where it ran.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::Path;

use super::{Report, Rule, STATE, shortened};
use crate::bake::CACHE;
use crate::cache::DESIRED_IMAGE;
use crate::host::{DIRECTORIES, ROTATING_CREDENTIALS, gpu, state};

const LOGS: &str = "/var/log/ecs";
const CONTAINERS: &str = "/var/lib/docker/containers";
const S3_CONFIG: &str = "/var/lib/ecs/ecs.config.s3";

/// Names of credentials in the files of the AWS CLI, the last two in the JSON of its caches; in
/// lower case.
const AWS_SECRETS: [&str; 4] = [
    "aws_secret_access_key",
    "aws_session_token",
    "secretaccesskey",
    "accesstoken",
];

pub(super) fn check(report: &mut Report) {
    check_agent_state(report);
    let gpu = report.names(gpu::DIRECTORY);
    if !gpu.is_empty() {
        report.add(gpu::DIRECTORY, Rule::GpuState, shortened(&gpu));
    }
    if !logs_are_elsewhere(report) {
        let logs = files_below(report, LOGS);
        if !logs.is_empty() {
            report.add(LOGS, Rule::Logs, shortened(&logs));
        }
    }
    check_partial_files(report);
    check_containers(report);
    let s3_config = report.tree.resolve(S3_CONFIG.as_ref(), false);
    let s3_config = s3_config.and_then(fs::symlink_metadata);
    if report.existing(S3_CONFIG, s3_config).is_some() {
        report.add(S3_CONFIG, Rule::S3Config, "");
    }
    check_aws_credentials(report);
}

fn check_agent_state(report: &mut Report) {
    let names = report.names(state::DIRECTORY);
    if names.is_empty() {
        return;
    }
    let real_path = report.tree.follow(state::DIRECTORY.as_ref()).ok();
    let instance = real_path.and_then(|real_path| state::instance_id(&real_path).ok().flatten());
    let instance = instance.map_or(String::new(), |id| format!("of instance {id}: "));
    let detail = format!("{instance}{}", shortened(&names));
    report.add(state::DIRECTORY, Rule::AgentState, detail);
}

/// The files that the AWS CLI and the SSM agent write, including the caches of `aws sso`. Files
/// with settings only are allowed.
fn check_aws_credentials(report: &mut Report) {
    for file in files_below(report, ROTATING_CREDENTIALS) {
        let path = Path::new(ROTATING_CREDENTIALS).join(&file);
        let Some(bytes) = report.read(&path) else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        let mut lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with(['#', ';']));
        let has_secret = lines.any(|line| AWS_SECRETS.iter().any(|name| line.contains(name)));
        // API models contain the names of secrets, but no values.
        let is_model = file.as_encoded_bytes().starts_with(b"models/");
        let is_credentials = file == "credentials" && !text.trim().is_empty();
        if !is_model && (has_secret || is_credentials) {
            report.add(path, Rule::AwsCredentials, "");
        }
    }
}

/// Whether `/var/log/ecs` is a link to another of the agent's directories: its files are not logs.
fn logs_are_elsewhere(report: &Report) -> bool {
    let Ok(logs) = report.tree.follow(LOGS.as_ref()) else {
        return false;
    };
    let mut others = DIRECTORIES.iter().filter(|(path, _)| *path != LOGS);
    let real_path = |path: &str| report.tree.follow(path.as_ref());
    others.any(|(path, _)| real_path(path).is_ok_and(|other| other == logs))
}

/// Everything below `directory` that is not a directory, relative to it. Links are not followed.
fn files_below(report: &mut Report, directory: &str) -> Vec<OsString> {
    let walk = |found: &mut Vec<OsString>| -> io::Result<()> {
        let top = report.tree.resolve(directory.as_ref(), true)?;
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
        Ok(())
    };
    let mut found = Vec::new();
    let walked = walk(&mut found);
    report.existing(directory, walked);
    found.sort();
    found
}

fn check_partial_files(report: &mut Report) {
    let is_partial = |name: &OsStr| Path::new(name).extension().is_some_and(|e| e == "part");
    for name in report.names(CACHE) {
        let path = Path::new(CACHE).join(&name);
        if name == DESIRED_IMAGE {
            report.add(path, Rule::DesiredImage, "");
        } else if is_partial(&name) {
            report.add(path, Rule::PartialTar, "");
        }
    }
    for name in report.names(STATE) {
        if is_partial(&name) {
            report.add(Path::new(STATE).join(name), Rule::PartialConfig, "");
        }
    }
}

/// Containers of the agent and of tasks.
fn check_containers(report: &mut Report) {
    for id in report.names(CONTAINERS) {
        let directory = Path::new(CONTAINERS).join(id);
        let file = directory.join("config.v2.json");
        let Some(bytes) = report.read(&file) else {
            continue;
        };
        let parsed = serde_json::from_slice::<serde_json::Value>(&bytes);
        let Some(container) = report.existing(&file, parsed.map_err(io::Error::from)) else {
            continue;
        };
        let is_task = container
            .pointer("/Config/Labels/com.amazonaws.ecs.task-arn")
            .is_some();
        let name = container["Name"].as_str().unwrap_or_default();
        let name = name.trim_start_matches('/');
        if is_task || name == crate::supervise::CONTAINER {
            report.add(directory, Rule::Container, name);
        }
    }
}
