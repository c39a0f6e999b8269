"""The whole of a life: from nothing, through `run`, to nothing; and the command line."""

from harness.archives import AGENT
from harness.case import Scene, case
from harness.errors import equal, expect

from .rules import ROUTE_LOCALNET


@case("full", "bare")
def run_verb(t: Scene) -> None:
    """`run` is pre-start, supervision and post-stop in one process."""
    before, localnet = t.rules(), t.host.text(ROUTE_LOCALNET)
    t.artifacts.publish(t.bucket)
    process = t.start("run")
    expect(t.rules() != before, "no rule while it runs")
    expect(t.host.outside("/v1/metadata") is None, "51678 answers from outside")
    process.kill()
    equal(process.wait().code, 0, "run after SIGTERM")
    equal(t.events(), ["start serve", "sigterm"], "the agents' events")
    equal(t.rules(), before, "the rules afterwards")
    equal(t.host.text(ROUTE_LOCALNET), localnet, "route_localnet afterwards")


@case()
def settings_from_files(t: Scene) -> None:
    """Everything that is set by variable can stand in ecs.config; the user's file wins."""
    t.artifacts.publish(t.bucket)
    lines = [f"{name}={value}\n" for name, value in t.settings.items()]
    lines.append("ECS_CLUSTER=from-the-image\n")
    t.host.write("/var/lib/ecs/ecs.config", "".join(lines))
    t.host.write("/etc/ecs/ecs.config", '# the user\'s\n\nECS_CLUSTER="from-the-user"\n')
    t.settings = {}
    t.init("pre-start")
    expect(AGENT in t.docker.images(), f"no {AGENT} in Docker")
    process = t.start()
    environment = t.docker.inspect("ecs-agent")["Config"]["Env"]
    expect("ECS_CLUSTER=from-the-user" in environment, f"not in the agent's {environment}")
    process.kill()
    process.wait()


@case("full", "bare")
def no_shell_no_program(t: Scene) -> None:
    """The binary is all there is: it runs with a PATH to nowhere and says its version."""
    result = t.init("version")
    expect(result.stdout.strip(), f"no version in {result}")
    usage = t.init(code=1)
    expect("pre-start" in usage.stderr + usage.stdout, f"no usage in {usage}")


@case()
def no_zombie(t: Scene) -> None:
    """While it supervises, start has no child, and its memory is told in the log of this test."""
    t.artifacts.publish(t.bucket)
    t.init("pre-start")
    process = t.start()
    children = t.host.text(f"/proc/{process.pid}/task/{process.pid}/children").split()
    equal(children, [], "children of start")
    process.kill()
    process.wait()
