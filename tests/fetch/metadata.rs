//! The region from the instance metadata service.

use std::time::{Duration, Instant};

use ecs_init::fetch::imds;
use ecs_init::sys::signal::Stop;

use super::Host;
use super::server::{NOBODY, Reply, Request, Server};

/// Version 2 of the service: no value without the token.
fn v2(request: &Request, _: usize) -> Reply {
    let seconds = request.header("x-aws-ec2-metadata-token-ttl-seconds");
    match (request.method.as_str(), request.path.as_str()) {
        ("PUT", "/latest/api/token") if seconds.is_some_and(|s| s.parse::<u32>().is_ok()) => {
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

/// What the service's answers lead to, and how often it was asked: by a run in which no try can
/// have run out of its time (1 s), `pauses` between them aside.
fn asked(
    pauses: Duration,
    answers: impl Fn(&Request, usize) -> Reply + Copy + Send + Sync + 'static,
) -> (Result<String, String>, usize) {
    loop {
        let server = Server::http(answers);
        let start = Instant::now();
        let region = region(&server);
        if start.elapsed() < pauses + Duration::from_millis(900) {
            return (region, server.asked().len());
        }
    }
}

#[test]
fn token_then_region() {
    let (region, asked) = asked(Duration::ZERO, v2);
    assert_eq!(region.as_deref(), Ok("xx-test-1"));
    assert_eq!(asked, 2);
}

#[test]
fn never_through_a_proxy() {
    let server = Server::http(v2);
    let proxy = Server::http(|_, _| Reply::new(500, "a proxy saw it"));
    let proxy_url = proxy.url();
    // 0.0.0.0 is this host too, but none of the addresses that never have a proxy.
    let url = format!("http://0.0.0.0:{}", server.address.port());
    let host = Host::new(&[
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url),
        ("HTTP_PROXY", &proxy_url),
        ("HTTPS_PROXY", &proxy_url),
    ]);
    let region = imds::region(&host.config, &Stop::never()).unwrap();
    assert_eq!(region, "xx-test-1");
    assert!(proxy.asked().is_empty());
}

#[test]
fn a_service_that_is_not_up_yet_is_asked_again() {
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
fn without_an_answer_there_is_no_region() {
    for (status, tries, pauses) in [(403, 1, 0), (404, 1, 0), (503, 4, 1750)] {
        let pauses = Duration::from_millis(pauses);
        let (region, asked) = asked(pauses, move |_, _| Reply::new(status, "no"));
        let error = region.unwrap_err();
        for part in [
            "the region is unknown",
            &status.to_string(),
            "set AWS_REGION",
        ] {
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(asked, tries);
    }
}

#[test]
fn what_is_no_region_is_none() {
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
fn nobody_there_is_said_so() {
    let host = Host::new(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", NOBODY)]);
    let error = imds::region(&host.config, &Stop::never())
        .unwrap_err()
        .to_string();
    assert!(error.contains("refused"), "{error}");
    assert!(error.contains("set AWS_REGION"), "{error}");
}
