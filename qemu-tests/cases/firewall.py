"""Firewall backends, checked with traffic of containers; restored rules."""

from harness import messages
from harness.case import ARCHITECTURE, KERNEL, Scene, case
from harness.errors import equal, expect

from .rules import BRIDGE, LOCALHOST, OFFHOST, chains, has_credentials, run_pre_start

INPUT_ACCEPT = ("-A INPUT -d 127.0.0.1/32 -p tcp -m tcp --dport 51679 "
             "-m conntrack --ctstate DNAT -j ACCEPT")
NFT = "/usr/sbin/nft"


@case("full", "bare", guests=ARCHITECTURE, bare_guests=True)
def nftables_backend_serves_tasks(t: Scene) -> None:
    """With ECS_INIT_FIREWALL=nftables tasks get credentials; iptables' tables are unchanged."""
    t.settings["ECS_INIT_FIREWALL"] = "nftables"
    before = t.rules()
    run_pre_start(t)
    if t.host.variant == "full":
        equal(t.rules(), before, "the rules in iptables' tables")
    t.load_task()
    process = t.start()
    for network in ("bridge", "host"):
        has_credentials(t, network)
    expect(t.host.outside("/v1/metadata") is None, "51678 answers from outside")
    task = t.task("http://172.17.0.1:51678/v1/metadata", "bridge")
    equal(task.code, 0, f"from docker0: {task}")
    process.kill()
    process.wait()
    # Even if the setting has changed.
    t.init("post-stop", ECS_INIT_FIREWALL="")
    equal(t.rules(), before, "the rules after post-stop")


@case(guests=ARCHITECTURE)
def nftables_rules_command_loads_in_nft(t: Scene) -> None:
    """nft loads what `rules` prints for nftables, with the same result as pre-start."""
    t.settings |= {"ECS_INIT_FIREWALL": "nftables", "ECS_INIT_BLOCK_IMDS": "true"}
    run_pre_start(t)

    def tables() -> list[str]:
        return [t.host.output(NFT, "-s", "list", "table", family, "ecs-init")
                for family in ("ip", "ip6")]
    by_pre_start = tables()
    t.host.write("/run/rules.nft", t.init("rules").stdout)
    for family in ("ip", "ip6"):
        t.host.output(NFT, "delete", "table", family, "ecs-init")
    t.host.output(NFT, "-f", "/run/rules.nft")
    equal(tables(), by_pre_start, "the tables that nft loaded")


@case(guests=ARCHITECTURE)
def firewall_backend_switch(t: Scene) -> None:
    """Another ECS_INIT_FIREWALL at the next pre-start removes the previous backend's rules."""
    before = t.rules()
    run_pre_start(t)
    iptables = t.rules()
    t.init("pre-start", ECS_INIT_FIREWALL="nftables")
    equal(t.rules(), before, "the rules in iptables' tables")
    t.init("pre-start")
    equal(t.rules(), iptables, "the rules in iptables' tables again")
    expect("ecs-init" not in t.host.output(NFT, "list", "tables"), "a table of ecs-init is left")


@case(guests=ARCHITECTURE)
def input_policy_drop(t: Scene) -> None:
    """With INPUT policy DROP tasks get credentials by one rule more."""
    iptables = "/usr/sbin/iptables"
    t.host.output(iptables, "-A", "INPUT", "-i", "lo", "-j", "ACCEPT")
    t.host.output(iptables, "-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED",
                  "-j", "ACCEPT")
    t.host.output(iptables, "-P", "INPUT", "DROP")
    run_pre_start(t)
    equal(chains(t)["INPUT"][:4], [BRIDGE, OFFHOST, LOCALHOST, INPUT_ACCEPT], "filter INPUT")
    t.load_task()
    t.start()
    has_credentials(t, "bridge")
    has_credentials(t, "host")
    # The rule counts the packets that the policy would have dropped.
    counted = t.host.output(iptables, "-nvxL", "INPUT").splitlines()
    line = next(line for line in counted if "dpt:51679" in line)
    expect(int(line.split()[0]) > 0, f"the rule matched no packet:\n{counted}")


@case(guests=ARCHITECTURE)
def imds_blocked(t: Scene) -> None:
    """ECS_INIT_BLOCK_IMDS drops a bridge task's packets to IMDS, also after a dockerd restart."""
    rule = "-A FORWARD -d 169.254.169.254/32 -i docker0 -j DROP"
    run_pre_start(t)
    equal(t.chain("iptables", "mangle", "FORWARD"), [], "mangle FORWARD by default")
    t.init("pre-start", ECS_INIT_BLOCK_IMDS="true")
    t.docker.stop()
    t.docker.start()
    equal(t.chain("iptables", "mangle", "FORWARD"), [rule], "mangle FORWARD")
    t.load_task()
    t.task("http://169.254.169.254/", "bridge", seconds=3)
    counted = t.host.output("/usr/sbin/iptables", "-t", "mangle", "-nvxL", "FORWARD")
    packets = counted.splitlines()[2].split()[0]
    expect(int(packets) > 0, f"the rule matched no packet:\n{counted}")
    t.init("post-stop")
    equal(t.chain("iptables", "mangle", "FORWARD"), [], "mangle FORWARD after post-stop")


@case(guests=KERNEL)
def rules_restored_after_flush(t: Scene) -> None:
    """While `start` runs, flushed rules are restored; rules removed by post-stop are not."""
    run_pre_start(t)
    rules = chains(t)["INPUT"]
    t.load_task()
    process = t.start()
    t.host.output("/usr/sbin/iptables", "-F", "INPUT")
    t.host.until("the rules are restored after iptables -F",
                 lambda: chains(t)["INPUT"] == rules, process=process)
    t.host.output(NFT, "flush", "ruleset")
    t.host.until("the rules are restored after nft flush ruleset",
                 lambda: chains(t)["INPUT"] == rules, process=process)
    t.init("post-stop")
    equal(chains(t)["INPUT"], [], "INPUT after post-stop")
    process.kill()
    equal(process.wait().code, 0, "start after SIGTERM")
    equal(chains(t)["INPUT"], [], "INPUT after start has ended")
    expect(process.logged(messages.RULES_RESTORED), f"not logged:\n{process.stderr()}")


@case()
def rules_restored_under_run(t: Scene) -> None:
    """`run` restores a deleted table too, and removes it when it exits."""
    t.artifacts.publish(t.bucket)
    process = t.start("run", ECS_INIT_FIREWALL="nftables")
    tables = t.host.output(NFT, "list", "tables")
    expect("table ip ecs-init" in tables, f"no table of ecs-init in {tables}")
    t.host.output(NFT, "delete", "table", "ip", "ecs-init")
    t.host.until("the table is restored",
                 lambda: "table ip ecs-init" in t.host.output(NFT, "list", "tables"),
                 process=process)
    process.kill()
    equal(process.wait().code, 0, "run after SIGTERM")
    expect("ecs-init" not in t.host.output(NFT, "list", "tables"), "a table of ecs-init is left")
