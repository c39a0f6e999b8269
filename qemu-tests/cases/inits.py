"""Interaction with init systems: ECS_INIT_WAIT_FOR, sd_notify(3), `run --respawned`."""

from harness import messages
from harness.archives import AGENT
from harness.case import FAILURE, KERNEL, Scene, case
from harness.errors import equal, expect

from .supervise import TERMINAL, run_pre_start

CONFIG = "/etc/ecs/ecs.config"


@case()
def wait_for_user_data(t: Scene) -> None:
    """ECS_INIT_WAIT_FOR: the agent starts with the configuration that user data writes later."""
    t.artifacts.publish(t.bucket)
    t.host.write("/var/lib/ecs/ecs.config",
                 f"ECS_CLUSTER=image\nECS_INIT_WAIT_FOR={CONFIG},/run/user-data-done\n")
    process = t.spawn("run")
    t.host.until("it waits", lambda: process.logged(messages.waiting_for(CONFIG)), process=process)
    t.host.write(CONFIG, "ECS_CLUSTER=late\n")
    t.host.until("it waits for the second",
                 lambda: process.logged(messages.waiting_for("/run/user-data-done")),
                 process=process)
    expect(AGENT not in t.docker.images(), "an image was loaded before the configuration existed")
    t.host.write("/run/user-data-done", "")
    t.host.until("the agent answers", t.agent_answers, process=process)
    expect("ECS_CLUSTER=late" in t.docker.inspect("ecs-agent")["Config"]["Env"],
           "the agent does not have the late configuration")
    process.kill()
    equal(process.wait().code, 0, "run after SIGTERM")


@case()
def wait_for_timeout(t: Scene) -> None:
    """ECS_INIT_WAIT_FOR_TIMEOUT: a file that does not appear is an error; SIGTERM ends the wait."""
    settings = {"ECS_INIT_WAIT_FOR": "/run/never"}
    for command in ("pre-start", "run"):
        result = t.init(command, code=FAILURE, ECS_INIT_WAIT_FOR_TIMEOUT="1", **settings)
        expect(result.logged("/run/never", "error"), f"the file is not named: {result}")
    process = t.spawn("run", **settings)
    t.host.until("it waits", lambda: process.logged(messages.waiting_for("/run/never")),
                 process=process)
    process.kill()
    equal(process.wait().code, 0, "run after SIGTERM")


@case(guests=KERNEL)
def sd_notify_messages(t: Scene) -> None:
    """READY=1 when the agent's container runs, again after a restart; STOPPING=1 after SIGTERM."""
    run_pre_start(t, "exit 1")
    t.host.listen("/run/notify", "/run/received")
    process = t.spawn("start", NOTIFY_SOCKET="/run/notify")
    # The first agent may answer too, before it exits.
    t.host.until("the second agent answers", lambda: len(t.events()) > 1 and t.agent_answers(),
                 process=process)
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")
    t.host.until("STOPPING=1", lambda: "STOPPING=1" in t.host.text("/run/received"))
    messages_received = t.host.text("/run/received").strip().split("\n\n")
    received = [message.split("\n")[0] for message in messages_received]
    equal(received[0::2] + received[3:], ["READY=1", "READY=1", "STOPPING=1"], f"received: {received}")
    expect(received[1].startswith("STATUS="), f"received: {received}")


@case()
def respawned_run_stays_after_exit_5(t: Scene) -> None:
    """`run --respawned` keeps running after the agent's exit 5, until SIGTERM; then it exits 5."""
    before = t.rules()
    run_pre_start(t, "exit 5")
    process = t.spawn("run", "--respawned")
    t.host.until("it waits for SIGTERM", lambda: process.logged(messages.STAYS),
                 process=process)
    expect(process.running, "it exited")
    equal(t.events(), ["start exit 5"], "the agents' events")
    equal(t.rules(), before, "the rules while it waits")
    process.kill()
    equal(process.wait().code, TERMINAL, "run after SIGTERM")
