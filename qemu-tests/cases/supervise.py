"""`start` and `run`: the agent's exits, signals, and a dockerd that comes and goes."""

from harness.archives import AGENT
from harness.case import ALL, FAILURE, Scene, case
from harness.errors import equal, expect
from harness.host import SIGKILL

#: The reference's exit code for an agent that can never work here.
TERMINAL = 5


def prepared(t: Scene, *actions: str) -> None:
    """A host after pre-start, and what the agents will do."""
    t.artifacts.publish(t.bucket)
    t.init("pre-start")
    t.script(*actions)


@case(engines=ALL)
def exit_0_ends(t: Scene) -> None:
    """An agent that ends with 0 has done its work: start ends with 0."""
    prepared(t, "exit 0")
    t.init("start")
    equal(t.events(), ["start exit 0"], "the agents' events")


@case()
def exit_5_is_terminal(t: Scene) -> None:
    """An agent that ends with 5 is not started again, and systemd learns it by the same 5."""
    prepared(t, "exit 5")
    t.init("start", code=TERMINAL)
    equal(t.events(), ["start exit 5"], "the agents' events")


@case("full", "bare")
def exit_1_is_tried_again(t: Scene) -> None:
    """Any other exit: the agent is started again, in a new container."""
    prepared(t, "exit 1", "exit 7")
    process = t.start()
    # The container that answers is the third, or the second shortly before its end.
    t.host.until("a third start", lambda: t.starts() == 3, process=process)
    equal(t.events(), ["start exit 1", "start exit 7", "start serve"], "the agents' events")
    equal(t.docker.containers(), ["ecs-agent"], "containers")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")


@case(engines=ALL)
def exit_2_shows_the_log(t: Scene) -> None:
    """An agent that ends with 2: its last lines are in our log, then it is tried again."""
    prepared(t, "exit 2")
    process = t.start()
    t.host.until("a second start", lambda: t.starts() == 2, process=process)
    process.kill()
    result = process.wait()
    expect("stand-in agent: start exit 2" in result.stderr,
           f"the container's log is not in ours:\n{result}")


@case("full", "bare", engines=ALL)
def exit_42_upgrades(t: Scene) -> None:
    """An agent that ends with 42 left another image: it is loaded, and that agent runs."""
    prepared(t, "exit 42 500")
    name = t.artifacts.name("v1.99.1")
    t.host.write(f"/var/cache/ecs/{name}", t.artifacts.next)
    # Only the last part of the name counts.
    t.host.write("/var/cache/ecs/desired-image", f"/somewhere/{name}\n")
    process = t.spawn("start")
    t.host.until("the new agent answers", lambda: t.agent_version() == "v1.99.1", process=process)
    equal(t.events(), ["start exit 42 500", "start serve"], "the agents' events")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")


@case()
def exit_42_unsigned_refused(t: Scene) -> None:
    """With ECS_INIT_REQUIRE_SIGNED_UPDATES a desired image without signature is not loaded."""
    prepared(t, "exit 42")
    before = t.docker.images()[AGENT]
    name = t.artifacts.name("v1.99.1")
    t.host.write(f"/var/cache/ecs/{name}", t.artifacts.next)
    t.host.write("/var/cache/ecs/desired-image", f"{name}\n")
    process = t.start("start", ECS_INIT_REQUIRE_SIGNED_UPDATES="true")
    t.host.until("a second start", lambda: t.starts() == 2, process=process)
    equal(t.docker.images()[AGENT], before, "the image")
    process.kill()
    process.wait()


@case("full", "bare", engines=ALL)
def sigterm_stops_the_agent(t: Scene) -> None:
    """SIGTERM: the agent gets its own SIGTERM, start ends with 0."""
    prepared(t)
    process = t.start()
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")
    equal(t.events(), ["start serve", "sigterm"], "the agents' events")
    expect(not t.agent_answers(), "the agent still answers")


@case()
def stubborn_agent_is_killed(t: Scene) -> None:
    """An agent that does not heed SIGTERM is killed when its ten seconds are over."""
    prepared(t, "stubborn")
    process = t.start()
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")
    equal(t.docker.inspect("ecs-agent")["State"]["Running"], False, "the container runs")
    equal(t.events(), ["start stubborn", "sigterm"], "the agents' events")


@case(engines=ALL)
def stop_verbs(t: Scene) -> None:
    """`stop` and `pre-stop` stop the agent; nothing to stop is success."""
    prepared(t)
    t.init("stop")
    process = t.start()
    t.init("stop")
    equal(process.wait().code, 0, "start after stop")
    process = t.start()
    t.init("pre-stop")
    equal(process.wait().code, 0, "start after pre-stop")


@case(engines=ALL)
def leftover_container(t: Scene) -> None:
    """A container of the same name, running or not, gives way."""
    prepared(t)
    t.load_task()
    made = t.docker.ok("POST", "/containers/create?name=ecs-agent",
                       {"Image": "task:test", "Cmd": ["http://192.0.2.1/", "600000"]})["Id"]
    t.docker.ok("POST", f"/containers/{made}/start")
    process = t.start()
    expect(t.docker.inspect("ecs-agent")["Id"] != made, "the old container is still there")
    process.kill()
    process.wait()


@case("full", "bare", engines=ALL)
def dockerd_restarted(t: Scene) -> None:
    """dockerd restarted under start: that is no exit of the agent's; it runs again afterwards."""
    prepared(t)
    process = t.start()
    t.docker.stop()
    expect(process.running, "start ended with dockerd")
    t.docker.start()
    t.host.until("the agent answers again", t.agent_answers, process=process)
    expect(process.running, "start ended")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")


@case()
def dockerd_killed(t: Scene) -> None:
    """dockerd killed outright, and back: start finds its way."""
    prepared(t)
    process = t.start()
    t.docker.stop(SIGKILL)
    t.docker.start()
    t.host.until("a container runs again", lambda: (
        (found := t.docker.inspect("ecs-agent")) and found["State"]["Running"]
        and t.agent_answers()), process=process)
    expect(process.running, "start ended")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")


@case()
def dockerd_late(t: Scene) -> None:
    """The socket not there yet: pre-start waits for it."""
    t.artifacts.publish(t.bucket)
    t.docker.stop()
    t.host.remove("/run/docker.sock")
    # Longer than the slowest of dockerds takes.
    process = t.spawn("pre-start", ECS_INIT_DOCKER_WAIT="600")
    t.host.until("a word about waiting", lambda: "docker" in process.stderr().lower(),
                 process=process)
    t.docker.start()
    equal(process.wait().code, 0, "pre-start with a late dockerd")
    expect(AGENT in t.docker.images(), f"no {AGENT} in Docker")


@case()
def no_dockerd(t: Scene) -> None:
    """A socket that never comes: one error that names it, after the time that was set."""
    t.artifacts.publish(t.bucket)
    t.docker.stop()
    t.host.remove("/run/docker.sock")
    result = t.init("pre-start", code=FAILURE, ECS_INIT_DOCKER_WAIT="2")
    expect("docker.sock" in result.stderr, f"the error does not name the socket: {result}")
