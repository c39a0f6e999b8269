"""The agent's tar: its sources, its verification and the cache."""

import gzip

from harness.archives import AGENT
from harness.case import ALL, ARCHITECTURE, FAILURE, Scene, case
from harness.errors import equal, expect
from harness.faults import Changed, Cut, Refuse, Stall, Status
from harness.host import SIGKILL
from harness.world import PARTITION, REGIONAL

CACHED = "/var/cache/ecs/ecs-agent.tar"
STATE = "/var/cache/ecs/state"


def loaded(t: Scene) -> bool:
    return AGENT in t.docker.images()


@case("full", "bare", engines=ALL, guests=ARCHITECTURE, bare_guests=True)
def cold_start(t: Scene) -> None:
    """An empty host: region from IMDSv2, tar from S3 verified and loaded, agent running."""
    path = t.artifacts.publish(t.bucket)
    result = t.init("pre-start")
    expect(loaded(t), f"no {AGENT} in Docker after\n{result}")
    equal(t.host.read(CACHED), t.artifacts.tar, "the cached tar is the published one")
    equal(t.host.text(STATE).strip(), "1", "the cache's state")
    equal(t.bucket.requests(path + ".asc")[0].status, 200, "the signature was fetched")
    methods = [(method, status) for method, _, status in t.metadata.journal]
    expect(("PUT", 200) in methods, f"no IMDSv2 token was requested: {methods}")
    expect(all(status != 401 for _, status in methods), f"IMDSv1 was tried: {methods}")
    process = t.start()
    expect("ecs-agent" in t.docker.containers(), "no container named ecs-agent")
    equal(t.agent_version(), "v1.99.0", "the agent's version")
    config = t.docker.inspect("ecs-agent")["HostConfig"]
    equal(config["NetworkMode"], "host", "the container's network")
    equal(sorted(config["CapAdd"]), ["NET_ADMIN", "SYS_ADMIN"], "its capabilities")
    equal(config["Init"], True, "its init")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")


@case(guests=ARCHITECTURE)
def named_version(t: Scene) -> None:
    """ECS_INIT_AGENT_VERSION and ECS_INIT_REGION choose the object; IMDS is not used."""
    path = t.artifacts.publish(t.bucket, version="v1.99.0")
    t.init("pre-start", ECS_INIT_AGENT_VERSION="v1.99.0", ECS_INIT_REGION="us-west-2")
    expect(loaded(t), f"no {AGENT} in Docker")
    expect(t.bucket.requests(path), f"{path} was not requested")
    equal(t.metadata.journal, [], "metadata requests with the region set")


@case()
def partition_bucket(t: Scene) -> None:
    """An object missing in the regional bucket comes from the partition's, without a retry."""
    t.artifacts.publish(t.bucket, base=PARTITION)
    t.init("pre-start")
    expect(loaded(t), f"no {AGENT} in Docker")
    regional = [r for r in t.bucket.journal if r.path.startswith(REGIONAL)]
    expect(regional and t.bucket.journal[0] in regional,
           "the first request is not to the regional bucket")
    paths = [r.path for r in regional]
    expect(len(paths) == len(set(paths)), f"403 was retried: {paths}")


@case()
def mirror_first(t: Scene) -> None:
    """ECS_INIT_MIRROR comes before any bucket and needs no region."""
    path = t.artifacts.publish(t.bucket, base="/mirror/")
    t.artifacts.publish(t.bucket)
    t.init("pre-start", ECS_INIT_MIRROR=f"{t.around.s3}/mirror/")
    expect(loaded(t), f"no {AGENT} in Docker")
    expect(t.bucket.requests(path), "no request to the mirror")
    others = [r.path for r in t.bucket.journal if not r.path.startswith("/mirror/")]
    equal(others, [], "requests elsewhere")


@case()
def tar_by_path(t: Scene) -> None:
    """ECS_INIT_AGENT_TAR with its signature needs no network."""
    t.host.write("/opt/agent.tar", t.artifacts.tar)
    t.host.write("/opt/agent.tar.asc", t.artifacts.signature)
    t.init("pre-start", ECS_INIT_AGENT_TAR="/opt/agent.tar")
    expect(loaded(t), f"no {AGENT} in Docker")
    # The tar is in the cache now: the setting is not needed again.
    t.docker.untag(AGENT)
    t.init("pre-start")
    expect(loaded(t), f"no {AGENT} in Docker from the cache")
    equal(t.bucket.journal, [], "requests")


@case()
def gzip_tar(t: Scene) -> None:
    """A gzip-compressed tar, signed as compressed, is loaded."""
    tar = gzip.compress(t.artifacts.tar, mtime=0)
    t.artifacts.publish(t.bucket, tar=tar, signature=t.artifacts.world.trusted.sign(tar))
    t.init("pre-start")
    expect(loaded(t), f"no {AGENT} in Docker")


