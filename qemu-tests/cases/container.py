"""The agent's container: what dockerd made of what we asked for, and what it did not make."""

from harness.case import Scene, case
from harness.errors import equal, expect

#: Where the reference's `Binds` would make Docker put an empty directory.
PLUGINS = "/usr/lib/docker/plugins"


def begun(t: Scene, **settings: str):
    """pre-start and start with these settings; the process and the container as Docker shows it."""
    t.artifacts.publish(t.bucket)
    t.init("pre-start", **settings)
    process = t.start("start", **settings)
    return process, t.docker.inspect("ecs-agent")


def ended(process) -> str:
    """Stops `start`; what it had said."""
    process.kill()
    result = process.wait()
    equal(result.code, 0, "start after SIGTERM")
    return result.stderr


def variables(container: dict) -> dict[str, str]:
    return dict(line.split("=", 1) for line in container["Config"]["Env"])


def sources(container: dict) -> dict[str, str]:
    return {mount["Destination"]: mount["Source"] for mount in container["Mounts"]}


@case("full", "bare")
def container_as_docker_has_it(t: Scene) -> None:
    """The same on every Engine: modes, capabilities, log, init; read-only where it must be."""
    process, container = begun(t)
    host = container["HostConfig"]
    wanted = {
        "NetworkMode": "host", "UsernsMode": "host", "IpcMode": "shareable",
        "CgroupnsMode": "host", "PidMode": "", "Privileged": False, "Init": True,
        "CapDrop": None, "AutoRemove": False,
        "LogConfig": {"Type": "json-file", "Config": {"max-file": "4", "max-size": "16m"}},
    }
    equal({name: host[name] for name in wanted}, wanted, "the container's HostConfig")
    equal(sorted(cap.removeprefix("CAP_") for cap in host["CapAdd"]),
          ["NET_ADMIN", "SYS_ADMIN"], "capabilities")
    written = {m["Destination"]: m["RW"] for m in container["Mounts"]}
    equal({path: written[path] for path in ("/log", "/data", "/etc/ecs", "/host/proc")},
          {"/log": True, "/data": True, "/etc/ecs": True, "/host/proc": False}, "what is writable")
    ended(process)


@case("full", "bare")
def missing_sources_are_not_made(t: Scene) -> None:
    """A source that is not there is left out and said; Docker makes nothing on the host."""
    t.host.remove("/usr/bin/nsenter")
    before = {path: t.host.exists(path) for path in (PLUGINS, "/etc/docker/plugins", "/lib64",
                                                     "/usr/bin/lsblk", "/var/lib/ecs/deps")}
    process, container = begun(t)
    mounted = sources(container)
    for path, there in before.items():
        equal(t.host.exists(path), there, f"{path} is there")
        equal(path in mounted.values(), there, f"{path} is mounted")
    expect(not t.host.exists("/usr/bin/nsenter"), "/usr/bin/nsenter was made")
    said = ended(process)
    expect("/usr/bin/nsenter is not there" in said and "fault injection" in said,
           f"nobody said what is missing:\n{said}")


@case("full", "bare")
def directories_are_made(t: Scene) -> None:
    """pre-start makes the agent's directories, with the packages' modes."""
    t.artifacts.publish(t.bucket)
    t.host.write("/var/lib/ecs/deps/execute-command/bin/x", "")
    t.init("pre-start")
    for path in ("/etc/ecs", "/var/cache/ecs", "/var/lib/ecs", "/var/lib/ecs/data", "/var/log/ecs",
                 "/var/log/ecs/exec", "/mnt/ecs/ebs", "/var/lib/ecs/deps/execute-command/config"):
        stat = t.host.stat(path)
        expect(stat and stat["type"] == "directory", f"{path} is no directory: {stat}")
        equal(stat["mode"] & 0o7777, 0o755, f"the mode of {path}")


