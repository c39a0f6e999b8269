"""An image made from a host on which the agent had run: told at boot, and before it is made."""

from harness.builds import REPOSITORY
from harness.case import FAILURE, Scene, case
from harness.errors import equal, expect
from harness.host import Result
from harness.job import KEYRING

DATA = "/var/lib/ecs/data"
#: What the agent's own library wrote for the instance that the metadata service speaks of.
DATABASE = REPOSITORY / "tests/check/state/agent.db"
LOUD = "THIS INSTANCE IS"
#: What is said for somebody who looks for the reason.
UNREACHED = "ask the instance metadata service for this instance's ID"


def loud(run) -> list[str]:
    """The loud lines of a run; of another one where the metadata service, which is asked twice,
    for seconds, was too slow."""
    for _ in range(5):
        result = run()
        said = [line for line in result.stderr.splitlines() if LOUD in line]
        if said or UNREACHED not in result.stderr:
            break
    return said


@case("full", "bare")
def foreign_state(t: Scene) -> None:
    """The agent's state is another instance's: one loud line. It is this one's own: none."""
    t.artifacts.publish(t.bucket)
    t.host.write(f"{DATA}/agent.db", DATABASE.read_bytes())
    own = t.metadata.values["instance-id"]
    equal(t.init("pre-start").stderr.count(LOUD), 0, "lines about this instance's own state")
    t.metadata.values["instance-id"] = "i-0aaaaaaaaaaaaaaaa"
    said = loud(lambda: t.init("pre-start", ECS_LOGLEVEL="debug"))
    equal(len(said), 1, "lines about another instance's state")
    for word in (own, "i-0aaaaaaaaaaaaaaaa", DATA, "level=error"):
        expect(word in said[0], f"no {word} in {said[0]}")

    def of_run() -> Result:
        process = t.start("run", ECS_LOGLEVEL="debug")
        process.kill()
        result = process.wait()
        equal(result.code, 0, "run after SIGTERM")
        return result
    equal(len(loud(of_run)), 1, "lines of `run`")
    t.host.remove(f"{DATA}/agent.db")
    equal(t.init("pre-start").stderr.count(LOUD), 0, "lines without state")


@case("full", "bare")
def image_of_a_host_that_ran(t: Scene) -> None:
    """`bake --check /` names what an agent's run leaves behind, and passes once that is mended."""
    t.artifacts.publish(t.bucket)
    t.host.write("/var/lib/ecs/ecs.config", f"ECS_INIT_KEYRING={KEYRING}\n")
    t.init("pre-start")
    t.host.write("/var/cache/ecs/state", "2")
    passed = t.init("bake", "--check", "/")
    expect("nothing in /" in passed.stdout, f"not a word that all is well: {passed}")
    process = t.start("run")
    t.host.write(f"{DATA}/agent.db", DATABASE.read_bytes())
    process.kill()
    process.wait()
    found = t.init("bake", "--check", "/", code=FAILURE).stdout.splitlines()
    named = sorted(line.split(": ")[0] for line in found)
    containers = [f"/var/lib/docker/containers/{c}" for c in
                  t.host.list("/var/lib/docker/containers")]
    equal(named, sorted([DATA, "/var/cache/ecs/state", *containers]), "what it names")
    t.docker.ok("DELETE", "/containers/ecs-agent?force=1")
    for name in t.host.list(DATA):
        t.host.remove(f"{DATA}/{name}")
    t.host.write("/var/cache/ecs/state", "2")
    t.init("bake", "--check", "/")
