"""A machine image made from a host whose agent had run: detected at boot and by bake --check."""

from harness import messages
from harness.builds import REPOSITORY
from harness.case import COMMAND, FAILURE, Scene, case
from harness.errors import equal, expect
from harness.host import Result
from harness.job import KEYRING

DATA = "/var/lib/ecs/data"
#: A database written by the agent's library for the metadata service's instance.
DATABASE = REPOSITORY / "tests/check/state/agent.db"


def errors_about_state(run) -> list[str]:
    """The error lines of a run that name the agent's state; the run is repeated if the metadata
    service was too slow for its timeout of seconds."""
    for _ in range(5):
        result = run()
        found = result.logged(DATA, "error")
        if found or not result.logged(messages.NO_INSTANCE_ID):
            break
    return found


@case()
def agent_state_of_other_instance(t: Scene) -> None:
    """Agent state of another instance: one error names both; of this instance: none."""
    t.artifacts.publish(t.bucket)
    t.host.write(f"{DATA}/agent.db", DATABASE.read_bytes())
    own = t.metadata.values["instance-id"]
    equal(t.init("pre-start").logged(DATA, "error"), [], "errors about this instance's state")
    t.metadata.values["instance-id"] = "i-0aaaaaaaaaaaaaaaa"
    found = errors_about_state(lambda: t.init("pre-start", ECS_LOGLEVEL="debug"))
    equal(len(found), 1, "errors about another instance's state")
    for word in (own, "i-0aaaaaaaaaaaaaaaa"):
        expect(word in found[0], f"no {word} in {found[0]}")

    def run() -> Result:
        process = t.start("run", ECS_LOGLEVEL="debug")
        process.kill()
        result = process.wait()
        equal(result.code, 0, "run after SIGTERM")
        return result
    equal(len(errors_about_state(run)), 1, "errors of `run`")
    t.host.remove(f"{DATA}/agent.db")
    equal(t.init("pre-start").logged(DATA, "error"), [], "errors without state")


@case("full", "bare", guests=COMMAND)
def bake_check_on_used_host(t: Scene) -> None:
    """`bake --check /` names what a run of the agent leaves, and passes after its removal."""
    t.artifacts.publish(t.bucket)
    t.host.write("/var/lib/ecs/ecs.config", f"ECS_INIT_KEYRING={KEYRING}\n")
    t.init("pre-start")
    t.host.write("/var/cache/ecs/state", "2")
    t.init("bake", "--check", "/")
    process = t.start("run")
    t.host.write(f"{DATA}/agent.db", DATABASE.read_bytes())
    process.kill()
    process.wait()
    found = t.init("bake", "--check", "/", code=FAILURE).stdout.splitlines()
    named = sorted(line.split(": ")[0] for line in found if line.startswith("/"))
    containers = [f"/var/lib/docker/containers/{c}" for c in
                  t.host.list("/var/lib/docker/containers")]
    equal(named, sorted([DATA, "/var/cache/ecs/state", *containers]), "the paths it names")
    t.docker.ok("DELETE", "/containers/ecs-agent?force=1")
    for name in t.host.list(DATA):
        t.host.remove(f"{DATA}/{name}")
    t.host.write("/var/cache/ecs/state", "2")
    t.init("bake", "--check", "/")
