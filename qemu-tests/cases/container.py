"""The agent's container and the host directories it needs. Engine-dependent: engines.py."""

from harness.case import KERNEL, Scene, case
from harness.errors import equal, expect


def started(t: Scene, **settings: str):
    """Runs pre-start and start. Returns the process of start, and the container's JSON."""
    t.artifacts.publish(t.bucket)
    t.init("pre-start", **settings)
    process = t.start("start", **settings)
    return process, t.docker.inspect("ecs-agent")


def stopped(process) -> str:
    """Stops `start` and returns its log."""
    process.kill()
    result = process.wait()
    equal(result.code, 0, "start after SIGTERM")
    return result.stderr


def variables(container: dict) -> dict[str, str]:
    return dict(line.split("=", 1) for line in container["Config"]["Env"])


def sources(container: dict) -> dict[str, str]:
    return {mount["Destination"]: mount["Source"] for mount in container["Mounts"]}


@case("full", "bare")
def pre_start_creates_directories(t: Scene) -> None:
    """pre-start creates the agent's directories with the packages' modes."""
    t.artifacts.publish(t.bucket)
    t.host.write("/var/lib/ecs/deps/execute-command/bin/x", "")
    t.init("pre-start")
    for path in ("/etc/ecs", "/var/cache/ecs", "/var/lib/ecs", "/var/lib/ecs/data", "/var/log/ecs",
                 "/var/log/ecs/exec", "/mnt/ecs/ebs", "/var/lib/ecs/deps/execute-command/config"):
        stat = t.host.stat(path)
        expect(stat and stat["type"] == "directory", f"{path} is not a directory: {stat}")
        equal(stat["mode"] & 0o7777, 0o755, f"the mode of {path}")


@case("full", "bare", guests=KERNEL)
def agent_capabilities_match_host(t: Scene) -> None:
    """The agent's capability variables match the host unless the user sets them."""
    process, container = started(t)
    found = variables(container)
    equal(found["ECS_EBSTA_SUPPORTED"], "true", "ECS_EBSTA_SUPPORTED")
    expect("ECS_VOLUME_PLUGIN_CAPABILITIES" not in found, f"efsAuth is offered: {found}")
    unified = t.host.exists("/sys/fs/cgroup/cgroup.controllers")
    systemd = t.host.exists("/run/systemd/system")
    equal(found.get("ECS_ENABLE_TASK_CPU_MEM_LIMIT"), "false" if unified and not systemd else None,
          "ECS_ENABLE_TASK_CPU_MEM_LIMIT")
    stopped(process)
    t.host.write("/run/docker/plugins/amazon-ecs-volume-plugin.sock", "")
    process = t.start("start", ECS_ENABLE_TASK_CPU_MEM_LIMIT="true")
    found = variables(t.docker.inspect("ecs-agent"))
    equal(found["ECS_VOLUME_PLUGIN_CAPABILITIES"], '["efsAuth"]', "with the plugin's socket")
    equal(found["ECS_ENABLE_TASK_CPU_MEM_LIMIT"], "true", "the user's setting")
    stopped(process)


@case()
def selinux_labels(t: Scene) -> None:
    """ECS_INIT_SELINUX: Docker accepts both label options, and the agent writes its data."""
    process, container = started(t, ECS_INIT_SELINUX="relabel")
    equal(sorted(container["HostConfig"]["Binds"]),
          ["/var/lib/ecs/data:/data:Z", "/var/log/ecs:/log:Z"], "the binds")
    equal(sources(container)["/data"], "/var/lib/ecs/data", "the source of /data")
    equal(t.events(), ["start serve"], "the agent's events below /data")
    stopped(process)
    process = t.start("start", ECS_INIT_SELINUX="disable")
    container = t.docker.inspect("ecs-agent")
    equal(container["HostConfig"]["SecurityOpt"], ["label=disable"], "SecurityOpt")
    equal(container["HostConfig"]["Binds"], None, "the binds")
    stopped(process)


@case()
def gpu_without_driver(t: Scene) -> None:
    """A GPU device without its driver: a warning, and an agent without GPU support."""
    t.host.write("/dev/nvidia0", "")
    t.host.write("/var/lib/ecs/gpu/nvidia-gpu-info.json", '{"DriverVersion":"1","GPUIDs":["x"]}')
    t.artifacts.publish(t.bucket)
    stderr = t.init("pre-start", ECS_ENABLE_GPU_SUPPORT="true").stderr
    expect("/proc/driver/nvidia/version" in stderr, f"no warning about the driver:\n{stderr}")
    expect(not t.host.exists("/var/lib/ecs/gpu/nvidia-gpu-info.json"), "the old file still exists")
    process = t.start("start", ECS_ENABLE_GPU_SUPPORT="true")
    found = variables(t.docker.inspect("ecs-agent"))
    expect("ECS_ENABLE_GPU_SUPPORT" not in found, f"a GPU is offered: {found}")
    stopped(process)
