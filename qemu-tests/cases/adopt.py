"""One supervisor to a host, and an agent that outlives its supervisor."""

import time

from harness.archives import AGENT
from harness.case import ALL, FAILURE, Scene, case
from harness.errors import equal, expect
from harness.host import SIGKILL

from .supervise import prepared

LOCK = "/run/ecs-init.lock"
CACHE = "/var/cache/ecs"
DESIRED = f"{CACHE}/desired-image"
#: To freeze a dockerd and let it go on.
SIGSTOP, SIGCONT = 19, 18


def started_at(t: Scene) -> tuple[str, str]:
    """Which agent runs, and since when."""
    found = t.docker.inspect("ecs-agent")
    equal(found["State"]["Running"], True, "the container runs")
    return found["Id"], found["State"]["StartedAt"]


def taken_over(t: Scene, process) -> None:
    t.host.until("a word about taking over", lambda: "taken over" in process.stderr(),
                 process=process)


def has_its_lock(t: Scene, process) -> None:
    """Waits until start holds its lock; the file alone is there a moment before."""
    def held() -> bool:
        # "1: POSIX  ADVISORY  WRITE 123 00:19:7 0 EOF", proc_locks(5)
        locks = t.host.text("/proc/locks").splitlines()
        return any(lock.split()[4:5] == [str(process.pid)] for lock in locks)
    t.host.until("start has its lock", held, process=process)


def dangling(t: Scene) -> list[str]:
    """Images without a name."""
    images = t.docker.ok("GET", "/images/json?all=1")
    return [i["Id"] for i in images if not [n for n in i["RepoTags"] or [] if "<none>" not in n]]


def tidied(t: Scene, process) -> None:
    """No image is left without a name. (The new agent answers before the old image is removed.)"""
    t.host.until("no image without a name", lambda: not dangling(t), process=process)


def update(t: Scene, tar: bytes) -> None:
    """What the agent leaves before it ends with 42."""
    name = t.artifacts.name("v1.99.1")
    t.host.write(f"{CACHE}/{name}", tar)
    t.host.write(DESIRED, f"{name}\n")


@case("full", "bare", engines=ALL)
def killed_supervisor_adopts(t: Scene) -> None:
    """start killed outright and started again: the agent runs on, and SIGTERM still stops it."""
    prepared(t)
    process = t.start()
    before = started_at(t)
    process.kill(SIGKILL)
    process.wait()
    equal(started_at(t), before, "the agent of a killed supervisor")
    # As an init does it: pre-start comes first.
    t.init("pre-start")
    process = t.spawn("start")
    taken_over(t, process)
    equal(started_at(t), before, "the agent under a new supervisor")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")
    equal(t.events(), ["start serve", "sigterm"], "the agents' events")


@case()
def adopted_agent_is_supervised(t: Scene) -> None:
    """An adopted agent that ends is started again, in a container of the same sort."""
    prepared(t)
    process = t.start()
    before = started_at(t)
    label = t.docker.inspect("ecs-agent")["Config"]["Labels"]
    process.kill(SIGKILL)
    process.wait()
    process = t.spawn("start")
    taken_over(t, process)
    t.docker.ok("POST", "/containers/ecs-agent/kill")
    t.host.until("a second start", lambda: t.starts() == 2, process=process)
    t.host.until("the agent answers", t.agent_answers, process=process)
    expect(started_at(t)[0] != before[0], "the ended container was started again")
    equal(t.docker.inspect("ecs-agent")["Config"]["Labels"], label, "the container's labels")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")


@case()
def changed_agent_is_replaced(t: Scene) -> None:
    """Another configuration or another image: the agent that runs gives way."""
    prepared(t)
    process = t.start()
    before = started_at(t)
    process.kill(SIGKILL)
    process.wait()
    t.host.write("/etc/ecs/ecs.config", "ECS_CLUSTER=another\n")
    process = t.spawn("start")
    t.host.until("a second start", lambda: t.starts() == 2, process=process)
    expect(t.docker.inspect("ecs-agent")["Id"] != before[0], "the old configuration runs on")
    process.kill(SIGKILL)
    process.wait()
    # Another image under the same name: what `docker load` does, and a package's update.
    t.host.write("/opt/next.tar", t.artifacts.next)
    t.docker.load("/opt/next.tar")
    process = t.spawn("start")
    t.host.until("the new agent answers", lambda: t.agent_version() == "v1.99.1", process=process)
    tidied(t, process)
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")


@case("full", "bare")
def second_start_is_refused(t: Scene) -> None:
    """A second start (or run) ends at once and names the first, whose agent and rules stay."""
    prepared(t)
    process = t.start()
    before, rules = started_at(t), t.rules()
    for verb in "start", "run":
        result = t.init(verb, code=FAILURE)
        errors = [line for line in result.stderr.splitlines() if "level=error" in line]
        equal(len(errors), 1, f"errors of the second {verb}")
        expect(f"process {process.pid} " in errors[0], f"no {process.pid} in {errors[0]}")
    equal(started_at(t), before, "the first one's agent")
    equal(t.rules(), rules, "the first one's rules")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")


@case()
def no_place_for_the_lock(t: Scene) -> None:
    """Where the lock's file cannot be written, a warning says so, and the agent runs."""
    prepared(t)
    # Root writes where it likes, save through a file that stands where a directory should.
    t.host.symlink(LOCK, "/nonexistent/lock")
    process = t.start()
    expect("ecs-init.lock" in process.stderr(), f"no word of the lock:\n{process.stderr()}")
    # `stop` cannot find this supervisor, and stops the agent all the same: it ends with 0.
    t.init("stop")
    equal(process.wait().code, 0, "start after stop")


