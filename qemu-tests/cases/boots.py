"""The steps of a boot: a baked tree under its own init, without a network interface."""

import time
from pathlib import Path

from harness.archives import AGENT
from harness.baking import CLUSTER, INSTALLERS, image_id
from harness.case import FAILURE
from harness.errors import equal, expect
from harness.host import SIGKILL
from harness.story import DATA, PROGRAM, Story, step
from harness.world import VERSION

from .rules import ROUTE_LOCALNET

#: Forms that install a package before bake adds the agent's tar.
PACKAGES = tuple(installer for installer in INSTALLERS if installer != "bake")

#: Seconds without an event: longer than the pause of any init, and the 15 s of `run --respawned`.
QUIET = 18


CREDENTIALS = "169.254.170.2:80", "/v2/credentials/some-task"


def container(s: Story) -> dict:
    found = s.host.docker.inspect("ecs-agent")
    expect(found, "no container ecs-agent")
    return found


def network(s: Story) -> None:
    """169.254.170.2 answers with credentials, by a route and a rule; the rules about 51678 exist
    for IPv4 and IPv6."""
    s.host.until("credentials at 169.254.170.2", lambda: s.answers(*CREDENTIALS))
    equal(s.host.text(ROUTE_LOCALNET).strip(), "1", "route_localnet")
    # c9de is the port in a rule's bytes; families 2 and 10 are linux/socket.h's.
    rules = [line for line in s.host.channel.request("ruleset").splitlines()
             if line.startswith("rule ") and ("c9de" in line or "51678" in line)]
    for family in (2, 10):
        expect([rule for rule in rules if rule.startswith(f"rule family {family}")],
               f"no rule about 51678 in family {family}: {rules}")


def loaded(s: Story) -> tuple[str, str]:
    """The agent's image, and when Docker last loaded it."""
    found = s.host.docker.ok("GET", f"/images/{AGENT}/json")
    return found["Id"], found["Metadata"]["LastTagTime"]


def contents(tree: Path) -> list[tuple]:
    """Path, mode, owner, size and time of every file and link. Directories are left out:
    temporary files change their time."""
    return sorted((str(path.relative_to(tree)), *(getattr(path.lstat(), f"st_{what}") for what in
                   ("mode", "uid", "gid", "size", "mtime_ns")))
                  for path in tree.rglob("*") if path.is_symlink() or not path.is_dir())


@step(on_tree=True, needed=True, installers=PACKAGES)
def package_installed(s: Story) -> None:
    """The package is installed into the tree, by its package manager."""
    INSTALLERS[s.boot.installer](s.tree, s.arch)
    program = s.tree / PROGRAM.lstrip("/")
    expect(program.read_bytes() == s.baker.binary.read_bytes(),
           "the package holds another build of ecs-init than the one tested: make packages")


@step("systemd", on_tree=True, installers=PACKAGES)
def service_enabled(s: Story) -> None:
    """The package alone enables its service, before bake."""
    link = s.tree / "etc/systemd/system/multi-user.target.wants/ecs.service"
    expect(link.is_symlink(), f"no link at {link.relative_to(s.tree)}")


@step(on_tree=True, needed=True)
def baked(s: Story) -> None:
    """ecs-init bake fills the tree offline; a second run changes nothing."""
    s.baker.bake(s.tree, s.boot.init)
    once = contents(s.tree)
    s.baker.bake(s.tree, s.boot.init)
    equal(contents(s.tree), once, "the tree after the second time")


@step(on_tree=True)
def check_passes_on_fresh_tree(s: Story) -> None:
    """bake --check passes on the fresh tree."""
    s.baker.check(s.tree)


@step(needed=True)
def agent_answers(s: Story) -> None:
    """The init starts the agent: it answers on 51678 with the baked version."""
    s.wait_for_agent()
    version = s.host.until("its version", lambda: s.host.get(
        "127.0.0.1:51678", "/v1/metadata").json()["Version"])
    expect(VERSION in version, f"the agent is not {VERSION}: {version}")


@step()
def image_id_matches(s: Story) -> None:
    """The container's image ID is that of the baked tar."""
    equal(container(s)["Image"], image_id(s.baker.artifacts.tar), "the container's image")
    s.kept["loaded"] = loaded(s)


@step()
def configuration(s: Story) -> None:
    """The agent has the baked configuration."""
    environment = container(s)["Config"]["Env"]
    expect(f"ECS_CLUSTER={CLUSTER}" in environment, f"not in the agent's {environment}")


@step()
def rules_and_route(s: Story) -> None:
    """Rules and route as by pre-start, on a host without a default route."""
    network(s)


