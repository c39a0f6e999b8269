//! The order of the sources, and which errors lead to a retry or to the next source.

use std::fs;

use ecs_init::fetch::Found;
use ecs_init::types::AgentVersion;
use ecs_init::types::TarSource;

use super::object::Object;
use super::server::{Body, Reply, Server};
use super::{Host, fetch_error, logs};

fn tar() -> Object {
    Object::new(300_000, 1, "\"one\"")
}

/// Serves the tar and its signature.
pub fn valid_server() -> Server {
    Server::http(|request, _| {
        if request.is_tar() {
            tar().get(request)
        } else {
            Reply::new(200, "signature")
        }
    })
}

/// Responds to everything with this status.
fn server_with_status(status: u16) -> Server {
    Server::http(move |_, _| Reply::new(status, "no"))
}

#[test]
fn mirror_is_tried_first() {
    let server = valid_server();
    let host = Host::mirror(&format!("{}/a/b/", server.url()), &[]);
    let mut search = host.search_in(|| panic!("the region is not needed"));
    let Ok(Found::Downloaded(download)) = search.find_tar(host.cache.dir()) else {
        panic!();
    };
    let url = format!("{}/a/b/ecs-agent-latest.tar", server.url());
    assert_eq!(download.source(), &TarSource::Url(url));
    let (content, signature) = super::read_tar_and_signature(&download);
    assert!(content == tar().content);
    assert_eq!(signature, b"signature");
    let agent = format!("ecs-init/{}", env!("CARGO_PKG_VERSION"));
    for request in server.requests() {
        assert_eq!(request.header("user-agent"), Some(agent.as_str()));
        assert_eq!(request.header("accept-encoding"), Some("identity"));
    }
    drop(download);
    assert!(host.names().is_empty(), "dropped downloads are removed");
}

