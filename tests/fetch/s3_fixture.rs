//! A root and a process environment with `ECS_INIT_CONFIG_S3`, for the tests of S3.

use std::fs;
use std::path::PathBuf;

use ecs_init::config::Config;
use ecs_init::error::Result;
use ecs_init::fetch::s3_config;
use ecs_init::sys::signal::Stop;
use ecs_init::testing::TempDir;

use super::server::{Reply, Request};

pub const URL: &str = "s3://fleet.test/a key/é.config";
pub const PATH: &str = "/fleet.test/a%20key/%C3%A9.config";
pub const CONTENT: &str = "ECS_CLUSTER=from-s3\nAWS_REGION=xx-layer-9\nX=a-secret-value\n";
pub const KEYS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIDTEST"),
    ("AWS_SECRET_ACCESS_KEY", "the-secret-key"),
    ("AWS_SESSION_TOKEN", "the-session-token"),
];

/// A root and a process environment.
pub struct Fetcher {
    pub dir: TempDir,
    pub environment: Vec<(String, String)>,
}

impl Fetcher {
    pub fn new(s3: &str, more: &[(&str, &str)]) -> Fetcher {
        super::logs::collect();
        let dir = TempDir::new("s3");
        let root = dir.path().to_string_lossy().into_owned();
        let own = [
            ("ECS_INIT_ROOT", &*root),
            ("ECS_INIT_CONFIG_S3", URL),
            ("ECS_INIT_REGION", "xx-here-1"),
            ("ECS_INIT_RETRY_TIME", "0"),
            ("AWS_ENDPOINT_URL_S3", s3),
        ];
        let all = own.iter().chain(more);
        let environment = all.map(|(k, v)| ((*k).into(), (*v).into())).collect();
        Fetcher { dir, environment }
    }

    pub fn with_keys(s3: &str) -> Fetcher {
        Fetcher::new(s3, &KEYS)
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.into(), value.into()));
    }

    pub fn config(&self) -> Config {
        let (config, warnings) = Config::load(self.environment.clone());
        assert!(warnings.is_empty(), "{warnings:?}");
        config
    }

    pub fn fetch(&self) -> Result<bool> {
        s3_config::fetch(&self.config(), &Stop::never())
    }

    pub fn cluster(&self) -> Option<String> {
        self.config().agent.environment.get("ECS_CLUSTER").cloned()
    }

    pub fn file(&self) -> PathBuf {
        self.dir.path().join("var/lib/ecs/ecs.config.s3")
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

pub fn valid_reply(_: &Request, _: usize) -> Reply {
    Reply::new(200, CONTENT)
}

pub fn error(status: u16, code: &str) -> Reply {
    let body = format!("<Error><Code>{code}</Code><Message>private-text</Message></Error>");
    Reply::new(status, body)
}

/// The credential scope of a request's signature.
pub fn scope(request: &Request) -> &str {
    let header = request.header("authorization").unwrap();
    let (_, scope) = header.split_once("Credential=").unwrap();
    scope.split(',').next().unwrap()
}
