"""`run` from a fresh host to a clean one; settings from files; the command line."""

from harness.archives import AGENT
from harness.case import ARCHITECTURE, COMMAND, Scene, case
from harness.errors import equal, expect

from .rules import ROUTE_LOCALNET


@case("full", "bare", guests=COMMAND)
def run_command(t: Scene) -> None:
    """`run` does pre-start, supervision and post-stop in one process."""
    before, localnet = t.rules(), t.host.text(ROUTE_LOCALNET)
    t.artifacts.publish(t.bucket)
    process = t.start("run")
    expect(t.rules() != before, "no rule while run is running")
    expect(t.host.outside("/v1/metadata") is None, "51678 answers from outside")
    process.kill()
    equal(process.wait().code, 0, "run after SIGTERM")
    equal(t.events(), ["start serve", "sigterm"], "the agents' events")
    equal(t.rules(), before, "the rules afterwards")
    equal(t.host.text(ROUTE_LOCALNET), localnet, "route_localnet afterwards")


@case()
def settings_from_files(t: Scene) -> None:
    """Every variable may be in ecs.config; /etc/ecs/ecs.config overrides /var/lib/ecs/ecs.config."""
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


@case("full", "bare", guests=ARCHITECTURE, bare_guests=True)
def version_and_usage(t: Scene) -> None:
    """`version` and the usage need no other program: PATH names no directory."""
    result = t.init("version")
    expect(result.stdout.strip(), f"no version in {result}")
    usage = t.init(code=1)
    expect("pre-start" in usage.stderr + usage.stdout, f"no usage in {usage}")


@case()
def start_has_no_children(t: Scene) -> None:
    """While it supervises, `start` has no child process."""
    t.artifacts.publish(t.bucket)
    t.init("pre-start")
    process = t.start()
    children = t.host.text(f"/proc/{process.pid}/task/{process.pid}/children").split()
    equal(children, [], "children of start")
    process.kill()
    process.wait()
