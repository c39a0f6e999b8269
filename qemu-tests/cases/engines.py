"""The same on every Docker Engine: the agent's container, and what tasks get of it."""

from harness.case import ALL, Scene, case
from harness.errors import equal, expect

from .supervise import prepared

#: What a mount may come from, besides what the hosts have anyway.
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

#: `HostConfig` without what dockerd decides by itself. None, empty and "no" mean the same.
SWITCHES = {
    "NetworkMode": "host", "UsernsMode": "host", "IpcMode": "shareable", "CgroupnsMode": "host",
    "PidMode": None, "UTSMode": None, "Init": True, "Privileged": None, "ReadonlyRootfs": None,
    "CapAdd": ["NET_ADMIN", "SYS_ADMIN"], "CapDrop": None, "SecurityOpt": None, "Binds": None,
    "RestartPolicy": None, "AutoRemove": None, "PortBindings": None, "OomScoreAdj": None,
    "LogConfig": {"Type": "json-file", "Config": {"max-file": "4", "max-size": "16m"}},
}

#: Docker's fourteen and ours, capabilities(7): bits 12 and 21.
CAPABILITIES = 0xa80425fb | 1 << 12 | 1 << 21


def created(t: Scene) -> dict:
    """The container, running, as inspect shows it."""
    prepared(t)
    t.start()
    return t.docker.inspect("ecs-agent")


@case(engines=ALL)
def stage_engine(t: Scene) -> None:
    """dockerd is the one that the stage names, and keeps images where it says."""
    version = t.docker.ok("GET", "/version")["Version"]
    wanted = t.engine.name.removesuffix("+store")
    if wanted == "newest":
        expect(int(version.split(".")[0]) >= 28, f"the newest is {version}")
    else:
        expect(version.startswith(f"{wanted}."), f"{t.engine.name} is {version}")
    driver = t.docker.ok("GET", "/info")["Driver"]
    # The snapshotter's name in containerd, or the graph driver's in dockerd.
    equal(driver, "overlayfs" if t.engine.store else "overlay2", "where images are kept")


@case(engines=ALL)
def container_switches(t: Scene) -> None:
    """Every switch of the container is what the reference's was, whatever the Engine's defaults."""
    container = created(t)
    found = {}
    for key in SWITCHES:
        value = container["HostConfig"].get(key)
        if key == "RestartPolicy" and value["Name"] == "no":
            value = None
        if isinstance(value, dict) and not any(value.values()):
            value = None
        found[key] = sorted(value) if isinstance(value, list) and value else value or None
    equal(found, SWITCHES, "HostConfig")
    # What the kernel made of it: the process below the container's init.
    init = container["State"]["Pid"]
    agent = t.host.text(f"/proc/{init}/task/{init}/children").split()
    equal(len(agent), 1, "children of the container's init")
    status = dict(line.split(":", 1) for line in t.host.text(f"/proc/{agent[0]}/status").splitlines())
    equal(hex(int(status["CapEff"], 16)), hex(CAPABILITIES), "the agent's capabilities")
    for namespace, shared in (("net", True), ("cgroup", True), ("user", True), ("pid", False),
                              ("ipc", False), ("mnt", False), ("uts", False)):
        theirs, ours = (t.host.stat(f"/proc/{pid}/ns/{namespace}")["target"]
                        for pid in (agent[0], 1))
        equal(theirs == ours, shared, f"the {namespace} namespace is the host's")


@case(engines=ALL)
def container_mounts(t: Scene) -> None:
    """On a host that has everything, every mount: source, target, read-only or not."""
    for path in SOURCES:
        t.host.write(path, "")
    container = created(t)
    mounts = {rw: {m["Destination"]: m["Source"] for m in container["Mounts"] if m["RW"] == rw}
              for rw in (True, False)}
    equal(sorted(mounts[True].items()), sorted(READ_WRITE.items()), "mounts to write to")
    equal(sorted(mounts[False].items()), sorted(READ_ONLY.items()), "read-only mounts")
    equal({(m["Type"], m["Propagation"]) for m in container["Mounts"]}, {("bind", "rprivate")},
          "their kind")


@case(engines=ALL)
def read_only_stops_at_submounts(t: Scene) -> None:
    """A mount below a read-only one stays writable, although API 1.44 made the default otherwise."""
    # `ip netns` mounts /run/netns; a link brings it below a read-only mount.
    t.host.output("/usr/bin/ip", "netns", "add", "below")
    t.host.write("/etc/docker/README", "")
    t.host.symlink("/etc/docker/plugins", "/run")
    container = created(t)
    lines = t.host.text(f"/proc/{container['State']['Pid']}/mountinfo").splitlines()
    # proc_pid_mountinfo(5): the fifth field is the mount point, the sixth its options.
    options = {fields[4]: fields[5].split(",")[0] for fields in map(str.split, lines)}
    equal(options["/etc/docker/plugins"], "ro", "the mount itself")
    equal(options.get("/etc/docker/plugins/netns"), "rw", "the mount below it")


@case(engines=ALL)
def missing_sources_stay_missing(t: Scene) -> None:
    """What a mount would come from and is not there is not made, and is said."""
    absent = ("/etc/alternatives", "/etc/docker/plugins", "/usr/bin/lsblk", "/usr/bin/nsenter",
              "/usr/lib/docker/plugins", "/var/lib/ecs/deps", "/var/lib/cloud")
    equal([path for path in absent if t.host.exists(path)], [], "there before")
    prepared(t)
    process = t.start()
    equal([path for path in absent if t.host.exists(path)], [], "made behind our back")
    targets = {m["Destination"] for m in t.docker.inspect("ecs-agent")["Mounts"]}
    expect(targets.isdisjoint(absent), f"mounted all the same: {targets & set(absent)}")
    for path in ("/usr/bin/lsblk", "/usr/bin/nsenter", "/var/lib/ecs/deps"):
        expect(path in process.stderr(), f"no word of {path}:\n{process.stderr()}")


@case(engines=ALL)
def tasks_on_every_engine(t: Scene) -> None:
    """Beside each Engine's own rules, tasks on bridge and host get their credentials."""
    created(t)
    t.load_task()
    for network in ("bridge", "host"):
        result = t.task("http://169.254.170.2/v2/credentials/some-task", network)
        equal(result.code, 0, f"a task on {network}: {result}")
        expect("ASIASTANDIN" in result.stdout, f"no credentials in {result}")
    expect(t.host.outside("/v1/metadata") is None, "51678 answers from outside")
