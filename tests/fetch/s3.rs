//! Configuration from S3, with credentials of the environment, of a file and of the instance's
//! role. `qemu-tests` checks the signatures with the AWS SDK for Python.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use ecs_init::config::Config;
use ecs_init::fetch::s3_config;
use ecs_init::sys::signal::Stop;
use ecs_init::testing::TempDir;

use super::server::{Body, CLOSED_PORT, Reply, Request, Server};

const URL: &str = "s3://fleet.test/a key/é.config";
const PATH: &str = "/fleet.test/a%20key/%C3%A9.config";
const CONTENT: &str = "ECS_CLUSTER=from-s3\nAWS_REGION=xx-layer-9\nX=a-secret-value\n";
const KEYS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIDTEST"),
    ("AWS_SECRET_ACCESS_KEY", "the-secret-key"),
    ("AWS_SESSION_TOKEN", "the-session-token"),
];

/// A root and a process environment.
struct Fetcher {
    dir: TempDir,
    environment: Vec<(String, String)>,
}

impl Fetcher {
    fn new(s3: &str, more: &[(&str, &str)]) -> Fetcher {
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

    fn with_keys(s3: &str) -> Fetcher {
        Fetcher::new(s3, &KEYS)
    }

    fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.into(), value.into()));
    }

    fn config(&self) -> Config {
        let (config, warnings) = Config::load(self.environment.clone());
        assert!(warnings.is_empty(), "{warnings:?}");
        config
    }

    fn fetch(&self) -> Result<bool, String> {
        s3_config::fetch(&self.config(), &Stop::never()).map_err(|e| e.to_string())
    }

    fn cluster(&self) -> Option<String> {
        self.config().agent.environment.get("ECS_CLUSTER").cloned()
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("var/lib/ecs/ecs.config.s3")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn good(_: &Request, _: usize) -> Reply {
    Reply::new(200, CONTENT)
}

fn error(status: u16, code: &str) -> Reply {
    let body = format!("<Error><Code>{code}</Code><Message>said-in-private</Message></Error>");
    Reply::new(status, body)
}

/// The credential scope of a request's signature.
fn scope(request: &Request) -> &str {
    let header = request.header("authorization").unwrap();
    let (_, scope) = header.split_once("Credential=").unwrap();
    scope.split(',').next().unwrap()
}

#[test]
fn s3_layer_is_between_image_and_user() {
    let server = Server::http(good);
    let fetcher = Fetcher::with_keys(&server.url());
    fetcher.write("var/lib/ecs/ecs.config", "ECS_CLUSTER=image\nY=image\n");
    // The temporary file of a killed process.
    fetcher.write("var/lib/ecs/.ecs-init-0123456789abcdef.part", CONTENT);
    assert!(s3_config::require_stored(&fetcher.config()).is_err());
    assert_eq!(fetcher.fetch(), Ok(true));
    assert!(s3_config::require_stored(&fetcher.config()).is_ok());
    assert_eq!(fetcher.cluster().as_deref(), Some("from-s3"));
    assert_eq!(fetcher.config().agent.environment["Y"], "image");
    fetcher.write("etc/ecs/ecs.config", "ECS_CLUSTER=user\n");
    assert_eq!(fetcher.cluster().as_deref(), Some("user"));
    assert_eq!(fetcher.config().agent.environment["X"], "a-secret-value");

    let mode = fs::metadata(fetcher.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert_eq!(
        fs::read_to_string(fetcher.file()).unwrap(),
        format!("# {URL}\n{CONTENT}")
    );
    let names = fs::read_dir(fetcher.file().parent().unwrap())
        .unwrap()
        .count();
    assert_eq!(names, 2, "no temporary file is left");

    // Dependencies do not log it either, at the level that is compiled into a release.
    for secret in ["a-secret-value", "the-secret-key", "the-session-token"] {
        assert_eq!(super::logs::with(secret), [""; 0]);
    }

    assert_eq!(server.paths(), [PATH]);
    let request = &server.requests()[0];
    assert_eq!(
        request.header("x-amz-security-token"),
        Some("the-session-token")
    );
    assert!(
        scope(request).starts_with("AKIDTEST/"),
        "{}",
        scope(request)
    );
    assert!(
        scope(request).ends_with("/xx-here-1/s3/aws4_request"),
        "{}",
        scope(request)
    );
}

#[test]
fn stored_copy_does_not_affect_next_fetch() {
    let server = Server::http(|_, _| {
        Reply::new(
            200,
            "AWS_ENDPOINT_URL_S3=http://127.0.0.1:9\nHTTP_PROXY=127.0.0.1:9\n\
                         ECS_INIT_CONFIG_S3=s3://other/one\nECS_EXTERNAL=true\n",
        )
    });
    let mut fetcher = Fetcher::with_keys("");
    fetcher
        .environment
        .retain(|(name, _)| name != "AWS_ENDPOINT_URL_S3" && name != "ECS_INIT_CONFIG_S3");
    let url = server.url();
    fetcher.write(
        "var/lib/ecs/ecs.config",
        &format!("AWS_ENDPOINT_URL_S3={url}\nECS_INIT_CONFIG_S3={URL}\n"),
    );
    assert_eq!(fetcher.fetch(), Ok(true));
    assert!(fetcher.config().external && fetcher.config().s3.unwrap().fetched);
    assert_eq!(fetcher.fetch(), Ok(true));
    assert_eq!(server.paths(), [PATH, PATH]);
}

#[test]
fn stored_copy_of_other_url_is_not_used() {
    let server = Server::http(good);
    let mut fetcher = Fetcher::with_keys(&server.url());
    fetcher.fetch().unwrap();
    fetcher.set("AWS_ENDPOINT_URL_S3", CLOSED_PORT);
    // The same URL with a suffix, a prefix of it, and another one.
    for other in [
        "s3://fleet.test/a key/é.config2",
        "s3://fleet.test/a key/é",
        "s3://other/x",
    ] {
        fetcher.set("ECS_INIT_CONFIG_S3", other);
        assert_eq!(fetcher.cluster(), None);
        let error = fetcher.fetch().unwrap_err();
        assert!(
            error.contains(other) && error.contains("refused"),
            "{error}"
        );
    }
    fetcher.set("ECS_INIT_CONFIG_S3", "");
    assert_eq!(fetcher.cluster(), None, "not configured any more");
    assert_eq!(fetcher.fetch(), Ok(false));
    fetcher.set("ECS_INIT_CONFIG_S3", URL);
    assert_eq!(fetcher.cluster().as_deref(), Some("from-s3"));
}

#[test]
fn stored_copy_is_used_if_s3_is_unreachable() {
    let server = Server::http(good);
    let mut fetcher = Fetcher::with_keys(CLOSED_PORT);
    let error = fetcher.fetch().unwrap_err();
    assert!(error.contains(URL) && error.contains("refused"), "{error}");
    assert!(!fetcher.file().exists());

    fetcher.set("AWS_ENDPOINT_URL_S3", &server.url());
    assert_eq!(fetcher.fetch(), Ok(true));
    for reply in [
        Reply::new(503, "SlowDown"),
        Reply::new(200, CONTENT).body(Body::Cut(20)),
    ] {
        let busy = Server::http(move |_, _| reply.clone());
        fetcher.set("AWS_ENDPOINT_URL_S3", &busy.url());
        assert_eq!(fetcher.fetch(), Ok(false));
        assert_eq!(fetcher.cluster().as_deref(), Some("from-s3"));
    }
    fetcher.set("AWS_ENDPOINT_URL_S3", CLOSED_PORT);
    assert_eq!(fetcher.fetch(), Ok(false));
    assert!(!super::logs::with("using the stored copy").is_empty());
}

#[test]
fn s3_error_ignores_stored_copy() {
    let server = Server::http(good);
    let mut fetcher = Fetcher::with_keys(&server.url());
    fetcher.fetch().unwrap();
    let large = "A=1\n".repeat(20_000);
    for (reply, say) in [
        (error(403, "AccessDenied"), "s3:GetObject"),
        (error(404, "NoSuchKey"), "does not exist"),
        (error(403, "RequestTimeTooSkewed"), "clock"),
        (error(400, "ExpiredToken"), "expired"),
        (error(301, "PermanentRedirect"), "set ECS_INIT_REGION"),
        (
            error(307, "TemporaryRedirect").with("Location", "/elsewhere"),
            "set ECS_INIT_REGION",
        ),
        (Reply::new(304, ""), "NO_PROXY"),
        (
            Reply::new(302, "").with("Location", "/elsewhere"),
            "AWS_ENDPOINT_URL_S3",
        ),
        (Reply::new(200, "A=1\nsaid-in-private\n"), "line 2: no '='"),
        (
            Reply::new(200, "A=1\nB=said-in-private\u{fffd}\0"),
            "line 2: the value has a NUL",
        ),
        (Reply::new(200, b"A=1\n\xff\n"), "line 2: not UTF-8"),
        (
            Reply::new(200, b"\x1f\x8b\x08\0\0").with("Content-Encoding", "gzip"),
            "upload it uncompressed",
        ),
        (Reply::new(200, ""), "sets no variable"),
        (Reply::new(200, "# comments only\n"), "sets no variable"),
        (Reply::new(200, large.clone()), "larger than 65536"),
        (
            Reply::new(200, large).body(Body::Chunked),
            "larger than 65536",
        ),
    ] {
        let server = Server::http(move |_, _| reply.clone());
        fetcher.set("AWS_ENDPOINT_URL_S3", &server.url());
        let error = fetcher.fetch().unwrap_err();
        assert!(error.contains(say) && error.contains(URL), "{say}: {error}");
        assert!(!error.contains("said-in-private"), "{error}");
        assert_eq!(server.paths(), [PATH], "{say}: one request");
        assert_eq!(
            fetcher.cluster().as_deref(),
            Some("from-s3"),
            "the stored copy stays"
        );
    }
}

#[test]
fn bucket_in_other_region_is_requested_once() {
    for source in ["header", "body", "always"] {
        let server = Server::http(move |request, before| {
            let there = scope(request).contains("/xx-there-2/");
            match source {
                "header" if !there => {
                    error(301, "PermanentRedirect").with("x-amz-bucket-region", "xx-there-2")
                }
                "body" if !there => Reply::new(
                    400,
                    "<Error><Code>AuthorizationHeaderMalformed</Code>\
                     <Region>xx-there-2</Region></Error>",
                ),
                "always" => error(301, "PermanentRedirect").with(
                    "x-amz-bucket-region",
                    ["xx-there-2", "xx-here-1"][before % 2],
                ),
                _ => good(request, before),
            }
        });
        let fetcher = Fetcher::with_keys(&server.url());
        let end = fetcher.fetch();
        assert_eq!(server.requests().len(), 2, "{source}");
        if source == "always" {
            assert!(end.unwrap_err().contains("check the bucket's name"));
        } else {
            assert_eq!(end, Ok(true), "{source}");
        }
    }
}

#[test]
fn transient_s3_errors_are_retried() {
    let server = Server::http(|request, before| match before {
        0 => error(503, "SlowDown"),
        1 => Reply::new(200, CONTENT).body(Body::Cut(30)),
        _ => good(request, before),
    });
    let mut fetcher = Fetcher::with_keys(&server.url());
    fetcher.set("ECS_INIT_RETRY_TIME", "60");
    assert_eq!(fetcher.fetch(), Ok(true));
    assert_eq!(server.requests().len(), 3);
}

/// IMDS with a role, or without one.
fn imds(role: Option<&'static str>) -> Server {
    const ROLE: &str = "/latest/meta-data/iam/security-credentials/";
    Server::http(move |request, _| {
        if request.method == "PUT" {
            return Reply::new(200, "TOKEN");
        }
        if request.header("x-aws-ec2-metadata-token") != Some("TOKEN") {
            return Reply::new(401, "");
        }
        match (request.path.strip_prefix(ROLE), role) {
            (Some(""), Some(role)) => Reply::new(200, role),
            (Some(request), Some(role)) if request == role => Reply::new(
                200,
                r#"{"Code":"Success","AccessKeyId":"ASIAROLE","SecretAccessKey":"the-secret-key",
                    "Token":"the-session-token","Expiration":"2099-01-01T00:00:00Z"}"#,
            ),
            _ => Reply::new(404, ""),
        }
    })
}

#[test]
fn role_credentials_from_imds() {
    let (server, role) = (Server::http(good), imds(Some("ecsInstanceRole")));
    let at = |imds: &str| {
        Fetcher::new(
            &server.url(),
            &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds)],
        )
    };
    assert_eq!(at(&role.url()).fetch(), Ok(true));
    let request = &server.requests()[0];
    assert!(scope(request).starts_with("ASIAROLE/"));
    assert_eq!(
        request.header("x-amz-security-token"),
        Some("the-session-token")
    );

    let error = at(&imds(None).url()).fetch().unwrap_err();
    assert!(error.contains("has no role"), "{error}");
    let error = at(CLOSED_PORT).fetch().unwrap_err();
    assert!(
        error.contains("IMDS") && error.contains("ECS_EXTERNAL"),
        "{error}"
    );
    let mut off = at(CLOSED_PORT);
    off.set("AWS_EC2_METADATA_DISABLED", "true");
    let error = off.fetch().unwrap_err();
    assert!(error.contains("AWS_EC2_METADATA_DISABLED"), "{error}");
    assert_eq!(
        server.requests().len(),
        1,
        "S3 is not requested without credentials"
    );
}

