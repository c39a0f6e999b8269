//! Which place is asked, in which order, and which failure leads to the next.

use std::fs;

use ecs_init::fetch::Found;
use ecs_init::types::AgentVersion;
use ecs_init::types::TarSource;

use super::server::{Body, Object, Reply, Server};
use super::{Host, logs, refused};

fn tar() -> Object {
    Object::new(300_000, 1, "\"one\"")
}

/// Serves the tar and its signature.
pub fn good() -> Server {
    Server::http(|request, _| {
        if request.is_tar() {
            tar().get(request)
        } else {
            Reply::new(200, "signature")
        }
    })
}

/// Answers everything with this status.
fn bad(status: u16) -> Server {
    Server::http(move |_, _| Reply::new(status, "no"))
}

#[test]
fn the_mirror_has_it_and_nobody_else_is_asked() {
    let server = good();
    let host = Host::mirror(&format!("{}/a/b/", server.url()), &[]);
    let mut search = host.search_in(|| panic!("the region is not needed"));
    let Ok(Found::Downloaded(download)) = search.next(host.cache.dir()) else {
        panic!();
    };
    let url = format!("{}/a/b/ecs-agent-latest.tar", server.url());
    assert_eq!(download.source(), &TarSource::Url(url));
    let (content, signature) = super::both(&download);
    assert!(content == tar().content);
    assert_eq!(signature, b"signature");
    let agent = format!("ecs-init/{}", env!("CARGO_PKG_VERSION"));
    for request in server.asked() {
        assert_eq!(request.header("user-agent"), Some(agent.as_str()));
        assert_eq!(request.header("accept-encoding"), Some("identity"));
    }
    drop(download);
    assert!(host.names().is_empty(), "what is not kept is gone");
}