@case("full", "bare")
def stop_before_the_container(t: Scene) -> None:
    """`stop` while start is still on its way to a container: no agent runs afterwards."""
    prepared(t)
    t.docker.daemon.kill(SIGSTOP)
    process = t.spawn("start")
    has_its_lock(t, process)
    stopper = t.spawn("stop")
    t.host.until("stop has told start", lambda: "telling the supervisor" in stopper.stderr(),
                 process=stopper)
    equal(process.wait().code, 0, "start after stop")
    t.docker.daemon.kill(SIGCONT)
    if stopper.wait().code != 0:
        # Once start has ended it asks dockerd, which it gives 5 s, for a container.
        expect("5s" in stopper.stderr(), f"another error than dockerd's:\n{stopper.stderr()}")
        t.init("stop")
    equal(t.docker.containers(), [], "containers")
    equal(t.events(), [], "the agents' events")


@case()
def stop_at_any_moment(t: Scene) -> None:
    """`stop` a moment after start, whichever: start has ended, and no agent runs."""
    prepared(t)
    for moment in 0, 0.05, 0.15, 0.4:
        t.host.remove(LOCK)
        process = t.spawn("start")
        has_its_lock(t, process)
        time.sleep(moment)
        t.init("stop")
        equal(process.wait().code, 0, f"start, stopped after {moment} s")
        found = t.docker.inspect("ecs-agent")
        expect(not found or not found["State"]["Running"], f"an agent runs, {moment} s")


@case()
def stop_ends_a_stubborn_agent_for_good(t: Scene) -> None:
    """An agent that has to be killed by `stop` is not started again by its supervisor."""
    prepared(t, "stubborn")
    process = t.start()
    t.init("stop")
    equal(process.wait().code, 0, "start after stop")
    equal(t.events(), ["start stubborn", "sigterm"], "the agents' events")


@case()
def stop_without_dockerd(t: Scene) -> None:
    """`stop` with dockerd down fails after seconds, and names the socket."""
    t.docker.stop()
    t.host.remove("/run/docker.sock")
    result = t.init("stop", code=FAILURE)
    expect("docker.sock" in result.stderr and "5s" in result.stderr, f"no such word in {result}")


@case("full", "bare")
def pruned_image_is_reloaded(t: Scene) -> None:
    """The image gone between pre-start and start: it comes from the cache, not from S3."""
    prepared(t)
    # What `docker system prune -a` does to an image that no container uses.
    t.docker.ok("DELETE", f"/images/{t.docker.images()[AGENT]}")
    expect(AGENT not in t.docker.images(), "the image is still there")
    del t.bucket.journal[:]
    process = t.start()
    expect(AGENT in t.docker.images(), f"no {AGENT} in Docker")
    equal(t.bucket.journal, [], "requests")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")


@case("full", "bare")
def two_bad_upgrades_fall_back(t: Scene) -> None:
    """An update that asks for an update twice: the cached image runs again, and it is said."""
    prepared(t, "exit 42", "exit 42", "exit 42")
    update(t, t.artifacts.next)
    process = t.spawn("start")
    t.host.until("a fourth start", lambda: t.starts() == 4, process=process)
    t.host.until("the cached agent answers", lambda: t.agent_version() == "v1.99.0",
                 process=process)
    said = [line for line in process.stderr().splitlines()
            if "level=error" in line and "going back" in line]
    equal(len(said), 1, "errors that speak of going back")
    tidied(t, process)
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")


@case()
def unloadable_upgrades_fall_back(t: Scene) -> None:
    """An update that is no image, asked for twice: the cached image is loaded, the agent runs."""
    prepared(t, "exit 42", "exit 42")
    before = t.docker.images()[AGENT]
    update(t, b"this is no tar")
    process = t.spawn("start")
    t.host.until("a third start", lambda: t.starts() == 3, process=process)
    expect("going back" in process.stderr(), f"no word of going back:\n{process.stderr()}")
    equal(t.docker.images()[AGENT], before, "the image")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")


@case("full", "bare")
def old_images_are_removed(t: Scene) -> None:
    """After an update by 42, and after a reload, the image that lost its name is gone."""
    prepared(t, "exit 42 500")
    old = t.docker.images()[AGENT]
    update(t, t.artifacts.next)
    process = t.spawn("start")
    t.host.until("the new agent answers", lambda: t.agent_version() == "v1.99.1", process=process)
    tidied(t, process)
    expect(old not in t.docker.images().values(), "the old image has a name")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")
    # The ended container still uses the second image; the reload brings the first again.
    second = t.docker.images()[AGENT]
    t.docker.ok("DELETE", "/containers/ecs-agent")
    t.init("reload-cache")
    expect(t.docker.images()[AGENT] != second, "the cached tar was not loaded")
    tidied(t, None)


@case()
def old_image_in_use_stays(t: Scene) -> None:
    """The old image is not removed as long as somebody's container is made of it."""
    prepared(t, "exit 42 500")
    old = t.docker.images()[AGENT]
    t.docker.ok("POST", "/containers/create?name=somebody", {"Image": AGENT})
    update(t, t.artifacts.next)
    process = t.spawn("start")
    t.host.until("the new agent answers", lambda: t.agent_version() == "v1.99.1", process=process)
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")
    # The container-image store does not list it any more, and keeps what the container needs.
    expect("removed" not in process.stderr(), f"the image was removed:\n{process.stderr()}")
    equal(t.docker.inspect("somebody")["Image"], old, "the other container's image")
