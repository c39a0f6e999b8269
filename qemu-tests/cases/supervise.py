"""`start`: the agent's exit codes, signals, and restarts of dockerd."""

from harness.archives import AGENT
from harness.case import ALL, COMMAND, FAILURE, KERNEL, Scene, case
from harness.errors import equal, expect
from harness.host import SIGKILL

#: The reference's exit code for a terminal failure of the agent.
TERMINAL = 5


def run_pre_start(t: Scene, *actions: str) -> None:
    """Runs pre-start; `actions` are those of the agent's starts, in order."""
    t.artifacts.publish(t.bucket)
    t.init("pre-start")
    t.script(*actions)


@case()
def exit_0_ends(t: Scene) -> None:
    """After the agent's exit 0 `start` exits 0."""
    run_pre_start(t, "exit 0")
    t.init("start")
    equal(t.events(), ["start exit 0"], "the agents' events")


@case()
def exit_5_is_terminal(t: Scene) -> None:
    """After the agent's exit 5 it is not restarted; `start` exits 5."""
    run_pre_start(t, "exit 5")
    t.init("start", code=TERMINAL)
    equal(t.events(), ["start exit 5"], "the agents' events")


@case()
def other_exit_restarts_agent(t: Scene) -> None:
    """After any other exit code the agent is restarted in a new container."""
    run_pre_start(t, "exit 1", "exit 7")
    process = t.start()
    # The answer came from the third container, or from the second before it exited.
    t.host.until("a third start", lambda: t.starts() == 3, process=process)
    equal(t.events(), ["start exit 1", "start exit 7", "start serve"], "the agents' events")
    equal(t.docker.containers(), ["ecs-agent"], "containers")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")


@case(engines=ALL)
def exit_2_logs_container_output(t: Scene) -> None:
    """After exit 2 the container's last lines are logged and the agent is restarted."""
    run_pre_start(t, "exit 2")
    process = t.start()
    t.host.until("a second start", lambda: t.starts() == 2, process=process)
    process.kill()
    result = process.wait()
    expect("test agent: start exit 2" in result.stderr,
           f"the container's output is not logged:\n{result}")


@case("full", "bare", engines=ALL)
def exit_42_updates_agent(t: Scene) -> None:
    """After exit 42 the image that desired-image names is loaded and started."""
    run_pre_start(t, "exit 42 500")
    name = t.artifacts.name("v1.99.1")
    t.host.write(f"/var/cache/ecs/{name}", t.artifacts.next)
    # Only the base name is used.
    t.host.write("/var/cache/ecs/desired-image", f"/somewhere/{name}\n")
    process = t.spawn("start")
    t.host.until("the new agent answers", lambda: t.agent_version() == "v1.99.1", process=process)
    equal(t.events(), ["start exit 42 500", "start serve"], "the agents' events")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")


@case()
def unsigned_update_rejected(t: Scene) -> None:
    """With ECS_INIT_REQUIRE_SIGNED_UPDATES an update without signature is not loaded."""
    run_pre_start(t, "exit 42")
    before = t.docker.images()[AGENT]
    name = t.artifacts.name("v1.99.1")
    t.host.write(f"/var/cache/ecs/{name}", t.artifacts.next)
    t.host.write("/var/cache/ecs/desired-image", f"{name}\n")
    process = t.start("start", ECS_INIT_REQUIRE_SIGNED_UPDATES="true")
    t.host.until("a second start", lambda: t.starts() == 2, process=process)
    equal(t.docker.images()[AGENT], before, "the image")
    process.kill()
    process.wait()


@case(engines=ALL, guests=KERNEL)
def sigterm_stops_agent(t: Scene) -> None:
    """SIGTERM to `start` stops the agent with SIGTERM; `start` exits 0."""
    run_pre_start(t)
    process = t.start()
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")
    equal(t.events(), ["start serve", "sigterm"], "the agents' events")
    expect(not t.agent_answers(), "the agent still answers")


@case()
def agent_ignoring_sigterm_is_killed(t: Scene) -> None:
    """An agent that ignores SIGTERM is killed after 10 s."""
    run_pre_start(t, "ignore-sigterm")
    process = t.start()
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")
    equal(t.docker.inspect("ecs-agent")["State"]["Running"], False, "the container runs")
    equal(t.events(), ["start ignore-sigterm", "sigterm"], "the agents' events")


@case(guests=COMMAND)
def stop_and_pre_stop(t: Scene) -> None:
    """`stop` and `pre-stop` stop the agent; without an agent they exit 0."""
    run_pre_start(t)
    t.init("stop")
    process = t.start()
    t.init("stop")
    equal(process.wait().code, 0, "start after stop")
    process = t.start()
    t.init("pre-stop")
    equal(process.wait().code, 0, "start after pre-stop")


@case()
def leftover_container(t: Scene) -> None:
    """A foreign container named ecs-agent is replaced."""
    run_pre_start(t)
    t.load_task()
    made = t.docker.ok("POST", "/containers/create?name=ecs-agent",
                       {"Image": "task:test", "Cmd": ["http://192.0.2.1/", "600000"]})["Id"]
    t.docker.ok("POST", f"/containers/{made}/start")
    process = t.start()
    expect(t.docker.inspect("ecs-agent")["Id"] != made, "the old container still exists")
    process.kill()
    process.wait()


@case(engines=ALL)
def dockerd_restarted(t: Scene) -> None:
    """A dockerd restart does not end `start`; the agent runs again afterwards."""
    run_pre_start(t)
    process = t.start()
    t.docker.stop()
    expect(process.running, "start exited with dockerd")
    t.docker.start()
    t.host.until("the agent answers again", t.agent_answers, process=process)
    expect(process.running, "start exited")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")


@case()
def dockerd_killed(t: Scene) -> None:
    """After SIGKILL of dockerd and a new start the agent runs again."""
    run_pre_start(t)
    process = t.start()
    t.docker.stop(SIGKILL)
    t.docker.start()
    t.host.until("a container runs again", lambda: (
        (found := t.docker.inspect("ecs-agent")) and found["State"]["Running"]
        and t.agent_answers()), process=process)
    expect(process.running, "start exited")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")


@case()
def dockerd_late(t: Scene) -> None:
    """pre-start waits for dockerd's socket."""
    t.artifacts.publish(t.bucket)
    t.docker.stop()
    t.host.remove("/run/docker.sock")
    # Longer than the slowest dockerd takes to start.
    process = t.spawn("pre-start", ECS_INIT_DOCKER_WAIT="600")
    t.host.until("a log line about waiting", lambda: "docker" in process.stderr().lower(),
                 process=process)
    t.docker.start()
    equal(process.wait().code, 0, "pre-start with a late dockerd")
    expect(AGENT in t.docker.images(), f"no {AGENT} in Docker")


@case()
def dockerd_unreachable(t: Scene) -> None:
    """Without dockerd pre-start fails after ECS_INIT_DOCKER_WAIT and names the socket."""
    t.artifacts.publish(t.bucket)
    t.docker.stop()
    t.host.remove("/run/docker.sock")
    result = t.init("pre-start", code=FAILURE, ECS_INIT_DOCKER_WAIT="2")
    expect("docker.sock" in result.stderr, f"the error does not name the socket: {result}")
