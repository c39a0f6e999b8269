"""The firewall rules as iptables prints them, and their effect on traffic."""

from harness.case import ALL, ARCHITECTURE, COMMAND, Scene, case
from harness.errors import equal, expect

PREROUTING = ("-A PREROUTING -d 169.254.170.2/32 -p tcp -m tcp --dport 80 "
              "-j DNAT --to-destination 127.0.0.1:51679")
OUTPUT = ("-A OUTPUT -d 169.254.170.2/32 -p tcp -m tcp --dport 80 "
          "-j REDIRECT --to-ports 51679")
BRIDGE = "-A INPUT -i docker0 -p tcp -m tcp --dport 51678 -j ACCEPT"
OFFHOST = "-A INPUT ! -i lo -p tcp -m tcp --dport 51678 -j DROP"
LOCALHOST = ("-A INPUT ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack "
             "! --ctstate RELATED,ESTABLISHED,DNAT -j DROP")

ROUTE_LOCALNET = "/proc/sys/net/ipv4/conf/all/route_localnet"

CREDENTIALS = "http://169.254.170.2/v2/credentials/some-task"


def chains(t: Scene) -> dict[str, list[str]]:
    """The chains that ecs-init writes to, as `iptables -S` prints them."""
    return {
        "PREROUTING": t.chain("iptables", "nat", "PREROUTING"),
        "OUTPUT": t.chain("iptables", "nat", "OUTPUT"),
        "INPUT": t.chain("iptables", "filter", "INPUT"),
        "INPUT6": t.chain("ip6tables", "filter", "INPUT"),
    }


def run_pre_start(t: Scene, **settings: str) -> None:
    t.artifacts.publish(t.bucket)
    t.init("pre-start", **settings)


def has_credentials(t: Scene, network: str) -> None:
    """A task on this network gets credentials at 169.254.170.2."""
    result = t.task(CREDENTIALS, network)
    equal(result.code, 0, f"a task on {network}: {result}")
    expect("ASIATESTAGENT" in result.stdout, f"no credentials in {result}")


@case(engines=ALL, guests=ARCHITECTURE)
def rules_match_reference(t: Scene) -> None:
    """iptables prints the rules of pre-start exactly like the reference's, in the same order."""
    run_pre_start(t)
    found = chains(t)
    # dockerd has a rule before it in each nat chain.
    equal(found["PREROUTING"][-1], PREROUTING, "the last of nat PREROUTING")
    equal(found["OUTPUT"][-1], OUTPUT, "the last of nat OUTPUT")
    equal(found["INPUT"], [BRIDGE, OFFHOST, LOCALHOST], "filter INPUT")
    equal(found["INPUT6"], [BRIDGE, OFFHOST], "filter INPUT of IPv6")
    equal(t.host.text(ROUTE_LOCALNET).strip(), "1", "route_localnet")
    equal(t.host.text("/proc/sys/net/ipv6/conf/docker0/accept_ra").strip(), "0", "accept_ra")
    # iptables warns about a table that it cannot read.
    listed = t.host.run(["/usr/sbin/iptables-save"])
    expect("incompatible" not in listed.stderr + listed.stdout, str(listed))


@case()
def rules_command(t: Scene) -> None:
    """`rules` prints the rules of pre-start and changes nothing."""
    before = t.rules()
    printed = t.init("rules").stdout
    equal(t.rules(), before, "rules after `rules`")
    for rule in (PREROUTING, OUTPUT, BRIDGE, OFFHOST, LOCALHOST):
        bare = rule.split(" ", 2)[2]
        expect(bare in printed, f"{rule} is not in\n{printed}")


@case("full", "bare")
def pre_start_twice(t: Scene) -> None:
    """A second pre-start changes no rule and loads no image."""
    run_pre_start(t)
    rules, images = t.rules(), t.docker.images()
    expect(any("51678" in rule or "c9de" in rule for rule in rules), f"no rule about 51678 in {rules}")
    t.init("pre-start")
    equal(t.rules(), rules, "the rules")
    equal(t.docker.images(), images, "the images")
    tar = t.artifacts.name()
    fetched = [r for r in t.bucket.journal if r.path.endswith(tar) and r.method == "GET"]
    equal(len(fetched), 1, "downloads of the tar")


@case("full", "bare", guests=COMMAND)
def post_stop_restores_network(t: Scene) -> None:
    """post-stop without dockerd restores the rules and route_localnet from before pre-start."""
    before, localnet = t.rules(), t.host.text(ROUTE_LOCALNET)
    run_pre_start(t)
    expect(t.rules() != before, "pre-start wrote no rule")
    t.docker.stop()
    t.init("post-stop")
    # dockerd leaves its own rules when it exits.
    equal(t.rules(), before, "the rules after post-stop")
    equal(t.host.text(ROUTE_LOCALNET), localnet, "route_localnet")
    t.init("post-stop")
    equal(t.rules(), before, "the rules after a second post-stop")


@case()
def foreign_rules_kept(t: Scene) -> None:
    """Rules of other programs keep their order through pre-start and post-stop."""
    for rule in (["-A", "INPUT", "-p", "tcp", "--dport", "9", "-j", "DROP"],
                 ["-A", "INPUT", "-p", "tcp", "--dport", "51678", "-s", "192.0.2.1/32", "-j", "ACCEPT"],
                 ["-t", "nat", "-A", "OUTPUT", "-d", "169.254.170.3/32", "-j", "ACCEPT"]):
        t.host.output("/usr/sbin/iptables", *rule)
    before = t.rules()
    run_pre_start(t)
    inserted = t.chain("iptables", "filter", "INPUT")
    equal(inserted[:3], [BRIDGE, OFFHOST, LOCALHOST], "the first rules of filter INPUT")
    t.init("post-stop")
    equal(t.rules(), before, "the rules after post-stop")


