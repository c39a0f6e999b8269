"""What can depend on the Docker Engine: the agent's container, its mounts, tasks' traffic."""

from harness.case import ALL, ARCHITECTURE, Scene, case
from harness.errors import equal, expect

from .supervise import run_pre_start

#: Sources of mounts that the hosts do not have.
SOURCES = (
    "/etc/alternatives/README", "/etc/docker/plugins/x.spec", "/etc/ecs/ecs.config",
    "/etc/ssl/certs/ca.pem", "/run/docker/plugins/x.spec", "/sbin/modinfo", "/usr/bin/lsblk",
    "/usr/bin/nsenter", "/usr/lib/docker/plugins/x.spec", "/var/lib/cloud/data/result.json",
    "/var/lib/ecs/deps/execute-command/config/x.json", "/var/log/ecs/exec/log",
)

READ_WRITE = {
    "/data": "/var/lib/ecs/data", "/etc/ecs": "/etc/ecs", "/log": "/var/log/ecs",
    "/log/exec": "/var/log/ecs/exec", "/sbin/modinfo": "/sbin/modinfo",
    "/managed-agents/execute-command/config": "/var/lib/ecs/deps/execute-command/config",
    "/sys/fs/cgroup": "/sys/fs/cgroup", "/usr/bin/lsblk": "/usr/bin/lsblk",
    "/usr/bin/nsenter": "/usr/bin/nsenter", "/var/cache/ecs": "/var/cache/ecs",
    "/var/lib/ecs": "/var/lib/ecs", "/var/run": "/var/run",
}

READ_ONLY = {
    "/etc/alternatives": "/etc/alternatives", "/etc/docker/plugins": "/etc/docker/plugins",
    "/etc/ssl": "/etc/ssl", "/host/proc": "/proc", "/host/sbin": "/sbin", "/lib": "/lib",
    "/lib64": "/lib64", "/managed-agents": "/var/lib/ecs/deps",
    "/run/docker/plugins": "/run/docker/plugins", "/usr/lib": "/usr/lib",
    "/usr/lib/docker/plugins": "/usr/lib/docker/plugins", "/usr/lib64": "/usr/lib64",
    "/usr/sbin": "/usr/sbin",
    "/var/lib/cloud/data/result.json": "/var/lib/cloud/data/result.json",
}

#: `HostConfig` without what dockerd decides. None, empty and "no" are equal.
HOST_CONFIG = {
    "NetworkMode": "host", "UsernsMode": "host", "IpcMode": "shareable", "CgroupnsMode": "host",
    "PidMode": None, "UTSMode": None, "Init": True, "Privileged": None, "ReadonlyRootfs": None,
    "CapAdd": ["NET_ADMIN", "SYS_ADMIN"], "CapDrop": None, "SecurityOpt": None, "Binds": None,
    "RestartPolicy": None, "AutoRemove": None, "PortBindings": None, "OomScoreAdj": None,
    "LogConfig": {"Type": "json-file", "Config": {"max-file": "4", "max-size": "16m"}},
}

#: Docker's default 14, NET_ADMIN (bit 12) and SYS_ADMIN (bit 21), capabilities(7).
CAPABILITIES = 0xa80425fb | 1 << 12 | 1 << 21


def created(t: Scene) -> dict:
    """Starts the agent; its container as inspect shows it."""
    run_pre_start(t)
    t.start()
    return t.docker.inspect("ecs-agent")


@case(engines=ALL)
def stage_engine(t: Scene) -> None:
    """dockerd's version and image store are those of the stage."""
    version = t.docker.ok("GET", "/version")["Version"]
    wanted = t.engine.name.removesuffix("+store")
    if wanted == "newest":
        expect(int(version.split(".")[0]) >= 28, f"the newest is {version}")
    else:
        expect(version.startswith(f"{wanted}."), f"{t.engine.name} is {version}")
    driver = t.docker.ok("GET", "/info")["Driver"]
    # Of containerd's snapshotter, or of dockerd's graph driver.
    equal(driver, "overlayfs" if t.engine.store else "overlay2", "the image store's driver")


