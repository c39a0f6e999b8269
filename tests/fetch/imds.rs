//! The region from IMDS.

use std::time::{Duration, Instant};

use ecs_init::fetch::imds;
use ecs_init::sys::signal::Stop;

use super::Host;
use super::server::{CLOSED_PORT, Reply, Request, Server};

/// IMDS version 2: no value without the token.
fn v2(request: &Request, _: usize) -> Reply {
    let seconds = request.header("x-aws-ec2-metadata-token-ttl-seconds");
    match (request.method.as_str(), request.path.as_str()) {
        ("PUT", "/latest/api/token")
            if seconds.is_some_and(|s| s.parse::<u32>().is_ok())
                && request.header("content-length") == Some("0")
                && request.header("transfer-encoding").is_none() =>
        {
            Reply::new(200, "TOKEN==")
        }
        ("GET", "/latest/meta-data/placement/region") => {
            match request.header("x-aws-ec2-metadata-token") {
                Some("TOKEN==") => Reply::new(200, "xx-test-1"),
                _ => Reply::new(401, "no token"),
            }
        }
        _ => Reply::new(400, "what?"),
    }
}

fn region(server: &Server) -> Result<String, String> {
    let url = server.url();
    let host = Host::new(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)]);
    imds::region(&host.config, &Stop::never()).map_err(|e| e.to_string())
}

/// The region with these responses, and the number of requests. Repeats until no attempt can have
/// timed out (1 s each, plus `pauses`).
fn region_and_requests(
    pauses: Duration,
    handler: impl Fn(&Request, usize) -> Reply + Copy + Send + Sync + 'static,
) -> (Result<String, String>, usize) {
    loop {
        let server = Server::http(handler);
        let start = Instant::now();
        let region = region(&server);
        if start.elapsed() < pauses + Duration::from_millis(900) {
            return (region, server.requests().len());
        }
    }
}

#[test]
fn region_from_imds_with_token() {
    let (region, requests) = region_and_requests(Duration::ZERO, v2);
    assert_eq!(region.as_deref(), Ok("xx-test-1"));
    assert_eq!(requests, 2);
}

#[test]
fn imds_uses_no_proxy() {
    let server = Server::http(v2);
    let proxy = Server::http(|_, _| Reply::new(500, "proxied"));
    let proxy_url = proxy.url();
    // 0.0.0.0 is this host, too, but unlike loopback addresses not exempt from proxies.
    let url = format!("http://0.0.0.0:{}", server.address.port());
    let host = Host::new(&[
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url),
        ("HTTP_PROXY", &proxy_url),
        ("HTTPS_PROXY", &proxy_url),
    ]);
    let region = imds::region(&host.config, &Stop::never()).unwrap();
    assert_eq!(region, "xx-test-1");
    assert!(proxy.requests().is_empty());
}

#[test]
fn imds_503_is_retried() {
    let server = Server::http(|request, before| {
        if before == 0 {
            Reply::new(503, "wait")
        } else {
            v2(request, before)
        }
    });
    assert_eq!(region(&server).as_deref(), Ok("xx-test-1"));
}

#[test]
fn imds_error_status_is_an_unknown_region() {
    for (status, attempts, pauses) in [(403, 1, 0), (404, 1, 0), (503, 4, 1750)] {
        let pauses = Duration::from_millis(pauses);
        let (region, requests) = region_and_requests(pauses, move |_, _| Reply::new(status, "no"));
        let error = region.unwrap_err();
        for part in [
            "the region is unknown",
            &status.to_string(),
            "set AWS_REGION",
        ] {
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(requests, attempts);
    }
}

#[test]
fn invalid_region_in_imds_is_an_error() {
    for answer in ["", "EU West", "../../x", "evil.test/", &"x".repeat(5000)] {
        let answer = answer.to_owned();
        let server = Server::http(move |request, before| match request.method.as_str() {
            "GET" => Reply::new(200, answer.clone()),
            _ => v2(request, before),
        });
        let error = region(&server).unwrap_err();
        assert!(error.contains("set AWS_REGION"), "{error}");
    }
}

#[test]
fn unreachable_imds_is_an_error() {
    let host = Host::new(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", CLOSED_PORT)]);
    let error = imds::region(&host.config, &Stop::never())
        .unwrap_err()
        .to_string();
    assert!(error.contains("refused"), "{error}");
    assert!(error.contains("set AWS_REGION"), "{error}");
}
