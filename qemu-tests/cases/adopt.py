"""Adoption of a running agent, the supervisor's lock, `stop`, fallback, and old images."""

import time

from harness import messages
from harness.archives import AGENT
from harness.case import ALL, FAILURE, KERNEL, Scene, case
from harness.errors import equal, expect
from harness.host import SIGKILL

from .supervise import run_pre_start

LOCK = "/run/ecs-init.lock"
CACHE = "/var/cache/ecs"
DESIRED = f"{CACHE}/desired-image"
#: Pause dockerd and let it continue.
SIGSTOP, SIGCONT = 19, 18


def started_at(t: Scene) -> tuple[str, str]:
    """The running agent's container ID and start time."""
    found = t.docker.inspect("ecs-agent")
    equal(found["State"]["Running"], True, "the container runs")
    return found["Id"], found["State"]["StartedAt"]


def adopted(t: Scene, process) -> None:
    t.host.until("the agent is adopted", lambda: process.logged(messages.ADOPTED),
                 process=process)


def holds_lock(t: Scene, process) -> None:
    """Waits until start holds the lock; the lock's file appears before."""
    def held() -> bool:
        # "1: POSIX  ADVISORY  WRITE 123 00:19:7 0 EOF", proc_locks(5)
        locks = t.host.text("/proc/locks").splitlines()
        return any(lock.split()[4:5] == [str(process.pid)] for lock in locks)
    t.host.until("start holds the lock", held, process=process)


def dangling(t: Scene) -> list[str]:
    """Images without a tag."""
    images = t.docker.ok("GET", "/images/json?all=1")
    return [i["Id"] for i in images if not [n for n in i["RepoTags"] or [] if "<none>" not in n]]


def old_image_removed(t: Scene, process) -> None:
    """Waits until no image is untagged: the new agent answers before the old image is removed."""
    t.host.until("no untagged image", lambda: not dangling(t), process=process)


def update(t: Scene, tar: bytes) -> None:
    """Writes what the agent writes before it exits 42."""
    name = t.artifacts.name("v1.99.1")
    t.host.write(f"{CACHE}/{name}", tar)
    t.host.write(DESIRED, f"{name}\n")


@case("full", "bare", engines=ALL, guests=KERNEL)
def killed_supervisor_adopts(t: Scene) -> None:
    """After SIGKILL a new `start` adopts the running agent; SIGTERM still stops it."""
    run_pre_start(t)
    process = t.start()
    before = started_at(t)
    process.kill(SIGKILL)
    process.wait()
    equal(started_at(t), before, "the agent after SIGKILL")
    # An init runs pre-start first.
    t.init("pre-start")
    process = t.spawn("start")
    adopted(t, process)
    equal(started_at(t), before, "the agent under a new supervisor")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")
    equal(t.events(), ["start serve", "sigterm"], "the agents' events")


@case()
def adopted_agent_is_supervised(t: Scene) -> None:
    """An adopted agent that exits is restarted in a new container with the same labels."""
    run_pre_start(t)
    process = t.start()
    before = started_at(t)
    label = t.docker.inspect("ecs-agent")["Config"]["Labels"]
    process.kill(SIGKILL)
    process.wait()
    process = t.spawn("start")
    adopted(t, process)
    t.docker.ok("POST", "/containers/ecs-agent/kill")
    t.host.until("a second start", lambda: t.starts() == 2, process=process)
    t.host.until("the agent answers", t.agent_answers, process=process)
    expect(started_at(t)[0] != before[0], "the exited container was started again")
    equal(t.docker.inspect("ecs-agent")["Config"]["Labels"], label, "the container's labels")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")


@case()
def changed_agent_is_replaced(t: Scene) -> None:
    """A changed configuration or image replaces the running agent."""
    run_pre_start(t)
    process = t.start()
    before = started_at(t)
    process.kill(SIGKILL)
    process.wait()
    t.host.write("/etc/ecs/ecs.config", "ECS_CLUSTER=another\n")
    process = t.spawn("start")
    t.host.until("a second start", lambda: t.starts() == 2, process=process)
    expect(t.docker.inspect("ecs-agent")["Id"] != before[0],
           "the container with the old configuration still runs")
    process.kill(SIGKILL)
    process.wait()
    # Another image with the same tag, as by `docker load` or a package update.
    t.host.write("/opt/next.tar", t.artifacts.next)
    t.docker.load("/opt/next.tar")
    process = t.spawn("start")
    t.host.until("the new agent answers", lambda: t.agent_version() == "v1.99.1", process=process)
    old_image_removed(t, process)
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")


@case(guests=KERNEL)
def second_start_is_refused(t: Scene) -> None:
    """A second `start` or `run` exits 255 and names the first's process; nothing changes."""
    run_pre_start(t)
    process = t.start()
    before, rules = started_at(t), t.rules()
    for command in "start", "run":
        result = t.init(command, code=FAILURE)
        errors = result.logged("", "error")
        equal(len(errors), 1, f"errors of the second {command}")
        expect(result.logged(rf"\b{process.pid}\b", "error"), f"no {process.pid} in {errors[0]}")
    equal(started_at(t), before, "the agent")
    equal(t.rules(), rules, "the rules")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")


@case()
def lock_file_not_writable(t: Scene) -> None:
    """If the lock's file cannot be created, a warning names it and the agent runs."""
    run_pre_start(t)
    # Root can write anywhere, except below a directory that does not exist.
    t.host.symlink(LOCK, "/nonexistent/lock")
    process = t.start()
    expect("ecs-init.lock" in process.stderr(), f"no warning about the lock:\n{process.stderr()}")
    # Without the lock `stop` cannot find the supervisor; it stops the container.
    t.init("stop")
    equal(process.wait().code, 0, "start after stop")


