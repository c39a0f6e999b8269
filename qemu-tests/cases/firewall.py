"""The variants of the firewall, against real traffic of real containers."""

from harness.case import Scene, case
from harness.errors import equal, expect

from .rules import BRIDGE, LOCALHOST, OFFHOST, ours, prepared

CREDENTIALS = "http://169.254.170.2/v2/credentials/some-task"
SENT_HERE = ("-A INPUT -d 127.0.0.1/32 -p tcp -m tcp --dport 51679 "
             "-m conntrack --ctstate DNAT -j ACCEPT")
NFT = "/usr/sbin/nft"


def answered(t: Scene, network: str) -> None:
    result = t.task(CREDENTIALS, network)
    equal(result.code, 0, f"a task on {network}: {result}")
    expect("ASIASTANDIN" in result.stdout, f"no credentials in {result}")


@case("full", "bare")
def nftables_serves_tasks(t: Scene) -> None:
    """With ECS_INIT_FIREWALL=nftables tasks get their credentials, and iptables' tables nothing."""
    t.settings["ECS_INIT_FIREWALL"] = "nftables"
    before = t.rules()
    prepared(t)
    if t.host.sort == "full":
        equal(t.rules(), before, "the rules in iptables' tables")
    t.load_task()
    process = t.start()
    for network in ("bridge", "host"):
        answered(t, network)
    expect(t.host.outside("/v1/metadata") is None, "51678 answers from outside")
    task = t.task("http://172.17.0.1:51678/v1/metadata", "bridge")
    equal(task.code, 0, f"from docker0: {task}")
    process.kill()
    process.wait()
    # Whatever the setting is by then.
    t.init("post-stop", ECS_INIT_FIREWALL="")
    equal(t.rules(), before, "the rules after post-stop")


@case()
def nftables_words(t: Scene) -> None:
    """What `rules` prints for nftables, nft takes, and it is what pre-start writes."""
    t.settings |= {"ECS_INIT_FIREWALL": "nftables", "ECS_INIT_BLOCK_IMDS": "true"}
    prepared(t)

    def tables() -> list[str]:
        return [t.host.output(NFT, "-s", "list", "table", family, "ecs-init")
                for family in ("ip", "ip6")]
    by_us = tables()
    t.host.write("/run/words.nft", t.init("rules").stdout)
    for family in ("ip", "ip6"):
        t.host.output(NFT, "delete", "table", family, "ecs-init")
    t.host.output(NFT, "-f", "/run/words.nft")
    equal(tables(), by_us, "our tables as nft makes them of our words")


@case()
def from_variant_to_variant(t: Scene) -> None:
    """Another ECS_INIT_FIREWALL at the next pre-start leaves nothing of the one before."""
    before = t.rules()
    prepared(t)
    iptables = t.rules()
    t.init("pre-start", ECS_INIT_FIREWALL="nftables")
    equal(t.rules(), before, "the rules in iptables' tables")
    t.init("pre-start")
    equal(t.rules(), iptables, "the rules back in iptables' tables")
    expect("ecs-init" not in t.host.output(NFT, "list", "tables"), "a table of ours is left")


@case()
def closed_input(t: Scene) -> None:
    """Where INPUT's policy is DROP, tasks get their credentials, and 51679 stays closed."""
    iptables = "/usr/sbin/iptables"
    t.host.output(iptables, "-A", "INPUT", "-i", "lo", "-j", "ACCEPT")
    t.host.output(iptables, "-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED",
                  "-j", "ACCEPT")
    t.host.output(iptables, "-P", "INPUT", "DROP")
    prepared(t)
    equal(ours(t)["INPUT"][:4], [BRIDGE, OFFHOST, LOCALHOST, SENT_HERE], "filter INPUT")
    t.load_task()
    t.start()
    answered(t, "bridge")
    answered(t, "host")
    # Each rule that is met counts; the policy would have dropped these packets.
    counted = t.host.output(iptables, "-nvxL", "INPUT").splitlines()
    line = next(line for line in counted if "dpt:51679" in line)
    expect(int(line.split()[0]) > 0, f"it was not this rule that let the task in:\n{counted}")


@case()
def imds_blocked(t: Scene) -> None:
    """ECS_INIT_BLOCK_IMDS keeps a task on the bridge from IMDS, also after dockerd has restarted."""
    rule = "-A FORWARD -d 169.254.169.254/32 -i docker0 -j DROP"
    prepared(t)
    equal(t.chain("iptables", "mangle", "FORWARD"), [], "mangle FORWARD by default")
    t.init("pre-start", ECS_INIT_BLOCK_IMDS="true")
    t.docker.stop()
    t.docker.start()
    equal(t.chain("iptables", "mangle", "FORWARD"), [rule], "mangle FORWARD")
    t.load_task()
    t.task("http://169.254.169.254/", "bridge", seconds=3)
    counted = t.host.output("/usr/sbin/iptables", "-t", "mangle", "-nvxL", "FORWARD")
    packets = counted.splitlines()[2].split()[0]
    expect(int(packets) > 0, f"the rule met no packet of the task's:\n{counted}")
    t.init("post-stop")
    equal(t.chain("iptables", "mangle", "FORWARD"), [], "mangle FORWARD after post-stop")


@case()
def rules_put_back(t: Scene) -> None:
    """While `start` runs, rules that a reload took away are put back, and post-stop's stay out."""
    prepared(t)
    rules = ours(t)["INPUT"]
    t.load_task()
    process = t.start()
    t.host.output("/usr/sbin/iptables", "-F", "INPUT")
    t.host.until("the rules are back after iptables -F",
                 lambda: ours(t)["INPUT"] == rules, process=process)
    t.host.output(NFT, "flush", "ruleset")
    t.host.until("the rules are back after nft flush ruleset",
                 lambda: ours(t)["INPUT"] == rules, process=process)
    t.init("post-stop")
    equal(ours(t)["INPUT"], [], "INPUT after post-stop")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")
    equal(ours(t)["INPUT"], [], "INPUT after start has ended")
    expect("rules put back" in process.stderr(), f"not said:\n{process.stderr()}")


@case()
def put_back_under_run(t: Scene) -> None:
    """Under `run` too; and when it ends, they are gone for good."""
    t.artifacts.publish(t.bucket)
    process = t.start("run", ECS_INIT_FIREWALL="nftables")
    tables = t.host.output(NFT, "list", "tables")
    expect("table ip ecs-init" in tables, f"no table of ours in {tables}")
    t.host.output(NFT, "delete", "table", "ip", "ecs-init")
    t.host.until("the table is back",
                 lambda: "table ip ecs-init" in t.host.output(NFT, "list", "tables"),
                 process=process)
    process.kill()
    equal(process.wait().code, 0, "run after SIGTERM")
    expect("ecs-init" not in t.host.output(NFT, "list", "tables"), "a table of ours is left")