#[test]
fn file_then_mirror_then_region_then_partition() {
    for status in [403, 404, 400, 410, 501] {
        let (mirror, s3) = (bad(status), bad(status));
        let host = Host::new(&[
            ("ECS_INIT_AGENT_TAR", "/absent.tar"),
            ("ECS_INIT_AGENT_VERSION", "v1.99.0"),
            ("ECS_INIT_MIRROR", &mirror.url()),
            ("AWS_ENDPOINT_URL_S3", &s3.url()),
        ]);
        let mut search = host.search_in(|| Ok("xx-test-1".into()));
        let error = search.next(host.cache.dir()).unwrap_err().to_string();
        // Once each: what is not there is not asked for again.
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
fn a_403_leads_to_the_next_place() {
    let (mirror, s3) = (bad(403), good());
    let s3_url = s3.url();
    let host = Host::mirror(&mirror.url(), &[("AWS_ENDPOINT_URL_S3", &s3_url)]);
    let mut search = host.search_in(|| Ok("xx-test-1".into()));
    let Ok(Found::Downloaded(download)) = search.next(host.cache.dir()) else {
        panic!();
    };
    let url = format!("{s3_url}/amazon-ecs-agent-xx-test-1/ecs-agent-latest.tar");
    assert_eq!(download.source(), &TarSource::Url(url));
    // Asked again, the search goes on where it was.
    let Ok(Found::Downloaded(download)) = search.next(host.cache.dir()) else {
        panic!();
    };
    let url = format!("{s3_url}/amazon-ecs-agent/ecs-agent-latest.tar");
    assert_eq!(download.source(), &TarSource::Url(url));
    assert!(search.next(host.cache.dir()).is_err());
}

#[test]
fn without_a_signature_there_is_no_tar() {
    let server = Server::http(|request, _| {
        let status = if request.is_tar() { 200 } else { 404 };
        Reply::new(status, "x")
    });
    let host = Host::mirror(&server.url(), &[]);
    let error = refused(&host);
    assert!(error.contains("404"), "{error}");
    assert!(server.tars().is_empty(), "the tar is not even asked for");
}

#[test]
fn a_signature_is_short() {
    let server = Server::http(|_, _| Reply::new(200, vec![b'x'; 70_000]));
    let error = refused(&Host::mirror(&server.url(), &[]));
    assert!(error.contains("larger than 65536 bytes"), "{error}");
}

#[test]
fn what_may_pass_is_tried_again() {
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
        assert_eq!(server.tars().len(), 3);
        assert_eq!(server.asked().len(), 6);
    }
}

#[test]
fn patience_has_an_end() {
    let server = bad(503);
    let mut host = Host::mirror(&server.url(), &[]);
    let again = host.asks_again(
        || server.asked().len(),
        |error| error.contains("HTTP status 503"),
    );
    assert!(again, "a 503 may pass");
}

#[test]
fn a_refused_connection_is_tried_again() {
    // Of an address that no other test takes ports of.
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
fn too_large_by_its_own_word() {
    let server = Server::http(|request, _| {
        if request.is_tar() {
            // The body stays away: who reads it waits for ever.
            Reply::new(200, "")
                .with("Content-Length", "5000000000")
                .body(Body::Stall(0))
        } else {
            Reply::new(200, "signature")
        }
    });
    let host = Host::mirror(&server.url(), &[("ECS_INIT_DOWNLOAD_LIMIT", "100000")]);
    let error = refused(&host);
    assert!(error.contains("larger than 100000 bytes"), "{error}");
    assert!(error.contains("ECS_INIT_DOWNLOAD_LIMIT"), "{error}");
    assert_eq!(server.tars().len(), 1);
    assert!(host.names().is_empty());
}

#[test]
fn too_large_by_count() {
    let server = Server::http(|request, _| {
        if request.is_tar() {
            tar().get(request).body(Body::Chunked)
        } else {
            Reply::new(200, "signature")
        }
    });
    let limit = |limit: &str| Host::mirror(&server.url(), &[("ECS_INIT_DOWNLOAD_LIMIT", limit)]);
    let host = limit("299999");
    let error = refused(&host);
    assert!(error.contains("larger than 299999 bytes"), "{error}");
    assert!(host.names().is_empty());
    assert!(limit("300000").content().unwrap().0 == tar().content);
}

#[test]
fn what_comes_encoded_is_not_taken() {
    let server = Server::http(|request, _| {
        if request.is_tar() {
            tar().get(request).with("Content-Encoding", "gzip")
        } else {
            Reply::new(200, "signature")
        }
    });
    let error = refused(&Host::mirror(&server.url(), &[]));
    assert!(error.contains("encoded the file (gzip)"), "{error}");
    assert_eq!(server.tars().len(), 1);
}

#[test]
fn redirects_are_followed_but_not_for_ever() {
    let target = good();
    let to = target.url();
    let server = Server::http(move |request, _| {
        Reply::new(302, "elsewhere").with("Location", format!("{to}/x{}?sig=verbot", request.path))
    });
    let host = Host::mirror(&server.url(), &[]);
    let (_, signature) = host.content().unwrap();
    assert_eq!(signature, b"signature");
    let first = target.paths().remove(0);
    assert_eq!(first, "/x/ecs-agent-latest.tar.asc?sig=verbot");
    // A query may be what gives access. (ureq's own lines are for the logger to leave out.)
    let lines = logs::with("verbot");
    assert!(!lines.iter().any(|l| l.contains(" ecs_init")), "{lines:?}");

    let round = Server::http(|request, _| Reply::new(307, "").with("Location", &request.path));
    let error = refused(&Host::mirror(&round.url(), &[]));
    assert!(error.contains("redirected more than 5 times"), "{error}");
    assert_eq!(round.asked().len(), 6);
}

#[test]
fn a_file_by_its_path_comes_first() {
    let host = Host::new(&[
        ("ECS_INIT_AGENT_TAR", "/srv/agent.tar"),
        ("ECS_INIT_MIRROR", "http://127.0.0.1:1"),
    ]);
    let srv = host.dir.path().join("srv");
    fs::create_dir(&srv).unwrap();
    fs::write(srv.join("agent.tar"), "tar").unwrap();
    let found = || match host.search().next(host.cache.dir()).unwrap() {
        Found::Local(found) => found,
        Found::Downloaded(download) => panic!("{download:?}"),
    };
    assert_eq!(found().source(), &TarSource::File(srv.join("agent.tar")));
    assert_eq!(found().signature(), None);
    fs::write(srv.join("agent.tar.asc"), "signature").unwrap();
    assert_eq!(found().signature(), Some(&b"signature"[..]));
}

#[test]
fn the_signature_of_a_cached_version_is_fetched_alone() {
    let (mirror, s3) = (bad(404), good());
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