@case()
def cut_transfers_resume(t: Scene) -> None:
    """A cut transfer resumes by range; 503 and closed connections are retried."""
    path = t.artifacts.publish(t.bucket)
    t.bucket.fail(path, Refuse(), Status(503), Cut(100_000), Cut(50_000))
    t.init("pre-start", ECS_INIT_RETRY_TIME="600")
    equal(t.host.read(CACHED), t.artifacts.tar, "the cached tar")
    ranges = [(r.range, r.status) for r in t.bucket.requests(path) if r.range]
    expect(ranges and all(status == 206 for _, status in ranges), f"not resumed: {ranges}")
    expect(all(r.if_range for r in t.bucket.requests(path) if r.range), "Range without If-Range")
    total = sum(r.sent for r in t.bucket.requests(path))
    expect(total < 2 * len(t.artifacts.tar), f"{total} bytes sent for {len(t.artifacts.tar)}")


@case()
def changed_object_starts_over(t: Scene) -> None:
    """An object replaced between cut and resume is downloaded from the start."""
    path = t.artifacts.publish(t.bucket)
    t.bucket.fail(path, Cut(100_000), Changed())
    # The replacement is one byte longer and has no signature: it must be rejected.
    t.init("pre-start", code=FAILURE, ECS_INIT_RETRY_TIME="600")
    statuses = [(r.range is not None, r.status) for r in t.bucket.requests(path)]
    expect((True, 200) in statuses, f"the download did not start over: {statuses}")
    t.nothing_loaded()


@case()
def killed_during_download(t: Scene) -> None:
    """SIGKILL during a download leaves the cache unchanged; the next pre-start succeeds."""
    path = t.artifacts.publish(t.bucket)
    t.bucket.fail(path, Stall(200_000))
    process = t.spawn("pre-start")
    t.host.until("the transfer starts", lambda: any(
        r.sent for r in t.bucket.requests(path)), process=process)
    process.kill(SIGKILL)
    process.wait()
    t.nothing_loaded()
    t.init("pre-start")
    equal(t.host.read(CACHED), t.artifacts.tar, "the cached tar")
    names = t.host.list("/var/cache/ecs")
    t.host.remove("/var/cache/ecs")
    t.init("pre-start")
    equal(names, t.host.list("/var/cache/ecs"),
          "the cache's files, compared with an uninterrupted download")