@step("systemd")
def systemd_active(s: Story) -> None:
    """systemd reports the service active, not before the container runs."""
    # The agent may answer before ecs-init notifies systemd.
    active(s)
    shown = unit(s, "SubState", "NRestarts", "Type", "ActiveEnterTimestampMonotonic")
    equal(shown["SubState"], "running", "the unit")
    equal((shown["Type"], shown["NRestarts"]), ("notify", "0"), "the unit")
    # Docker reports the time of day, systemd the time since boot.
    started = s.host.docker.ok("GET", "/containers/ecs-agent/json")["State"]["StartedAt"]
    day, _, clock = started.removesuffix("Z").partition("T")
    hours, minutes, seconds = clock.split(":")
    midnight = time.mktime(time.strptime(f"{day} UTC", "%Y-%m-%d %Z")) - time.timezone
    ran = midnight + int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    booted = int(next(line.split()[1] for line in s.host.text("/proc/stat").splitlines()
                      if line.startswith("btime ")))
    ready = booted + int(shown["ActiveEnterTimestampMonotonic"]) / 1e6
    # /proc/stat has whole seconds.
    expect(ready > ran - 1, f"ready at {ready:.1f}, the container ran from {ran:.1f}")


def unit(s: Story, *names: str) -> dict[str, str]:
    """Properties of the unit."""
    shown = s.host.output("/usr/bin/systemctl", "show", "ecs.service", f"--property={','.join(names)}")
    return dict(line.split("=", 1) for line in shown.splitlines())


def active(s: Story) -> None:
    s.host.until("the unit is active", lambda: unit(s, "ActiveState")["ActiveState"] == "active")


@step(needed=True)
def supervisor_killed(s: Story) -> None:
    """After SIGKILL of ecs-init the init restarts it, and the agent runs."""
    before, agent = s.supervisor(), container(s)["Id"]
    expect(before, f"no process of {PROGRAM} supervises")
    s.host.signal(before, SIGKILL)
    s.host.until("another supervisor", lambda: (now := s.supervisor()) and now != before)
    s.host.until("the agent answers again", s.agent_answers)
    s.host.until("its credentials", lambda: s.answers(*CREDENTIALS))
    network(s)
    if s.boot.init == "systemd":
        active(s)
        equal(unit(s, "NRestarts")["NRestarts"], "1", "restarts")
    else:
        # systemd runs ExecStop after a crash too; the other inits leave the agent running.
        equal(container(s)["Id"], agent, "the container")


@step(needed=True)
def reboot(s: Story) -> None:
    """After a reboot by the init the agent, rules and route are back."""
    s.kept["events"] = s.events()
    s.reboot()
    s.wait_for_agent()
    network(s)


@step()
def agent_stopped_before_reboot(s: Story) -> None:
    """Before the reboot the agent got SIGTERM while its disk was writable."""
    since = s.events()[len(s.kept["events"]):]
    expect(since[:1] == ["sigterm"] and since[-1:] == ["start serve"],
           f"not stopped and started again: {since}")


@step()
def image_not_loaded_again(s: Story) -> None:
    """After the reboot the image is the same, not loaded again, and the cache state is 1."""
    equal(loaded(s), s.kept["loaded"], "the image")
    equal(s.host.text("/var/cache/ecs/state").strip(), "1", "the cache's state")


@step(installers=("bake",))
def exit_5_not_restarted(s: Story) -> None:
    """After the agent's exit 5 no init restarts it."""
    starts, pid = s.starts(), s.supervisor()
    s.host.write(f"{DATA}/agent-script", "serve\n" * starts + "exit 5\n")
    s.host.docker.ok("POST", "/containers/ecs-agent/kill")
    s.host.until("the agent's exit 5", lambda: "start exit 5" in s.events())
    s.host.until("the container exits", lambda: not container(s)["State"]["Running"])
    if s.boot.init == "systemd":
        s.host.until("the unit has failed", lambda: unit(s, "ActiveState")["ActiveState"] == "failed")
        shown = unit(s, "SubState", "ExecMainStatus")
        # "activating" would mean a restart.
        equal((shown["SubState"], shown["ExecMainStatus"]), ("failed", "5"), "the unit")
    if s.boot.init in ("systemd", "none"):
        s.host.until("no supervisor is left", lambda: s.supervisor() is None)
        pid = None
    # Under other inits the supervisor stays, and the init restarts nothing.
    if s.boot.init != "systemd":
        time.sleep(QUIET)
    equal(s.starts(), starts + 1, "starts of the agent")
    equal(s.supervisor(), pid, "the supervisor")
    state = container(s)["State"]
    equal((state["Running"], state["ExitCode"]), (False, 5), "the container")


@step(installers=("bake",))
def check_fails_on_used_host(s: Story) -> None:
    """bake --check fails on the used host and names the agent's state."""
    result = s.program("bake", "--check", "/")
    equal(result.code, FAILURE, f"the exit of {result}")
    expect(DATA.lstrip("/") in result.stdout + result.stderr, f"the state is not named: {result}")
