"""Behaviour of the reference that no other file covers: see ../COMPAT.md."""

from harness.archives import AGENT
from harness.case import COMMAND, FAILURE, Scene, case
from harness.errors import equal, expect

from .acquire import CACHED, STATE, loaded
from .rules import ROUTE_LOCALNET
from .supervise import run_pre_start

EBS = "/mnt/ecs/ebs"


def environment(t: Scene) -> dict[str, str]:
    """The variables of the agent's container."""
    lines = t.docker.inspect("ecs-agent")["Config"]["Env"]
    return dict(line.split("=", 1) for line in lines)


def mounted(t: Scene) -> dict[str, str]:
    """The agent's mounts: target and source."""
    return {m["Destination"]: m["Source"] for m in t.docker.inspect("ecs-agent")["Mounts"]}


@case()
def go_booleans(t: Scene) -> None:
    """A boolean is what Go accepts: 1 t T TRUE true True and their opposites; else a warning."""
    rule = "-m conntrack"
    for yes in ("1", "t", "T", "TRUE", "true", "True"):
        printed = t.init("rules", ECS_SKIP_LOCALHOST_TRAFFIC_FILTER=yes)
        expect(rule not in printed.stdout, f"{yes} is not true: {printed}")
    for no in ("0", "f", "F", "FALSE", "false", "False", "yes", "on"):
        printed = t.init("rules", ECS_SKIP_LOCALHOST_TRAFFIC_FILTER=no)
        expect(rule in printed.stdout, f"{no} is not false: {printed}")
        warned = "ECS_SKIP_LOCALHOST_TRAFFIC_FILTER" in printed.stderr
        equal(warned, no in ("yes", "on"), f"warning about {no}")


@case()
def cache_states_that_download(t: Scene) -> None:
    """State 0, empty, invalid or missing, or no tar: downloaded, whether or not Docker has an image."""
    path = t.artifacts.publish(t.bucket)
    t.init("pre-start")
    for state, image in (("0", True), ("", True), ("3", True), ("junk\n", True), (None, True),
                         ("3", False), ("", False), ("-1", False), ("11", False)):
        if not image:
            t.docker.untag(AGENT)
        if state is None:
            t.host.remove(STATE)
        else:
            t.host.write(STATE, state)
        del t.bucket.journal[:]
        t.init("pre-start")
        expect(t.bucket.requests(path), f"no download in state {state!r}")
        expect(loaded(t), f"no {AGENT} in Docker after state {state!r}")
        equal(t.host.text(STATE).strip(), "1", f"the state after {state!r}")
    t.host.remove(CACHED)
    del t.bucket.journal[:]
    t.init("pre-start")
    expect(t.bucket.requests(path), "no download without a tar")


@case(guests=COMMAND)
def reload_cache_command(t: Scene) -> None:
    """`reload-cache` downloads if nothing is cached, and loads the cached tar over any image."""
    path = t.artifacts.publish(t.bucket)
    t.init("reload-cache")
    expect(AGENT in t.docker.images(), f"no {AGENT} in Docker")
    equal(t.host.text(STATE).strip(), "1", "the state")
    # Another image with the agent's name is replaced by the cached one.
    good = t.docker.images()[AGENT]
    t.docker.untag(AGENT)
    t.load_task()
    t.docker.ok("POST", "/images/task:test/tag?repo=amazon/amazon-ecs-agent&tag=latest")
    expect(t.docker.images()[AGENT] != good, "the tag was not moved")
    del t.bucket.journal[:]
    t.init("reload-cache")
    equal(t.docker.images()[AGENT], good, "the image")
    equal(t.bucket.requests(path), [], "requests for a cached tar")