#[test]
fn credentials_from_ssm_file_outside_ec2() {
    let server = Server::http(good);
    let fetcher = Fetcher::new(&server.url(), &[("ECS_EXTERNAL", "true")]);
    let error = fetcher.fetch().unwrap_err();
    assert!(error.contains("root/.aws/credentials"), "{error}");
    let file = "[default]\naws_access_key_id = ASIASSM\naws_secret_access_key = the-secret-key\n\
                aws_session_token = the-session-token\n";
    fetcher.write("root/.aws/credentials", file);
    assert_eq!(fetcher.fetch(), Ok(true));
    assert!(scope(&server.requests()[0]).starts_with("ASIASSM/"));
}

#[test]
fn invalid_s3_url_error_names_origin() {
    let mut fetcher = Fetcher::with_keys("http://127.0.0.1:9");
    let arn = "s3://arn:aws:s3:eu-west-1:123456789012:accesspoint";
    for (url, say) in [
        ("https://fleet.test/key".to_owned(), "s3://bucket/key"),
        (format!("{arn}/fleet/key"), "access point's alias"),
        (format!("{arn}:fleet/key"), "access point's alias"),
    ] {
        fetcher.set("ECS_INIT_CONFIG_S3", &url);
        let error = fetcher.fetch().unwrap_err();
        assert!(
            error.contains("environment") && error.contains(say),
            "{error}"
        );
    }
}

/// The stop request comes while the body of the error response is read, in most runs.
#[test]
fn stop_while_reading_error_body_is_interrupted() {
    let server = Server::http(|_, _| error(403, "AccessDenied").body(Body::Stall(10)));
    let fetcher = Fetcher::with_keys(&server.url());
    let (trigger, stop) = UnixStream::pair().unwrap();
    let stop = Stop::from(OwnedFd::from(stop));
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            while server.requests().is_empty() {
                std::thread::sleep(Duration::from_millis(10));
            }
            std::thread::sleep(Duration::from_millis(300));
            drop(trigger);
        });
        s3_config::fetch(&fetcher.config(), &stop).unwrap_err()
    });
    assert!(error.is_interrupted(), "{error}");
}
