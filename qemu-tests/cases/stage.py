"""The stages themselves: dockerd, the programs of a host, the fake S3 and IMDS."""

import ssl
import urllib.request

from harness.archives import AGENT
from harness.case import ARCHITECTURE, Scene, case
from harness.errors import equal, expect


@case("full", "bare", guests=ARCHITECTURE, bare_guests=True)
def stage_runs_containers(t: Scene) -> None:
    """A container runs on the host's network and on the bridge."""
    t.load_task()
    version = t.docker.ok("GET", "/version")
    expect(version["Arch"] == {"x86_64": "amd64", "aarch64": "arm64"}[t.host.arch],
           f"dockerd reports {version['Arch']}")
    for network in ("host", "bridge"):
        result = t.task("http://127.0.0.1:1/", network)
        equal(result.code, 7, f"a refused connection on {network}: {result}")


@case("full", "bare")
def stage_runs_test_agent(t: Scene) -> None:
    """The test agent loads with its unusual configuration, answers, and exits as scripted."""
    t.host.write("/tmp/agent.tar", t.artifacts.tar)
    t.docker.load("/tmp/agent.tar")
    expect(AGENT in t.docker.images(), f"no {AGENT} in Docker")
    t.script("serve", "exit 42")
    t.docker.ok("POST", "/containers/create?name=test-agent", {
        "Image": AGENT, "HostConfig": {
            "NetworkMode": "host", "Init": True,
            "Binds": ["/var/lib/ecs/data:/data"]}})
    t.docker.ok("POST", "/containers/test-agent/start")
    t.host.until("the agent answers", t.agent_answers)
    equal(t.host.until("its version", t.agent_version), "v1.99.0", "its version")
    answer = t.host.until("the credentials", lambda: t.host.get(
        "127.0.0.1:51679", "/v2/credentials/some-task"))
    equal(answer.json()["AccessKeyId"], "ASIATESTAGENT", "the credentials")
    # Without ecs-init's rules nothing is filtered.
    t.host.until("51678 answers from outside", t.answers_outside)
    t.docker.ok("POST", "/containers/test-agent/stop?t=10")
    equal(t.docker.inspect("test-agent")["State"]["ExitCode"], 0, "exit after SIGTERM")
    t.docker.ok("POST", "/containers/test-agent/start")
    t.docker.ok("POST", "/containers/test-agent/wait")
    equal(t.docker.inspect("test-agent")["State"]["ExitCode"], 42, "the scripted exit")
    equal(t.events(), ["start serve", "sigterm", "start exit 42"], "the agent's events")


@case("full", "bare", guests=ARCHITECTURE, bare_guests=True)
def stage_tools(t: Scene) -> None:
    """A full host has iptables, nft and ip; a bare one has none; neither has a shell."""
    programs = set(t.host.list("/usr/bin")) | set(t.host.list("/usr/sbin"))
    tools = {"iptables", "ip6tables", "iptables-legacy", "nft", "ip"}
    shells = {"sh", "bash", "dash", "busybox"}
    equal(programs & shells, set(), "shells")
    equal(programs & tools, tools if t.host.variant == "full" else set(), "tools")
    if t.host.variant == "full":
        expect("(nf_tables)" in t.host.output("/usr/sbin/iptables", "--version"), "not iptables-nft")
        t.host.output("/usr/sbin/nft", "list", "ruleset")
        t.host.output("/usr/sbin/iptables-legacy", "-S")


@case(guests=ARCHITECTURE)
def stage_ruleset_dump(t: Scene) -> None:
    """The driver's dump of the rules differs with another rule, and is equal after its removal."""
    def dump():
        return t.host.channel.request("ruleset").splitlines()
    rule = ["INPUT", "-p", "tcp", "--dport", "1", "-j", "DROP"]
    # The first rule creates the chain, which stays.
    t.host.output("/usr/sbin/iptables", "-A", *rule)
    t.host.output("/usr/sbin/iptables", "-D", *rule)
    before = dump()
    t.host.output("/usr/sbin/iptables", "-A", *rule)
    expect(dump() != before, "another rule does not change the dump")
    t.host.output("/usr/sbin/iptables", "-D", *rule)
    equal(dump(), before, "the dump after the rule was removed")


@case()
def stage_s3_and_imds(t: Scene) -> None:
    """The fake S3 answers ranges, and 403 for a missing object; IMDS needs a token."""
    path = t.artifacts.publish(t.bucket)
    port = t.around.s3.rsplit(":", 1)[1]
    context = ssl.create_default_context(
        cadata=t.artifacts.world.authority.certificate.decode())

    def get(url, **headers):
        request = urllib.request.Request(url, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, b"", error.headers
    base = f"https://127.0.0.1:{port}"
    status, data, headers = get(base + path)
    equal((status, data), (200, t.artifacts.tar), "the object")
    ranged = {"Range": "bytes=100-", "If-Range": headers["ETag"]}
    equal(get(base + path, **ranged)[:2], (206, t.artifacts.tar[100:]), "the rest of it")
    ranged["If-Range"] = '"another"'
    equal(get(base + path, **ranged)[0], 200, "a range of another object")
    equal(get(base + "/amazon-ecs-agent-us-west-2/none")[0], 403, "a missing object")
    metadata = t.settings["AWS_EC2_METADATA_SERVICE_ENDPOINT"].rsplit(":", 1)[1]
    equal(get(f"http://127.0.0.1:{metadata}/latest/meta-data/placement/region")[0], 401,
          "metadata without a token")