@case()
def ebs_directory(t: Scene) -> None:
    """pre-start creates /mnt/ecs/ebs; if it cannot, ECS_EBSTA_SUPPORTED is false."""
    run_pre_start(t)
    found = t.host.stat(EBS)
    equal((found["type"], found["mode"] & 0o7777), ("directory", 0o755), EBS)
    process = t.start()
    equal(environment(t)["ECS_EBSTA_SUPPORTED"], "true", "with the directory")
    process.kill()
    process.wait()
    t.host.remove("/mnt/ecs")
    t.host.write("/mnt/ecs", "in the way")
    t.init("pre-start")
    process = t.start()
    equal(environment(t)["ECS_EBSTA_SUPPORTED"], "false", "without it")
    process.kill()
    process.wait()


@case()
def privileged_and_host_pid_namespace(t: Scene) -> None:
    """ECS_AGENT_RUN_PRIVILEGED and ECS_AGENT_PID_NAMESPACE_HOST set Privileged and PidMode."""
    run_pre_start(t)
    process = t.start("start", ECS_AGENT_RUN_PRIVILEGED="true",
                      ECS_AGENT_PID_NAMESPACE_HOST="true")
    config = t.docker.inspect("ecs-agent")["HostConfig"]
    equal((config["Privileged"], config["PidMode"]), (True, "host"), "Privileged and PidMode")
    process.kill()
    process.wait()


@case()
def log_driver_and_sizes(t: Scene) -> None:
    """Log driver, sizes and options; an unknown driver becomes json-file with a warning."""
    run_pre_start(t)

    def log(**settings: str) -> tuple[dict, str]:
        process = t.start("start", **settings)
        config = t.docker.inspect("ecs-agent")["HostConfig"]["LogConfig"]
        process.kill()
        return config, process.wait().stderr
    config, stderr = log(ECS_LOG_DRIVER="nonsense", ECS_INIT_DOCKER_LOG_FILE_SIZE="1m",
                       ECS_INIT_DOCKER_LOG_FILE_NUM="2")
    equal(config, {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}}, "the log driver")
    expect("ECS_LOG_DRIVER" in stderr, f"no warning about the driver:\n{stderr}")
    config, _ = log(ECS_LOG_OPTS='{"max-size":"3m"}')
    equal(config, {"Type": "json-file", "Config": {"max-size": "3m"}}, "the log driver with options")


@case()
def gmsa_socket(t: Scene) -> None:
    """With ECS_GMSA_SUPPORTED the credentials fetcher's socket is mounted and its variable set."""
    run_pre_start(t)
    t.host.write("/opt/fetcher.sock", "")
    process = t.start("start", ECS_GMSA_SUPPORTED="true",
                      CREDENTIALS_FETCHER_HOST="/opt/fetcher.sock")
    equal(mounted(t).get("/opt/fetcher.sock"), "/opt/fetcher.sock", "the socket's mount")
    equal(environment(t)["CREDENTIALS_FETCHER_HOST_DIR"], "/opt/fetcher.sock", "its variable")
    process.kill()
    process.wait()


@case()
def docker_host_socket(t: Scene) -> None:
    """DOCKER_HOST is used, and mounted at the path that the agent's configuration names."""
    t.artifacts.publish(t.bucket)
    t.host.symlink("/run/other.sock", "/run/docker.sock")
    named = {"DOCKER_HOST": "unix:///run/other.sock"}
    t.init("pre-start", **named)
    process = t.start("start", **named)
    mounts = mounted(t)
    equal(mounts.get("/var/run/docker.sock"), "/run/other.sock", "the agent's socket")
    expect("/var/run" not in mounts, f"/var/run is mounted too: {mounts}")
    process.kill()
    process.wait()
    t.host.write("/etc/ecs/ecs.config", "DOCKER_HOST=unix:///run/other.sock\n")
    process = t.start()
    equal(mounted(t).get("/run/other.sock"), "/run/other.sock", "the socket that the file names")
    process.kill()
    process.wait()


