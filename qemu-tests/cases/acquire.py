"""Where the tar comes from, and what is not let in."""

import gzip

from harness.archives import AGENT
from harness.case import ALL, FAILURE, Scene, case
from harness.errors import equal, expect
from harness.faults import Changed, Cut, Refuse, Stall, Status
from harness.host import SIGKILL
from harness.world import PARTITION, REGIONAL

CACHED = "/var/cache/ecs/ecs-agent.tar"
STATE = "/var/cache/ecs/state"


def loaded(t: Scene) -> bool:
    return AGENT in t.docker.images()


@case("full", "bare", engines=ALL)
def cold_start(t: Scene) -> None:
    """From an empty host and "S3": region from IMDSv2, tar verified, image, rules, container up."""
    path = t.artifacts.publish(t.bucket)
    result = t.init("pre-start")
    expect(loaded(t), f"no {AGENT} in Docker after\n{result}")
    equal(t.host.read(CACHED), t.artifacts.tar, "the cached tar is the published one")
    equal(t.host.text(STATE).strip(), "1", "the cache's state")
    equal(t.bucket.requests(path + ".asc")[0].status, 200, "the signature was fetched")
    methods = [(method, status) for method, _, status in t.metadata.journal]
    expect(("PUT", 200) in methods, f"no IMDSv2 token was asked for: {methods}")
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


@case()
def named_version(t: Scene) -> None:
    """A version that is asked for by name is fetched by that name."""
    path = t.artifacts.publish(t.bucket, version="v1.99.0")
    t.init("pre-start", ECS_INIT_AGENT_VERSION="v1.99.0", ECS_INIT_REGION="us-west-2")
    expect(loaded(t), f"no {AGENT} in Docker")
    expect(t.bucket.requests(path), f"{path} was not asked for")
    equal(t.metadata.journal, [], "metadata requests, the region being set")


@case()
def partition_bucket(t: Scene) -> None:
    """What the regional bucket does not have comes from the partition's, without a retry."""
    t.artifacts.publish(t.bucket, base=PARTITION)
    t.init("pre-start")
    expect(loaded(t), f"no {AGENT} in Docker")
    regional = [r for r in t.bucket.journal if r.path.startswith(REGIONAL)]
    expect(regional and t.bucket.journal[0] in regional, "the regional bucket was not asked first")
    paths = [r.path for r in regional]
    expect(len(paths) == len(set(paths)), f"what is forbidden was asked for again: {paths}")


@case()
def mirror_first(t: Scene) -> None:
    """A mirror is asked before any bucket, and no region is needed for it."""
    path = t.artifacts.publish(t.bucket, base="/mirror/")
    t.artifacts.publish(t.bucket)
    t.init("pre-start", ECS_INIT_MIRROR=f"{t.around.s3}/mirror/")
    expect(loaded(t), f"no {AGENT} in Docker")
    expect(t.bucket.requests(path), "the mirror was not asked")
    others = [r.path for r in t.bucket.journal if not r.path.startswith("/mirror/")]
    equal(others, [], "requests elsewhere")


@case()
def tar_by_path(t: Scene) -> None:
    """A tar and signature on the host need no network at all."""
    t.host.write("/opt/agent.tar", t.artifacts.tar)
    t.host.write("/opt/agent.tar.asc", t.artifacts.signature)
    t.init("pre-start", ECS_INIT_AGENT_TAR="/opt/agent.tar")
    expect(loaded(t), f"no {AGENT} in Docker")
    # It is the cached one from now on, without being named again.
    t.docker.untag(AGENT)
    t.init("pre-start")
    expect(loaded(t), f"no {AGENT} in Docker from the cache")
    equal(t.bucket.journal, [], "requests")


@case()
def gzip_tar(t: Scene) -> None:
    """A compressed tar is signed as it is, and loaded."""
    tar = gzip.compress(t.artifacts.tar, mtime=0)
    t.artifacts.publish(t.bucket, tar=tar, signature=t.artifacts.world.trusted.sign(tar))
    t.init("pre-start")
    expect(loaded(t), f"no {AGENT} in Docker")


@case()
def cut_transfers_resume(t: Scene) -> None:
    """A transfer cut short goes on where it stopped; busy and refusing servers are asked again."""
    path = t.artifacts.publish(t.bucket)
    t.bucket.fail(path, Refuse(), Status(503), Cut(100_000), Cut(50_000))
    t.init("pre-start", ECS_INIT_RETRY_TIME="600")
    equal(t.host.read(CACHED), t.artifacts.tar, "the cached tar")
    ranges = [(r.range, r.status) for r in t.bucket.requests(path) if r.range]
    expect(ranges and all(status == 206 for _, status in ranges), f"no resume: {ranges}")
    expect(all(r.if_range for r in t.bucket.requests(path) if r.range), "a Range without If-Range")
    total = sum(r.sent for r in t.bucket.requests(path))
    expect(total < 2 * len(t.artifacts.tar), f"{total} bytes sent for {len(t.artifacts.tar)}")