@case()
def stop_before_container_exists(t: Scene) -> None:
    """`stop` before `start` has created a container: `start` exits 0 and no agent runs."""
    run_pre_start(t)
    t.docker.daemon.kill(SIGSTOP)
    process = t.spawn("start")
    holds_lock(t, process)
    stopper = t.spawn("stop")
    equal(process.wait().code, 0, "start after stop")
    t.docker.daemon.kill(SIGCONT)
    if stopper.wait().code != 0:
        # After start has exited, stop waits up to 5 s for dockerd.
        expect(stopper.logged(r"\b5 ?s"), f"another error than dockerd's:\n{stopper.stderr()}")
        t.init("stop")
    equal(t.docker.containers(), [], "containers")
    equal(t.events(), [], "the agents' events")


@case()
def stop_soon_after_start(t: Scene) -> None:
    """`stop` at different moments after `start`: `start` exits 0 and no agent runs."""
    run_pre_start(t)
    for delay in 0, 0.05, 0.15, 0.4:
        t.host.remove(LOCK)
        process = t.spawn("start")
        holds_lock(t, process)
        time.sleep(delay)
        t.init("stop")
        equal(process.wait().code, 0, f"start, stopped after {delay} s")
        found = t.docker.inspect("ecs-agent")
        expect(not found or not found["State"]["Running"], f"an agent runs, {delay} s")


@case()
def stop_kills_agent_ignoring_sigterm(t: Scene) -> None:
    """An agent killed by `stop` is not restarted; `start` exits 0."""
    run_pre_start(t, "ignore-sigterm")
    process = t.start()
    t.init("stop")
    equal(process.wait().code, 0, "start after stop")
    equal(t.events(), ["start ignore-sigterm", "sigterm"], "the agents' events")


@case()
def stop_without_dockerd(t: Scene) -> None:
    """`stop` without dockerd exits 255 after 5 s and names the socket."""
    t.docker.stop()
    t.host.remove("/run/docker.sock")
    result = t.init("stop", code=FAILURE)
    expect(result.logged(r"docker\.sock.*\b5 ?s|\b5 ?s.*docker\.sock", "error"),
           f"socket or timeout not named: {result}")


@case()
def pruned_image_is_reloaded(t: Scene) -> None:
    """An image removed between pre-start and start is loaded from the cache, not from S3."""
    run_pre_start(t)
    # As `docker system prune -a` does with an unused image.
    t.docker.ok("DELETE", f"/images/{t.docker.images()[AGENT]}")
    expect(AGENT not in t.docker.images(), "the image is still there")
    del t.bucket.journal[:]
    process = t.start()
    expect(AGENT in t.docker.images(), f"no {AGENT} in Docker")
    equal(t.bucket.journal, [], "requests")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")


@case()
def update_failed_twice_falls_back(t: Scene) -> None:
    """An updated agent that exits 42 twice: the cached image runs again, logged as an error."""
    run_pre_start(t, "exit 42", "exit 42", "exit 42")
    update(t, t.artifacts.next)
    process = t.spawn("start")
    t.host.until("a fourth start", lambda: t.starts() == 4, process=process)
    t.host.until("the cached agent answers", lambda: t.agent_version() == "v1.99.0",
                 process=process)
    equal(len(process.logged(messages.FALLBACK, "error")), 1, "log lines about the fallback")
    old_image_removed(t, process)
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")


@case()
def unloadable_update_falls_back(t: Scene) -> None:
    """An update that is not an image, requested twice: the cached image is loaded and runs."""
    run_pre_start(t, "exit 42", "exit 42")
    before = t.docker.images()[AGENT]
    update(t, b"not a tar")
    process = t.spawn("start")
    t.host.until("a third start", lambda: t.starts() == 3, process=process)
    expect(process.logged(messages.FALLBACK, "error"),
           f"no error about the fallback:\n{process.stderr()}")
    equal(t.docker.images()[AGENT], before, "the image")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")


@case()
def old_images_are_removed(t: Scene) -> None:
    """After an update and after a reload the untagged old image is removed."""
    run_pre_start(t, "exit 42 500")
    old = t.docker.images()[AGENT]
    update(t, t.artifacts.next)
    process = t.spawn("start")
    t.host.until("the new agent answers", lambda: t.agent_version() == "v1.99.1", process=process)
    old_image_removed(t, process)
    expect(old not in t.docker.images().values(), "the old image is tagged")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")
    # The exited container still uses the second image; the reload loads the first.
    second = t.docker.images()[AGENT]
    t.docker.ok("DELETE", "/containers/ecs-agent")
    t.init("reload-cache")
    expect(t.docker.images()[AGENT] != second, "the cached tar was not loaded")
    old_image_removed(t, None)


@case()
def old_image_in_use_kept(t: Scene) -> None:
    """The old image is kept while another container uses it."""
    run_pre_start(t, "exit 42 500")
    old = t.docker.images()[AGENT]
    t.docker.ok("POST", "/containers/create?name=other", {"Image": AGENT})
    update(t, t.artifacts.next)
    process = t.spawn("start")
    t.host.until("the new agent answers", lambda: t.agent_version() == "v1.99.1", process=process)
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")
    equal(t.docker.ok("GET", f"/images/{old}/json")["Id"], old, "the old image")
    equal(t.docker.inspect("other")["Image"], old, "the other container's image")