#[test]
fn sources_in_order() {
    for status in [403, 404, 400, 410, 501] {
        let (mirror, s3) = (server_with_status(status), server_with_status(status));
        let host = Host::new(&[
            ("ECS_INIT_AGENT_TAR", "/absent.tar"),
            ("ECS_INIT_AGENT_VERSION", "v1.99.0"),
            ("ECS_INIT_MIRROR", &mirror.url()),
            ("AWS_ENDPOINT_URL_S3", &s3.url()),
        ]);
        let mut search = host.search_in(|| Ok("xx-test-1".into()));
        let error = search.find_tar(host.cache.dir()).unwrap_err().to_string();
        // Once each: these statuses are not retried.
        assert_eq!(mirror.paths(), ["/ecs-agent-v1.99.0.tar.asc"]);
        assert_eq!(
            s3.paths(),
            [
                "/amazon-ecs-agent-xx-test-1/ecs-agent-v1.99.0.tar.asc",
                "/amazon-ecs-agent/ecs-agent-v1.99.0.tar.asc",
            ]
        );
        for part in [
            "absent.tar: no such file (environment)",
            "the mirror",
            "the region's bucket",
            "the partition's bucket",
            &format!("HTTP status {status}"),
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert!(host.names().is_empty());
    }
}

#[test]
fn status_403_tries_next_source() {
    let (mirror, s3) = (server_with_status(403), valid_server());
    let s3_url = s3.url();
    let host = Host::mirror(&mirror.url(), &[("AWS_ENDPOINT_URL_S3", &s3_url)]);
    let mut search = host.search_in(|| Ok("xx-test-1".into()));
    let Ok(Found::Downloaded(download)) = search.find_tar(host.cache.dir()) else {
        panic!();
    };
    let url = format!("{s3_url}/amazon-ecs-agent-xx-test-1/ecs-agent-latest.tar");
    assert_eq!(download.source(), &TarSource::Url(url));
    // The search continues with the next source.
    let Ok(Found::Downloaded(download)) = search.find_tar(host.cache.dir()) else {
        panic!();
    };
    let url = format!("{s3_url}/amazon-ecs-agent/ecs-agent-latest.tar");
    assert_eq!(download.source(), &TarSource::Url(url));
    assert!(search.find_tar(host.cache.dir()).is_err());
}

#[test]
fn missing_signature_skips_source() {
    let server = Server::http(|request, _| {
        let status = if request.is_tar() { 200 } else { 404 };
        Reply::new(status, "x")
    });
    let host = Host::mirror(&server.url(), &[]);
    let error = fetch_error(&host);
    assert!(error.contains("404"), "{error}");
    assert!(server.tar_requests().is_empty(), "the tar is not requested");
}

#[test]
fn oversized_signature_is_an_error() {
    let server = Server::http(|_, _| Reply::new(200, vec![b'x'; 70_000]));
    let error = fetch_error(&Host::mirror(&server.url(), &[]));
    assert!(error.contains("larger than 65536 bytes"), "{error}");
}

#[test]
fn transient_statuses_are_retried() {
    for status in [500, 502, 503, 504, 429, 408] {
        let server = Server::http(move |request, before| {
            if before < 2 {
                Reply::new(status, "later")
            } else if request.is_tar() {
                tar().get(request)
            } else {
                Reply::new(200, "signature")
            }
        });
        let host = Host::mirror(&server.url(), &[]);
        assert!(host.content().unwrap().0 == tar().content);
        assert_eq!(server.tar_requests().len(), 3);
        assert_eq!(server.requests().len(), 6);
    }
}

#[test]
fn retries_end_at_time_limit() {
    let server = server_with_status(503);
    let mut host = Host::mirror(&server.url(), &[]);
    let retried = host.retries(
        || server.requests().len(),
        |error| error.contains("HTTP status 503"),
    );
    assert!(retried, "503 is transient");
}

#[test]
fn refused_connection_is_retried() {
    // On an address whose ports no other test uses.
    let listener = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let host = Host::mirror(&format!("http://{address}"), &[]);
    let server = std::thread::spawn(move || {
        logs::wait_for(&[&address.to_string(), "refused", "retrying in"]);
        let listener = std::net::TcpListener::bind(address).unwrap();
        Server::on(listener, None, |request, _| {
            if request.is_tar() {
                tar().get(request)
            } else {
                Reply::new(200, "signature")
            }
        })
    });
    assert!(host.content().unwrap().0 == tar().content);
    drop(server.join().unwrap());
}

#[test]
fn content_length_over_limit_is_an_error() {
    let server = Server::http(|request, _| {
        if request.is_tar() {
            // No body: reading it would never end.
            Reply::new(200, "")
                .with("Content-Length", "5000000000")
                .body(Body::Stall(0))
        } else {
            Reply::new(200, "signature")
        }
    });
    let host = Host::mirror(&server.url(), &[("ECS_INIT_DOWNLOAD_LIMIT", "100000")]);
    let error = fetch_error(&host);
    assert!(error.contains("larger than 100000 bytes"), "{error}");
    assert!(error.contains("ECS_INIT_DOWNLOAD_LIMIT"), "{error}");
    assert_eq!(server.tar_requests().len(), 1);
    assert!(host.names().is_empty());
}

#[test]
fn chunked_body_over_limit_is_an_error() {
    let server = Server::http(|request, _| {
        if request.is_tar() {
            tar().get(request).body(Body::Chunked)
        } else {
            Reply::new(200, "signature")
        }
    });
    let limit = |limit: &str| Host::mirror(&server.url(), &[("ECS_INIT_DOWNLOAD_LIMIT", limit)]);
    let host = limit("299999");
    let error = fetch_error(&host);
    assert!(error.contains("larger than 299999 bytes"), "{error}");
    assert!(host.names().is_empty());
    assert!(limit("300000").content().unwrap().0 == tar().content);
}

#[test]
fn content_encoding_is_an_error() {
    let server = Server::http(|request, _| {
        if request.is_tar() {
            tar().get(request).with("Content-Encoding", "gzip")
        } else {
            Reply::new(200, "signature")
        }
    });
    let error = fetch_error(&Host::mirror(&server.url(), &[]));
    assert!(error.contains("encoded the file (gzip)"), "{error}");
    assert_eq!(server.tar_requests().len(), 1);
}

#[test]
fn redirects_are_limited() {
    let target = valid_server();
    let to = target.url();
    let server = Server::http(move |request, _| {
        Reply::new(302, "moved").with("Location", format!("{to}/x{}?sig=verbot", request.path))
    });
    let host = Host::mirror(&server.url(), &[]);
    let (_, signature) = host.content().unwrap();
    assert_eq!(signature, b"signature");
    let first = target.paths().remove(0);
    assert_eq!(first, "/x/ecs-agent-latest.tar.asc?sig=verbot");
    // A query may grant access. (The logger drops ureq's own lines.)
    let lines = logs::containing("verbot");
    assert!(!lines.iter().any(|l| l.contains(" ecs_init")), "{lines:?}");

    let cycle = Server::http(|request, _| Reply::new(307, "").with("Location", &request.path));
    let error = fetch_error(&Host::mirror(&cycle.url(), &[]));
    assert!(error.contains("redirected more than 5 times"), "{error}");
    assert_eq!(cycle.requests().len(), 6);
}

#[test]
fn configured_file_is_used_first() {
    let host = Host::new(&[
        ("ECS_INIT_AGENT_TAR", "/srv/agent.tar"),
        ("ECS_INIT_MIRROR", "http://127.0.0.1:1"),
    ]);
    let srv = host.dir.path().join("srv");
    fs::create_dir(&srv).unwrap();
    fs::write(srv.join("agent.tar"), "tar").unwrap();
    let found = || match host.search().find_tar(host.cache.dir()).unwrap() {
        Found::Local(found) => found,
        Found::Downloaded(download) => panic!("{download:?}"),
    };
    assert_eq!(found().source(), &TarSource::File(srv.join("agent.tar")));
    assert_eq!(found().signature(), None);
    fs::write(srv.join("agent.tar.asc"), "signature").unwrap();
    assert_eq!(found().signature(), Some(&b"signature"[..]));
}

#[test]
fn signature_of_cached_version_only() {
    let (mirror, s3) = (server_with_status(404), valid_server());
    let s3_url = s3.url();
    let host = Host::mirror(&mirror.url(), &[("AWS_ENDPOINT_URL_S3", &s3_url)]);
    let search = host.search_in(|| Ok("xx-test-1".into()));
    let version = AgentVersion::Release("v1.98.0".into());
    assert_eq!(search.signature(&version).unwrap(), b"signature");
    assert_eq!(mirror.paths(), ["/ecs-agent-v1.98.0.tar.asc"]);
    assert_eq!(
        s3.paths(),
        ["/amazon-ecs-agent-xx-test-1/ecs-agent-v1.98.0.tar.asc"]
    );
    let nowhere = Host::mirror(&mirror.url(), &[]);
    let error = nowhere.search().signature(&version).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("ecs-agent-v1.98.0.tar"), "{error}");
    assert!(error.contains("no region in this test"), "{error}");
}