@case("full", "bare")
def post_stop_errors_are_logged(t: Scene) -> None:
    """What post-stop cannot undo is logged; it continues with the rest and exits 0."""
    before = t.rules()
    run_pre_start(t)
    expect(t.rules() != before, "pre-start wrote no rule")
    # This root has no sysctls.
    result = t.init("post-stop", ECS_INIT_ROOT="/nonexistent")
    expect("route_localnet" in result.stderr, f"the sysctl is not named: {result}")
    equal(t.rules(), before, "the rules")
    equal(t.host.text(ROUTE_LOCALNET).strip(), "1", "route_localnet, which could not be restored")


@case()
def errors_exit_255(t: Scene) -> None:
    """A command that fails exits 255 like the reference's -1; no command or an unknown one exits 1."""
    t.init("pre-start", code=FAILURE, ECS_INIT_RETRY_TIME="1")
    t.init("start", code=FAILURE, DOCKER_HOST="unix:///run/nothing.sock", ECS_INIT_DOCKER_WAIT="1")
    t.init(code=1)
    t.init("no-such-command", code=1)


@case()
def agent_environment(t: Scene) -> None:
    """The agent's environment equals the reference's on such a host."""
    t.host.write("/etc/ssl/certs/ca.pem", "")
    run_pre_start(t)
    process = t.start()
    found = environment(t)
    wanted = {
        "CREDENTIALS_FETCHER_HOST_DIR":
            "/var/credentials-fetcher/socket/credentials_fetcher.sock",
        "ECS_AGENT_CONFIG_FILE_PATH": "/etc/ecs/ecs.config.json",
        "ECS_AGENT_LABELS": "",
        "ECS_AVAILABLE_LOGGING_DRIVERS": '["json-file","syslog","awslogs","fluentd","none"]',
        "ECS_DATADIR": "/data",
        "ECS_DETAILED_OS_FAMILY": "debian_13",
        "ECS_EBSTA_SUPPORTED": "true",
        "ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE": "true",
        "ECS_ENABLE_TASK_ENI": "true",
        "ECS_ENABLE_TASK_IAM_ROLE": "true",
        "ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST": "true",
        "ECS_LOGFILE": "/log/ecs-agent.log",
        "ECS_UPDATES_ENABLED": "true",
        "ECS_UPDATE_DOWNLOAD_DIR": "/var/cache/ecs",
        "SSL_CERT_DIR": "/etc/ssl/certs",
        # From the image.
        "PATH": "/host/sbin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }
    equal({name: found.get(name) for name in wanted}, wanted, "variables")
    process.kill()
    process.wait()


@case()
def external_mounts(t: Scene) -> None:
    """ECS_EXTERNAL: rotating credentials, no cloud-init result, no capabilities, no task ENI."""
    for path in ("/root/.aws/credentials", "/var/lib/cloud/data/result.json"):
        t.host.write(path, "")
    run_pre_start(t)
    external = {"ECS_EXTERNAL": "true", "AWS_REGION": "us-west-2"}
    process = t.start("start", **external)
    mounts = mounted(t)
    equal(mounts.get("/rotatingcreds"), "/root/.aws", "the credentials")
    expect("/var/lib/cloud/data/result.json" not in mounts, f"cloud-init's result is mounted: {mounts}")
    equal(environment(t)["ECS_ENABLE_TASK_ENI"], "false", "ECS_ENABLE_TASK_ENI")
    equal(t.docker.inspect("ecs-agent")["HostConfig"]["CapAdd"], None, "capabilities")
    process.kill()
    process.wait()


@case()
def gpu_directory(t: Scene) -> None:
    """With GPUs the directory with their description is mounted."""
    t.host.write("/dev/nvidia0", "")
    t.host.write("/var/lib/ecs/gpu/nvidia-gpu-info.json", "{}")
    run_pre_start(t)
    process = t.start("start", ECS_ENABLE_GPU_SUPPORT="true")
    equal(mounted(t).get("/var/lib/ecs/gpu"), "/var/lib/ecs/gpu", "the mount")
    process.kill()
    process.wait()