@case()
def tampered_tar(t: Scene) -> None:
    """A tar with one flipped bit is rejected, not loaded and not cached."""
    tar = bytearray(t.artifacts.tar)
    tar[len(tar) // 2] ^= 1
    t.artifacts.publish(t.bucket, tar=bytes(tar))
    result = t.init("pre-start", code=FAILURE)
    expect("signature" in result.stderr.lower(), f"the error does not name the signature: {result}")
    t.nothing_loaded()


@case()
def signed_by_untrusted_key(t: Scene) -> None:
    """A valid signature by an untrusted key is rejected."""
    t.artifacts.publish(t.bucket, signature=t.artifacts.world.stranger.sign(t.artifacts.tar))
    t.init("pre-start", code=FAILURE)
    t.nothing_loaded()
    # With that key trusted the same tar and signature are accepted.
    t.host.write("/opt/stranger.asc", t.artifacts.world.stranger.certificate)
    t.init("pre-start", ECS_INIT_KEYRING="/opt/stranger.asc")
    expect(loaded(t), f"no {AGENT} in Docker with the stranger's key trusted")


@case()
def default_keyring(t: Scene) -> None:
    """Without ECS_INIT_KEYRING only Amazon's compiled-in key is trusted, not the tests' key."""
    t.artifacts.publish(t.bucket)
    t.init("pre-start", code=FAILURE, ECS_INIT_KEYRING="")
    t.nothing_loaded()


@case()
def missing_signature(t: Scene) -> None:
    """A tar whose signature S3 answers with 403 is rejected."""
    path = t.artifacts.publish(t.bucket)
    del t.bucket.objects[path + ".asc"]
    t.init("pre-start", code=FAILURE)
    t.nothing_loaded()


@case()
def untrusted_tls_certificate(t: Scene) -> None:
    """A TLS certificate by an unknown authority fails the handshake; no request is sent."""
    t.artifacts.publish(t.bucket)
    result = t.init("pre-start", code=FAILURE, AWS_CA_BUNDLE="", ECS_INIT_RETRY_TIME="2")
    expect("certificate" in result.stderr.lower(), f"the error does not name the certificate: {result}")
    equal(t.bucket.journal, [], "requests over an untrusted connection")
    t.nothing_loaded()


@case()
def no_region(t: Scene) -> None:
    """Without a region pre-start fails and names it; no default region is used."""
    t.artifacts.publish(t.bucket)
    result = t.init("pre-start", code=FAILURE, AWS_EC2_METADATA_DISABLED="true")
    expect("region" in result.stderr.lower(), f"the error does not name the region: {result}")
    equal(t.bucket.journal, [], "requests without a region")


@case("full", "bare")
def offline_with_cache(t: Scene) -> None:
    """With a cached tar a host starts without S3 and IMDS, even if Docker has no image."""
    t.artifacts.publish(t.bucket)
    t.init("pre-start")
    t.docker.untag(AGENT)
    del t.bucket.journal[:], t.metadata.journal[:]
    nowhere = "https://127.0.0.1:9"
    offline = {"AWS_ENDPOINT_URL_S3": nowhere, "AWS_EC2_METADATA_SERVICE_ENDPOINT": nowhere}
    result = t.init("pre-start", **offline)
    expect(loaded(t), f"no {AGENT} in Docker after\n{result}")
    equal((t.bucket.journal, t.metadata.journal), ([], []), "requests")
    process = t.start("start", **offline)
    process.kill()
    process.wait()


@case()
def tampered_cache(t: Scene) -> None:
    """A cached tar is verified again before it is loaded."""
    t.artifacts.publish(t.bucket)
    t.init("pre-start")
    t.docker.untag(AGENT)
    tar = bytearray(t.artifacts.tar)
    tar[len(tar) // 2] ^= 1
    t.host.write(CACHED, bytes(tar))
    t.spawn("pre-start", AWS_ENDPOINT_URL_S3="https://127.0.0.1:9",
            ECS_INIT_RETRY_TIME="2").wait()
    expect(not loaded(t), "a tampered cache was loaded")


@case()
def cache_state_2_reloads(t: Scene) -> None:
    """Cache state 2 loads the cached tar even if Docker has an image."""
    t.artifacts.publish(t.bucket)
    t.init("pre-start")
    before = t.docker.images()[AGENT]
    tar = t.artifacts.next
    t.host.write(CACHED, tar)
    signature = t.artifacts.world.trusted.sign(tar)
    t.host.write(CACHED + ".asc", signature)
    t.artifacts.publish(t.bucket, tar=tar, signature=signature)
    t.host.write(STATE, "2")
    t.init("pre-start")
    after = t.docker.images()[AGENT]
    expect(after != before, "the cached tar was not loaded")
    equal(t.host.text(STATE).strip(), "1", "the state afterwards")


@case()
def packaged_symlink(t: Scene) -> None:
    """The cache as in Amazon's packages (state 2, symlink, no signature): only the signature is
    downloaded, and the tar is loaded."""
    name = t.artifacts.name("v1.99.0")
    t.artifacts.publish(t.bucket, version="v1.99.0")
    t.host.write(f"/var/cache/ecs/{name}", t.artifacts.tar)
    t.host.symlink(CACHED, name)
    t.host.write(STATE, "2")
    t.init("pre-start")
    expect(loaded(t), f"no {AGENT} in Docker")
    path = REGIONAL + name
    equal([r.path for r in t.bucket.journal if r.path == path], [], "the tar itself was fetched")
    expect(t.bucket.requests(path + ".asc"), "the signature was not fetched")


@case(guests=ARCHITECTURE)
def verify_command(t: Scene) -> None:
    """`verify` accepts the signed tar, rejects another, and needs no Docker."""
    t.host.write("/opt/a.tar", t.artifacts.tar)
    t.host.write("/opt/a.tar.asc", t.artifacts.signature)
    t.host.write("/opt/b.tar", t.artifacts.next)
    good = t.init("verify", "/opt/a.tar")
    output = good.stdout + good.stderr
    expect(t.artifacts.world.trusted.fingerprint in output.replace(" ", "").upper(),
           f"no fingerprint in {good}")
    t.init("verify", "/opt/a.tar", "/opt/a.tar.asc", DOCKER_HOST="unix:///nonexistent")
    t.init("verify", "/opt/b.tar", "/opt/a.tar.asc", code=FAILURE)


@case()
def corrupt_cached_tar_is_replaced(t: Scene) -> None:
    """A corrupt or truncated cached tar is downloaded again, loaded and cached."""
    path = t.artifacts.publish(t.bucket)
    t.init("pre-start")
    flipped = bytearray(t.artifacts.tar)
    flipped[len(flipped) // 2] ^= 1
    for state in "1", "2":
        for broken in bytes(flipped), t.artifacts.tar[:100_000]:
            t.host.write(CACHED, broken)
            t.host.write(STATE, state)
            t.docker.untag(AGENT)
            del t.bucket.journal[:]
            t.init("pre-start")
            expect(loaded(t), f"no {AGENT} in Docker")
            expect(t.bucket.requests(path), "no tar was downloaded")
            equal(t.host.read(CACHED), t.artifacts.tar, "the cached tar")
            equal(t.host.text(STATE).strip(), "1", "the state afterwards")


@case()
def external_region(t: Scene) -> None:
    """With ECS_EXTERNAL the region is AWS_DEFAULT_REGION, and IMDS is not used."""
    path = t.artifacts.publish(t.bucket, base="/amazon-ecs-agent-eu-central-1/")
    t.init("pre-start", ECS_EXTERNAL="true", AWS_DEFAULT_REGION="eu-central-1")
    expect(loaded(t), f"no {AGENT} in Docker")
    equal({r.path for r in t.bucket.journal}, {path, path + ".asc"}, "requests")
    equal(t.metadata.journal, [], "requests to IMDS")
