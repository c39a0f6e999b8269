"""Where the reference goes wrong: its own ways into trouble, each with the way out."""

from harness.archives import AGENT
from harness.case import Scene, case
from harness.errors import equal, expect

from .acquire import CACHED, STATE, loaded


@case()
def junk_state_is_none(t: Scene) -> None:
    """A state that is none (3, junk, nothing): the tar is fetched anew, and the state right again."""
    path = t.artifacts.publish(t.bucket)
    t.init("pre-start")
    for junk in "3", "junk\n", "", "-1", "11":
        t.host.write(STATE, junk)
        t.docker.untag(AGENT)
        del t.bucket.journal[:]
        t.init("pre-start")
        expect(loaded(t), f"no {AGENT} in Docker after the state {junk!r}")
        expect(t.bucket.requests(path), f"no tar was fetched after the state {junk!r}")
        equal(t.host.text(STATE).strip(), "1", f"the state after {junk!r}")


@case()
def broken_tar_is_fetched_anew(t: Scene) -> None:
    """A cached tar that is broken or cut short: another is fetched, loaded and kept."""
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
            expect(t.bucket.requests(path), "no tar was fetched")
            equal(t.host.read(CACHED), t.artifacts.tar, "the cached tar")
            equal(t.host.text(STATE).strip(), "1", "the state afterwards")


@case()
def external_region(t: Scene) -> None:
    """Outside EC2 the region is AWS_DEFAULT_REGION, not us-east-1, and no IMDS is asked for it."""
    path = t.artifacts.publish(t.bucket, base="/amazon-ecs-agent-eu-central-1/")
    t.init("pre-start", ECS_EXTERNAL="true", AWS_DEFAULT_REGION="eu-central-1")
    expect(loaded(t), f"no {AGENT} in Docker")
    equal({r.path for r in t.bucket.journal}, {path, path + ".asc"}, "requests")
    equal(t.metadata.journal, [], "requests to IMDS")