@case("full", "bare", engines=ALL, guests=ARCHITECTURE)
def container_settings(t: Scene) -> None:
    """HostConfig equals the reference's whatever the Engine's defaults; so do capabilities and
    namespaces in the kernel."""
    container = created(t)
    found = {}
    for key in HOST_CONFIG:
        value = container["HostConfig"].get(key)
        if key == "RestartPolicy" and value["Name"] == "no":
            value = None
        if isinstance(value, dict) and not any(value.values()):
            value = None
        found[key] = sorted(value) if isinstance(value, list) and value else value or None
    equal(found, HOST_CONFIG, "HostConfig")
    # The agent is the child of the container's init.
    init = container["State"]["Pid"]
    agent = t.host.text(f"/proc/{init}/task/{init}/children").split()
    equal(len(agent), 1, "children of the container's init")
    status = dict(line.split(":", 1) for line in t.host.text(f"/proc/{agent[0]}/status").splitlines())
    equal(hex(int(status["CapEff"], 16)), hex(CAPABILITIES), "the agent's capabilities")
    for namespace, shared in (("net", True), ("cgroup", True), ("user", True), ("pid", False),
                              ("ipc", False), ("mnt", False), ("uts", False)):
        container_ns, host_ns = (t.host.stat(f"/proc/{pid}/ns/{namespace}")["target"]
                        for pid in (agent[0], 1))
        equal(container_ns == host_ns, shared, f"the {namespace} namespace is the host's")


@case(engines=ALL, guests=ARCHITECTURE)
def container_mounts(t: Scene) -> None:
    """On a host that has every source, every mount: source, target, read-only or not."""
    for path in SOURCES:
        t.host.write(path, "")
    container = created(t)
    mounts = {rw: {m["Destination"]: m["Source"] for m in container["Mounts"] if m["RW"] == rw}
              for rw in (True, False)}
    equal(sorted(mounts[True].items()), sorted(READ_WRITE.items()), "writable mounts")
    equal(sorted(mounts[False].items()), sorted(READ_ONLY.items()), "read-only mounts")
    equal({(m["Type"], m["Propagation"]) for m in container["Mounts"]}, {("bind", "rprivate")},
          "types of mounts")


@case(engines=ALL)
def read_only_mounts_are_not_recursive(t: Scene) -> None:
    """A mount below a read-only one stays writable, unlike the default since API 1.44."""
    # `ip netns` mounts /run/netns; a link puts it below a read-only mount.
    t.host.output("/usr/bin/ip", "netns", "add", "below")
    t.host.write("/etc/docker/README", "")
    t.host.symlink("/etc/docker/plugins", "/run")
    container = created(t)
    lines = t.host.text(f"/proc/{container['State']['Pid']}/mountinfo").splitlines()
    # proc_pid_mountinfo(5): the fifth field is the mount point, the sixth its options.
    options = {fields[4]: fields[5].split(",")[0] for fields in map(str.split, lines)}
    equal(options["/etc/docker/plugins"], "ro", "the mount itself")
    equal(options.get("/etc/docker/plugins/netns"), "rw", "the mount below it")


@case("full", "bare", engines=ALL)
def missing_mount_sources_left_out(t: Scene) -> None:
    """A missing source of a mount is left out and logged; nothing creates it on the host."""
    absent = ("/etc/alternatives", "/etc/docker/plugins", "/usr/bin/lsblk", "/usr/bin/nsenter",
              "/usr/lib/docker/plugins", "/var/lib/ecs/deps", "/var/lib/cloud")
    equal([path for path in absent if t.host.exists(path)], [], "existed before")
    lib64 = t.host.exists("/lib64")
    run_pre_start(t)
    process = t.start()
    equal([path for path in absent if t.host.exists(path)], [], "created")
    equal(t.host.exists("/lib64"), lib64, "/lib64 exists")
    targets = {m["Destination"] for m in t.docker.inspect("ecs-agent")["Mounts"]}
    expect(targets.isdisjoint(absent), f"mounted: {targets & set(absent)}")
    equal("/lib64" in targets, lib64, "/lib64 is mounted")
    for path in ("/usr/bin/lsblk", "/usr/bin/nsenter", "/var/lib/ecs/deps"):
        expect(path in process.stderr(), f"{path} is not logged:\n{process.stderr()}")
    expect(any("fault injection" in line for line in process.logged("/usr/bin/nsenter")),
           f"the lost feature is not logged:\n{process.stderr()}")
