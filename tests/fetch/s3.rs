//! Configuration from S3, with credentials of the environment, of a file and of the instance's
//! role. `qemu-tests` checks the signatures with the AWS SDK for Python.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use ecs_init::error::Kind;
use ecs_init::fetch::s3_config;
use ecs_init::sys::signal::Stop;

use super::s3_fixture::{CONTENT, Fetcher, PATH, URL, error, scope, valid_reply};
use super::server::{Body, CLOSED_PORT, Reply, Server};

#[test]
fn s3_layer_is_between_image_and_user() {
    let server = Server::http(valid_reply);
    let fetcher = Fetcher::with_keys(&server.url());
    fetcher.write("var/lib/ecs/ecs.config", "ECS_CLUSTER=image\nY=image\n");
    // The temporary file of a killed process.
    fetcher.write("var/lib/ecs/.ecs-init-0123456789abcdef.part", CONTENT);
    assert!(s3_config::require_stored(&fetcher.config()).is_err());
    assert!(fetcher.fetch().unwrap());
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
        assert_eq!(super::logs::containing(secret), [""; 0]);
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
    assert!(fetcher.fetch().unwrap());
    assert!(fetcher.config().external && fetcher.config().s3.unwrap().fetched);
    assert!(fetcher.fetch().unwrap());
    assert_eq!(server.paths(), [PATH, PATH]);
}

#[test]
fn stored_copy_of_other_url_is_not_used() {
    let server = Server::http(valid_reply);
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
        assert_eq!(error.kind(), Kind::Transient);
        assert!(error.to_string().contains(other), "{error}");
    }
    fetcher.set("ECS_INIT_CONFIG_S3", "");
    assert_eq!(fetcher.cluster(), None, "not configured any more");
    assert!(!fetcher.fetch().unwrap());
    fetcher.set("ECS_INIT_CONFIG_S3", URL);
    assert_eq!(fetcher.cluster().as_deref(), Some("from-s3"));
}

#[test]
fn stored_copy_is_used_if_s3_is_unreachable() {
    let server = Server::http(valid_reply);
    let mut fetcher = Fetcher::with_keys(CLOSED_PORT);
    let error = fetcher.fetch().unwrap_err();
    assert_eq!(error.kind(), Kind::Transient);
    assert!(error.to_string().contains(URL), "{error}");
    assert!(!fetcher.file().exists());

    fetcher.set("AWS_ENDPOINT_URL_S3", &server.url());
    assert!(fetcher.fetch().unwrap());
    for reply in [
        Reply::new(503, "SlowDown"),
        Reply::new(200, CONTENT).body(Body::Cut(20)),
    ] {
        let busy = Server::http(move |_, _| reply.clone());
        fetcher.set("AWS_ENDPOINT_URL_S3", &busy.url());
        assert!(!fetcher.fetch().unwrap());
        assert_eq!(fetcher.cluster().as_deref(), Some("from-s3"));
    }
    fetcher.set("AWS_ENDPOINT_URL_S3", CLOSED_PORT);
    assert!(!fetcher.fetch().unwrap());
    assert!(!super::logs::containing("using the stored copy").is_empty());
}

#[test]
fn s3_error_ignores_stored_copy() {
    let server = Server::http(valid_reply);
    let mut fetcher = Fetcher::with_keys(&server.url());
    fetcher.fetch().unwrap();
    let large = "A=1\n".repeat(20_000);
    for (reply, advice) in [
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
        (Reply::new(200, "A=1\nprivate-text\n"), "line 2: no '='"),
        (
            Reply::new(200, "A=1\nB=private-text\u{fffd}\0"),
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
        assert!(matches!(error.kind(), Kind::Rejected | Kind::InvalidInput));
        let error = error.to_string();
        assert!(error.contains(advice) && error.contains(URL), "{error}");
        assert!(!error.contains("private-text"), "{error}");
        assert_eq!(server.paths(), [PATH], "{advice}: one request");
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
                _ => valid_reply(request, before),
            }
        });
        let fetcher = Fetcher::with_keys(&server.url());
        let end = fetcher.fetch();
        assert_eq!(server.requests().len(), 2, "{source}");
        if source == "always" {
            assert_eq!(end.unwrap_err().kind(), Kind::Rejected);
        } else {
            assert!(end.unwrap(), "{source}");
        }
    }
}

#[test]
fn transient_s3_errors_are_retried() {
    let server = Server::http(|request, before| match before {
        0 => error(503, "SlowDown"),
        1 => Reply::new(200, CONTENT).body(Body::Cut(30)),
        _ => valid_reply(request, before),
    });
    let mut fetcher = Fetcher::with_keys(&server.url());
    fetcher.set("ECS_INIT_RETRY_TIME", "60");
    assert!(fetcher.fetch().unwrap());
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn invalid_s3_url_error_names_origin() {
    let mut fetcher = Fetcher::with_keys("http://127.0.0.1:9");
    let arn = "s3://arn:aws:s3:eu-west-1:123456789012:accesspoint";
    for (url, problem) in [
        ("https://fleet.test/key".to_owned(), "s3://bucket/key"),
        (format!("{arn}/fleet/key"), "access point's alias"),
        (format!("{arn}:fleet/key"), "access point's alias"),
    ] {
        fetcher.set("ECS_INIT_CONFIG_S3", &url);
        let error = fetcher.fetch().unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput);
        let error = error.to_string();
        assert!(
            error.contains("environment") && error.contains(problem),
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