@case(guests=ARCHITECTURE)
def duplicate_rules_removed(t: Scene) -> None:
    """Rules that the reference left twice become one each, in the right order."""
    add = {
        "nat": [PREROUTING, OUTPUT], "filter": [LOCALHOST, OFFHOST, BRIDGE],
    }
    for _ in range(2):
        for table, rules in add.items():
            for rule in rules:
                words = rule.split()
                words[0] = "-A" if table == "nat" else "-I"
                t.host.output("/usr/sbin/iptables", "-t", table, *words)
    run_pre_start(t)
    found = chains(t)
    equal(found["INPUT"], [BRIDGE, OFFHOST, LOCALHOST], "filter INPUT")
    equal(found["PREROUTING"].count(PREROUTING), 1, "copies in nat PREROUTING")
    equal(found["OUTPUT"].count(OUTPUT), 1, "copies in nat OUTPUT")
    t.init("post-stop")
    found = chains(t)
    equal(found["INPUT"], [], "filter INPUT after post-stop")
    expect(PREROUTING not in found["PREROUTING"], "the rule is still in nat PREROUTING")


@case()
def rules_deletable_by_iptables(t: Scene) -> None:
    """iptables -C and -D find the rules; dockerd adds its own; pre-start restores the missing one."""
    run_pre_start(t)
    t.host.output("/usr/sbin/iptables", "-t", "nat", "-C", *PREROUTING.split()[1:])
    t.host.output("/usr/sbin/iptables", "-t", "filter", "-D", *LOCALHOST.split()[1:])
    equal(t.chain("iptables", "filter", "INPUT"), [BRIDGE, OFFHOST], "INPUT after one was deleted")
    t.docker.ok("POST", "/networks/create", {"Name": "another", "Driver": "bridge"})
    t.docker.stop()
    t.docker.start()
    equal(t.chain("iptables", "filter", "INPUT"), [BRIDGE, OFFHOST], "INPUT after a dockerd restart")
    t.init("pre-start")
    equal(t.chain("iptables", "filter", "INPUT"), [BRIDGE, OFFHOST, LOCALHOST], "INPUT after pre-start")


@case()
def rule_switches(t: Scene) -> None:
    """ECS_SKIP_LOCALHOST_TRAFFIC_FILTER and ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS omit their rules."""
    run_pre_start(t, ECS_SKIP_LOCALHOST_TRAFFIC_FILTER="true")
    equal(t.chain("iptables", "filter", "INPUT"), [BRIDGE, OFFHOST], "INPUT without the filter")
    t.init("post-stop", ECS_SKIP_LOCALHOST_TRAFFIC_FILTER="true")
    t.init("pre-start", ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS="true")
    equal(t.chain("iptables", "filter", "INPUT"), [LOCALHOST], "INPUT with access from outside")
    equal(t.chain("ip6tables", "filter", "INPUT"), [], "INPUT of IPv6")


@case(guests=ARCHITECTURE)
def route_without_default_route(t: Scene) -> None:
    """Without an IPv4 default route pre-start routes 169.254.170.2 to lo; post-stop removes it."""
    def routed() -> str:
        return t.host.output("/usr/bin/ip", "route", "show", "169.254.170.2").strip()
    run_pre_start(t)
    equal(routed(), "", "the route on a host with a default route")
    t.host.output("/usr/bin/ip", "route", "delete", "default")
    t.init("pre-start")
    equal(routed(), "169.254.170.2 dev lo scope link", "the route")
    t.init("pre-start")
    equal(routed(), "169.254.170.2 dev lo scope link", "the route after a second pre-start")
    t.init("post-stop")
    equal(routed(), "", "the route after post-stop")


@case("full", "bare", engines=ALL, guests=ARCHITECTURE)
def credentials_reach_tasks(t: Scene) -> None:
    """Tasks on the bridge and on the host's network get credentials at 169.254.170.2."""
    run_pre_start(t)
    t.load_task()
    process = t.start()
    for network in ("bridge", "host"):
        has_credentials(t, network)
    expect(t.host.outside("/v1/metadata") is None, "51678 answers from outside")
    process.kill()
    process.wait()
    t.init("post-stop")
    for network in ("bridge", "host"):
        result = t.task(CREDENTIALS, network, seconds=3)
        expect(result.code != 0, f"still answered on {network} after post-stop: {result}")


@case("full", "bare", guests=ARCHITECTURE)
def introspection_port_closed_from_outside(t: Scene) -> None:
    """51678 answers on lo and to a task on docker0, not from outside."""
    run_pre_start(t)
    t.load_task()
    t.start()
    expect(t.host.outside("/v1/metadata") is None, "51678 answers from outside")
    task = t.task("http://172.17.0.1:51678/v1/metadata", "bridge")
    equal(task.code, 0, f"from docker0: {task}")
    t.init("post-stop")
    # Without the rules it does: the rules have closed it.
    t.host.until("51678 answers from outside", t.answers_outside)