@case("full", "bare")
def capabilities_told_truthfully(t: Scene) -> None:
    """Nothing is offered that the host lacks, unless the user says so."""
    process, container = begun(t)
    told = variables(container)
    equal(told["ECS_EBSTA_SUPPORTED"], "true", "ECS_EBSTA_SUPPORTED")
    expect("ECS_VOLUME_PLUGIN_CAPABILITIES" not in told, f"efsAuth is offered: {told}")
    unified = t.host.exists("/sys/fs/cgroup/cgroup.controllers")
    systemd = t.host.exists("/run/systemd/system")
    equal(told.get("ECS_ENABLE_TASK_CPU_MEM_LIMIT"), "false" if unified and not systemd else None,
          "ECS_ENABLE_TASK_CPU_MEM_LIMIT")
    ended(process)
    t.host.write("/run/docker/plugins/amazon-ecs-volume-plugin.sock", "")
    process = t.start("start", ECS_ENABLE_TASK_CPU_MEM_LIMIT="true")
    told = variables(t.docker.inspect("ecs-agent"))
    equal(told["ECS_VOLUME_PLUGIN_CAPABILITIES"], '["efsAuth"]', "with the plugin's socket")
    equal(told["ECS_ENABLE_TASK_CPU_MEM_LIMIT"], "true", "what the user said")
    ended(process)


@case()
def selinux_labels(t: Scene) -> None:
    """ECS_INIT_SELINUX: Docker takes both label options, and the agent runs and writes its data."""
    process, container = begun(t, ECS_INIT_SELINUX="relabel")
    equal(sorted(container["HostConfig"]["Binds"]),
          ["/var/lib/ecs/data:/data:Z", "/var/log/ecs:/log:Z"], "the binds")
    equal(sources(container)["/data"], "/var/lib/ecs/data", "where /data comes from")
    equal(t.events(), ["start serve"], "what the agent wrote below /data")
    ended(process)
    process = t.start("start", ECS_INIT_SELINUX="disable")
    container = t.docker.inspect("ecs-agent")
    equal(container["HostConfig"]["SecurityOpt"], ["label=disable"], "SecurityOpt")
    equal(container["HostConfig"]["Binds"], None, "the binds")
    ended(process)


@case()
def privileged_in_the_hosts_pid_namespace(t: Scene) -> None:
    """ECS_AGENT_RUN_PRIVILEGED and ECS_AGENT_PID_NAMESPACE_HOST reach the container."""
    process, container = begun(t, ECS_AGENT_RUN_PRIVILEGED="true",
                               ECS_AGENT_PID_NAMESPACE_HOST="true")
    equal(container["HostConfig"]["Privileged"], True, "Privileged")
    equal(container["HostConfig"]["PidMode"], "host", "PidMode")
    ended(process)


@case()
def docker_host_elsewhere(t: Scene) -> None:
    """DOCKER_HOST names the socket: it is mounted where the agent looks for it."""
    process, container = begun(t, DOCKER_HOST="unix:///run/docker.sock")
    mounted = sources(container)
    equal(mounted.get("/var/run/docker.sock"), "/run/docker.sock", "the socket in the container")
    expect("/var/run" not in mounted, f"/var/run is mounted too: {mounted}")
    ended(process)


@case()
def gpu_without_its_driver(t: Scene) -> None:
    """A device that no driver tells about: a warning, and an agent that offers no GPU."""
    t.host.write("/dev/nvidia0", "")
    t.host.write("/var/lib/ecs/gpu/nvidia-gpu-info.json", '{"DriverVersion":"1","GPUIDs":["x"]}')
    t.artifacts.publish(t.bucket)
    said = t.init("pre-start", ECS_ENABLE_GPU_SUPPORT="true").stderr
    expect("/proc/driver/nvidia/version" in said, f"nobody said why there is no GPU:\n{said}")
    expect(not t.host.exists("/var/lib/ecs/gpu/nvidia-gpu-info.json"), "an old file is left")
    process = t.start("start", ECS_ENABLE_GPU_SUPPORT="true")
    told = variables(t.docker.inspect("ecs-agent"))
    expect("ECS_ENABLE_GPU_SUPPORT" not in told, f"a GPU is offered: {told}")
    ended(process)
