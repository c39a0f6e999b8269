//! Transfers that end early, stall, or whose file changes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ecs_init::fetch::MinThroughput;
use ecs_init::retry::RetryLimit;

use super::object::Object;
use super::server::{Body, Reply, Request, Server};
use super::{Host, fetch_error};

const SIZE: usize = 3_000_000;
/// Where the first transfer ends: not at a buffer's end.
const CUT: usize = 1_234_567;

/// Serves the tar with this handler, and a numbered signature.
fn serve(tar: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Server {
    Server::http(move |request, before| {
        if request.is_tar() {
            tar(request, before)
        } else {
            Reply::new(200, format!("signature {before}"))
        }
    })
}

/// Serves this tar; the first transfer is cut.
fn serve_cut(tar: Object) -> Server {
    serve(move |request, before| {
        let reply = tar.get(request);
        if before == 0 {
            reply.body(Body::Cut(CUT))
        } else {
            reply
        }
    })
}

/// `Range` and `If-Range` of each request for the tar.
fn ranges(server: &Server) -> Vec<Option<(String, String)>> {
    let pair = |r: &Request| Some((r.header("range")?.into(), r.header("if-range")?.into()));
    server.tar_requests().iter().map(pair).collect()
}

/// The entry of [`ranges`] that requests the rest after [`CUT`].
#[allow(clippy::unnecessary_wraps)]
fn remaining_range(validator: &str) -> Option<(String, String)> {
    Some((format!("bytes={CUT}-"), validator.into()))
}

#[test]
fn interrupted_transfer_resumes() {
    let tar = Object::new(SIZE, 1, "\"one\"");
    let whole = tar.content.clone();
    let server = serve_cut(tar);
    let (content, signature) = Host::mirror(&server.url(), &[]).content().unwrap();
    assert!(content == whole);
    assert_eq!(ranges(&server), [None, remaining_range("\"one\"")]);
    assert_eq!(signature, b"signature 0", "downloaded once");
}

#[test]
fn resume_by_last_modified_with_weak_etag() {
    let date = "Sat, 21 Nov 2026 10:00:00 GMT";
    let mut tar = Object::new(SIZE, 1, "W/\"weak\"");
    tar.modified = Some(date);
    let whole = tar.content.clone();
    let server = serve_cut(tar);
    assert!(Host::mirror(&server.url(), &[]).content().unwrap().0 == whole);
    assert_eq!(ranges(&server), [None, remaining_range(date)]);
}

#[test]
fn transfer_without_validator_restarts() {
    let mut tar = Object::new(SIZE, 1, "");
    tar.etag = None;
    let whole = tar.content.clone();
    let server = serve_cut(tar);
    assert!(Host::mirror(&server.url(), &[]).content().unwrap().0 == whole);
    assert_eq!(ranges(&server), [None, None]);
}

#[test]
fn changed_tar_restarts_with_new_signature() {
    let (old, new) = (
        Object::new(SIZE, 1, "\"old\""),
        Object::new(SIZE - 999, 2, "\"new\""),
    );
    let whole = new.content.clone();
    let server = serve(move |request, before| {
        if before == 0 {
            old.get(request).body(Body::Cut(CUT))
        } else {
            new.get(request)
        }
    });
    let (content, signature) = Host::mirror(&server.url(), &[]).content().unwrap();
    assert!(content == whole);
    assert_eq!(ranges(&server), [None, remaining_range("\"old\"")]);
    assert_eq!(signature, b"signature 1");
}

#[test]
fn server_without_ranges_sends_whole_file() {
    let tar = Object::new(SIZE, 1, "\"one\"");
    let whole = tar.content.clone();
    let server = serve(move |_, before| {
        let reply = Reply::new(200, tar.content.clone()).with("ETag", "\"one\"");
        if before < 2 {
            reply.body(Body::Cut(CUT))
        } else {
            reply
        }
    });
    assert!(Host::mirror(&server.url(), &[]).content().unwrap().0 == whole);
    assert_eq!(
        ranges(&server),
        [None, remaining_range("\"one\""), remaining_range("\"one\"")]
    );
}

#[test]
fn mismatching_content_range_is_not_appended() {
    for range in [
        "bytes 0-2999999/3000000",
        "bytes 1234568-2999999/3000000",
        "bytes 1234567-2999999/4000000",
        "none",
    ] {
        let tar = Object::new(SIZE, 1, "\"one\"");
        let whole = tar.content.clone();
        let server = serve(move |request, before| match before {
            0 => tar.get(request).body(Body::Cut(CUT)),
            1 => Reply::new(206, &tar.content[CUT..]).with("Content-Range", range),
            _ => tar.get(request),
        });
        assert!(Host::mirror(&server.url(), &[]).content().unwrap().0 == whole);
        assert_eq!(
            ranges(&server),
            [None, remaining_range("\"one\""), None],
            "{range}"
        );
    }
}

#[test]
fn status_416_restarts() {
    let tar = Object::new(SIZE, 1, "\"one\"");
    let whole = tar.content.clone();
    let server = serve(move |request, before| match before {
        0 => tar.get(request).body(Body::Cut(CUT)),
        1 => Reply::new(416, ""),
        _ => tar.get(request),
    });
    assert!(Host::mirror(&server.url(), &[]).content().unwrap().0 == whole);
    assert_eq!(ranges(&server), [None, remaining_range("\"one\""), None]);
}

#[test]
fn tar_that_changes_repeatedly_fails() {
    let server = serve(|request, before| {
        let etag = ["\"0\"", "\"1\"", "\"2\"", "\"3\"", "\"4\"", "\"5\""][before % 6];
        Object::new(SIZE, 1, etag).get(request).body(Body::Cut(CUT))
    });
    let error = fetch_error(&Host::mirror(&server.url(), &[]));
    assert!(error.contains("changed 3 times"), "{error}");
    assert_eq!(server.tar_requests().len(), 5);
}

#[test]
fn body_shorter_than_content_length_is_an_error() {
    let server = serve(|_, _| {
        Reply::new(200, vec![0; 5000])
            .with("Content-Length", "9000")
            .with("ETag", "\"lie\"")
    });
    let mut host = Host::mirror(&server.url(), &[]);
    host.options.retry.limit = RetryLimit::Time(Duration::from_millis(50));
    let error = fetch_error(&host);
    assert!(error.contains("ended after 5000 of 9000 bytes"), "{error}");
    assert!(host.names().is_empty());
}

#[test]
fn stalled_transfer_resumes() {
    let tar = Object::new(SIZE, 1, "\"one\"");
    let whole = tar.content.clone();
    let server = serve(move |request, _| {
        let reply = tar.get(request);
        // Until it resumes: a slow machine may time out elsewhere, too.
        if request.header("range").is_none() {
            reply.body(Body::Stall(CUT))
        } else {
            reply
        }
    });
    let mut host = Host::mirror(&server.url(), &[]);
    host.options.timeouts.read = Duration::from_millis(300);
    assert!(host.content().unwrap().0 == whole);
    let ranges = ranges(&server);
    assert!(ranges.iter().any(Option::is_some), "{ranges:?}");
}

#[test]
fn slow_transfer_is_aborted_and_resumed() {
    let tar = Object::new(SIZE, 1, "\"one\"");
    let whole = tar.content.clone();
    let server = serve(move |request, _| {
        let reply = tar.get(request);
        if request.header("range").is_none() {
            reply.body(Body::Drip)
        } else {
            reply
        }
    });
    let mut host = Host::mirror(&server.url(), &[]);
    // A byte every 10 ms never lets the read time out.
    host.options.min_throughput = MinThroughput {
        bytes: 10_000,
        interval: Duration::from_millis(500),
    };
    assert!(host.content().unwrap().0 == whole);
    let ranges = ranges(&server);
    assert!(ranges.iter().any(Option::is_some), "{ranges:?}");
}

#[test]
fn missing_response_head_times_out_and_is_retried() {
    let retried: [AtomicBool; 2] = Default::default();
    let server = Server::http(move |request, before| {
        let retried = &retried[usize::from(request.is_tar())];
        if before > 0 {
            retried.store(true, Ordering::SeqCst);
        }
        while !retried.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(10));
        }
        if request.is_tar() {
            Object::new(1000, 1, "\"one\"").get(request)
        } else {
            Reply::new(200, "signature")
        }
    });
    let mut host = Host::mirror(&server.url(), &[]);
    host.options.timeouts.head = Duration::from_millis(200);
    assert_eq!(host.content().unwrap().0.len(), 1000);
    assert!(server.tar_requests().len() >= 2);
}

#[test]
fn body_longer_than_content_range_is_an_error() {
    let server = serve(|request, before| {
        let tar = Object::new(SIZE, 1, "\"one\"");
        if before == 0 {
            return tar.get(request).body(Body::Cut(CUT));
        }
        Reply::new(206, vec![0; SIZE])
            .with("Content-Range", format!("bytes {CUT}-2999999/{SIZE}"))
            .with("ETag", "\"one\"")
            .body(Body::Chunked)
    });
    let error = fetch_error(&Host::mirror(&server.url(), &[]));
    assert!(error.contains("more than the 3000000 bytes"), "{error}");
}