@case()
def changed_object_starts_over(t: Scene) -> None:
    """An object replaced between cut and resume is fetched whole, never patched together."""
    path = t.artifacts.publish(t.bucket)
    t.bucket.fail(path, Cut(100_000), Changed())
    # The replacement has one byte more and no signature of its own: refused, as it must be.
    t.init("pre-start", code=FAILURE, ECS_INIT_RETRY_TIME="600")
    statuses = [(r.range is not None, r.status) for r in t.bucket.requests(path)]
    expect((True, 200) in statuses, f"the resume did not start over: {statuses}")
    t.nothing_loaded()


@case()
def killed_in_mid_transfer(t: Scene) -> None:
    """Killed while the tar comes in, the cache holds what it held; the next pre-start goes well."""
    path = t.artifacts.publish(t.bucket)
    t.bucket.fail(path, Stall(200_000))
    process = t.spawn("pre-start")
    t.host.until("the transfer has begun", lambda: any(
        r.sent for r in t.bucket.requests(path)), process=process)
    process.kill(SIGKILL)
    process.wait()
    t.nothing_loaded()
    t.init("pre-start")
    equal(t.host.read(CACHED), t.artifacts.tar, "the cached tar")
    names = t.host.list("/var/cache/ecs")
    t.host.remove("/var/cache/ecs")
    t.init("pre-start")
    equal(names, t.host.list("/var/cache/ecs"), "the cache's files, and those never cut off")


@case("full", "bare")
def tampered_tar(t: Scene) -> None:
    """One bit flipped in the tar: refused, nothing loaded, nothing cached, no rules left half done."""
    tar = bytearray(t.artifacts.tar)
    tar[len(tar) // 2] ^= 1
    t.artifacts.publish(t.bucket, tar=bytes(tar))
    result = t.init("pre-start", code=FAILURE)
    expect("signature" in result.stderr.lower(), f"the error does not speak of the signature: {result}")
    t.nothing_loaded()


@case()
def wrong_key(t: Scene) -> None:
    """A good signature by a key that nobody trusts is refused."""
    t.artifacts.publish(t.bucket, signature=t.artifacts.world.stranger.sign(t.artifacts.tar))
    t.init("pre-start", code=FAILURE)
    t.nothing_loaded()
    # The same tar and signature pass once that key is trusted: it was the key.
    t.host.write("/opt/stranger.asc", t.artifacts.world.stranger.certificate)
    t.init("pre-start", ECS_INIT_KEYRING="/opt/stranger.asc")
    expect(loaded(t), f"no {AGENT} in Docker with the stranger's key trusted")


@case()
def keyring_is_needed(t: Scene) -> None:
    """Without ECS_INIT_KEYRING the tests' key is a stranger: only Amazon's is compiled in."""
    t.artifacts.publish(t.bucket)
    t.init("pre-start", code=FAILURE, ECS_INIT_KEYRING="")
    t.nothing_loaded()


@case()
def missing_signature(t: Scene) -> None:
    """A tar whose signature nobody has is refused; an S3 that denies it is no excuse."""
    path = t.artifacts.publish(t.bucket)
    del t.bucket.objects[path + ".asc"]
    t.init("pre-start", code=FAILURE)
    t.nothing_loaded()


@case()
def untrusted_server(t: Scene) -> None:
    """A server whose certificate nobody vouches for gets no further than its handshake."""
    t.artifacts.publish(t.bucket)
    result = t.init("pre-start", code=FAILURE, AWS_CA_BUNDLE="", ECS_INIT_RETRY_TIME="2")
    expect("certificate" in result.stderr.lower(), f"no word of the certificate in {result}")
    equal(t.bucket.journal, [], "requests over an untrusted connection")
    t.nothing_loaded()


@case()
def no_region(t: Scene) -> None:
    """Without a region there is a clear error, and no guess at one."""
    t.artifacts.publish(t.bucket)
    result = t.init("pre-start", code=FAILURE, AWS_EC2_METADATA_DISABLED="true")
    expect("region" in result.stderr.lower(), f"the error does not speak of the region: {result}")
    equal(t.bucket.journal, [], "requests to a region nobody named")


@case("full", "bare", engines=ALL)
def offline_from_the_cache(t: Scene) -> None:
    """With a cache, a host starts without S3 and IMDS, even when Docker lost the image."""
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


@case(engines=ALL)
def reload_cache(t: Scene) -> None:
    """State 2 means: load the cached tar although an image is there."""
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
    """The cache as Amazon's packages ship it (state 2, a symlink, no signature): the
    signature of that version is fetched, and the tar loaded."""
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


@case()
def verify_verb(t: Scene) -> None:
    """`verify` says yes to the signed tar and no to another, and needs no Docker."""
    t.host.write("/opt/a.tar", t.artifacts.tar)
    t.host.write("/opt/a.tar.asc", t.artifacts.signature)
    t.host.write("/opt/b.tar", t.artifacts.next)
    good = t.init("verify", "/opt/a.tar")
    said = good.stdout + good.stderr
    expect(t.artifacts.world.trusted.fingerprint in said.replace(" ", "").upper(),
           f"no fingerprint in {good}")
    t.init("verify", "/opt/a.tar", "/opt/a.tar.asc", DOCKER_HOST="unix:///nonexistent")
    t.init("verify", "/opt/b.tar", "/opt/a.tar.asc", code=FAILURE)
