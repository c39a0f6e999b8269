"""What an init is to ecs-init: who waits for it, who starts it again, whom it tells."""

from harness.archives import AGENT
from harness.case import FAILURE, Scene, case
from harness.errors import equal, expect

from .supervise import TERMINAL, prepared

CONFIG = "/etc/ecs/ecs.config"


@case("full", "bare")
def waits_for_user_data(t: Scene) -> None:
    """With ECS_INIT_WAIT_FOR a configuration that user data writes late is in force from the start."""
    t.artifacts.publish(t.bucket)
    t.host.write("/var/lib/ecs/ecs.config",
                 f"ECS_CLUSTER=image\nECS_INIT_WAIT_FOR={CONFIG},/run/user-data-done\n")
    process = t.spawn("run")
    t.host.until("it waits", lambda: f"waiting for {CONFIG}" in process.stderr(), process=process)
    t.host.write(CONFIG, "ECS_CLUSTER=late\n")
    t.host.until("it waits for the second",
                 lambda: "waiting for /run/user-data-done" in process.stderr(), process=process)
    expect(AGENT not in t.docker.images(), "an image was loaded before the configuration was there")
    t.host.write("/run/user-data-done", "")
    t.host.until("the agent answers", t.agent_answers, process=process)
    expect("ECS_CLUSTER=late" in t.docker.inspect("ecs-agent")["Config"]["Env"],
           "the agent does not know the late configuration")
    process.kill()
    equal(process.wait().code, 0, "run after SIGTERM")


@case()
def waits_no_longer_than_told(t: Scene) -> None:
    """What does not come is named, as a failure; a SIGTERM ends the wait."""
    settings = {"ECS_INIT_WAIT_FOR": "/run/never"}
    for verb in ("pre-start", "run"):
        result = t.init(verb, code=FAILURE, ECS_INIT_WAIT_FOR_TIMEOUT="1", **settings)
        expect("/run/never did not come within 1 s" in result.stderr, str(result))
    process = t.spawn("run", **settings)
    t.host.until("it waits", lambda: "waiting for /run/never" in process.stderr(), process=process)
    process.kill()
    equal(process.wait().code, 0, "run after SIGTERM")


@case("full", "bare")
def systemd_is_told(t: Scene) -> None:
    """READY=1 when the agent's container runs, again after a restart; STOPPING=1 on the way down."""
    prepared(t, "exit 1")
    t.host.listen("/run/notify", "/run/heard")
    process = t.spawn("start", NOTIFY_SOCKET="/run/notify")
    # The first one may answer as well, before it ends.
    t.host.until("the second agent answers", lambda: len(t.events()) > 1 and t.agent_answers(),
                 process=process)
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")
    t.host.until("the last word", lambda: "STOPPING=1" in t.host.text("/run/heard"))
    heard = [message.split("\n")[0] for message in t.host.text("/run/heard").strip().split("\n\n")]
    equal(heard[0::2] + heard[3:], ["READY=1", "READY=1", "STOPPING=1"], f"heard: {heard}")
    expect(heard[1].startswith("STATUS=starting the agent again"), f"heard: {heard}")


@case()
def exit_5_does_not_spin(t: Scene) -> None:
    """Under an init that starts again whatever ends, `run --respawned` stays after the agent's 5."""
    before = t.rules()
    prepared(t, "exit 5")
    process = t.spawn("run", "--respawned")
    t.host.until("it says that it stays", lambda: "waiting for SIGTERM" in process.stderr(),
                 process=process)
    expect(process.running, "it ended")
    equal(t.events(), ["start exit 5"], "the agents' events")
    equal(t.rules(), before, "the rules while it stays")
    process.kill()
    equal(process.wait().code, TERMINAL, "its end after SIGTERM")
