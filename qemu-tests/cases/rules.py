"""The rules, as iptables itself prints them, and what they do to packets."""

from harness.case import ALL, Scene, case
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


def ours(t: Scene) -> dict[str, list[str]]:
    """The chains that ecs-init writes to, as `iptables -S` prints them."""
    return {
        "PREROUTING": t.chain("iptables", "nat", "PREROUTING"),
        "OUTPUT": t.chain("iptables", "nat", "OUTPUT"),
        "INPUT": t.chain("iptables", "filter", "INPUT"),
        "INPUT6": t.chain("ip6tables", "filter", "INPUT"),
    }


def prepared(t: Scene, **settings: str) -> None:
    t.artifacts.publish(t.bucket)
    t.init("pre-start", **settings)


@case(engines=ALL)
def rules_letter_for_letter(t: Scene) -> None:
    """After pre-start, iptables prints ecs-init's rules as the reference's, in their order."""
    prepared(t)
    chains = ours(t)
    # dockerd has one of its own first in each nat chain.
    equal(chains["PREROUTING"][-1], PREROUTING, "the last of nat PREROUTING")
    equal(chains["OUTPUT"][-1], OUTPUT, "the last of nat OUTPUT")
    equal(chains["INPUT"], [BRIDGE, OFFHOST, LOCALHOST], "filter INPUT")
    equal(chains["INPUT6"], [BRIDGE, OFFHOST], "filter INPUT of IPv6")
    equal(t.host.text(ROUTE_LOCALNET).strip(), "1", "route_localnet")
    equal(t.host.text("/proc/sys/net/ipv6/conf/docker0/accept_ra").strip(), "0", "accept_ra")
    # A table that iptables cannot read would have a warning instead.
    listed = t.host.run(["/usr/sbin/iptables-save"])
    expect("incompatible" not in listed.stderr + listed.stdout, str(listed))


@case()
def rules_verb(t: Scene) -> None:
    """`rules` prints what pre-start writes, and writes nothing itself."""
    before = t.rules()
    printed = t.init("rules").stdout
    equal(t.rules(), before, "rules after `rules`")
    for rule in (PREROUTING, OUTPUT, BRIDGE, OFFHOST, LOCALHOST):
        bare = rule.split(" ", 2)[2]
        expect(bare in printed, f"{rule} is not in\n{printed}")


@case("full", "bare")
def pre_start_twice(t: Scene) -> None:
    """A second pre-start changes no rule and loads no image."""
    prepared(t)
    rules, images = t.rules(), t.docker.images()
    expect(any("51678" in rule or "c9de" in rule for rule in rules), f"no rule of ours in {rules}")
    t.init("pre-start")
    equal(t.rules(), rules, "the rules")
    equal(t.docker.images(), images, "the images")
    tar = t.artifacts.name()
    fetched = [r for r in t.bucket.journal if r.path.endswith(tar) and r.method == "GET"]
    equal(len(fetched), 1, "times that the tar was fetched")


@case("full", "bare")
def post_stop_leaves_what_it_found(t: Scene) -> None:
    """After post-stop, without a Docker to ask, the rules are those that there were before."""
    before, localnet = t.rules(), t.host.text(ROUTE_LOCALNET)
    prepared(t)
    expect(t.rules() != before, "pre-start wrote no rule")
    t.docker.stop()
    t.init("post-stop")
    # dockerd takes none of its own rules away when it ends.
    equal(t.rules(), before, "the rules after post-stop")
    equal(t.host.text(ROUTE_LOCALNET), localnet, "route_localnet")
    t.init("post-stop")
    equal(t.rules(), before, "the rules after another post-stop")


@case()
def foreign_rules_stay(t: Scene) -> None:
    """Rules of others, before and after ours, survive pre-start and post-stop in their order."""
    for rule in (["-A", "INPUT", "-p", "tcp", "--dport", "9", "-j", "DROP"],
                 ["-A", "INPUT", "-p", "tcp", "--dport", "51678", "-s", "192.0.2.1/32", "-j", "ACCEPT"],
                 ["-t", "nat", "-A", "OUTPUT", "-d", "169.254.170.3/32", "-j", "ACCEPT"]):
        t.host.output("/usr/sbin/iptables", *rule)
    before = t.rules()
    prepared(t)
    inserted = t.chain("iptables", "filter", "INPUT")
    equal(inserted[:3], [BRIDGE, OFFHOST, LOCALHOST], "ours before the others'")
    t.init("post-stop")
    equal(t.rules(), before, "the rules after post-stop")


@case()
def copies_are_taken_out(t: Scene) -> None:
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
    prepared(t)
    chains = ours(t)
    equal(chains["INPUT"], [BRIDGE, OFFHOST, LOCALHOST], "filter INPUT")
    equal(chains["PREROUTING"].count(PREROUTING), 1, "copies in nat PREROUTING")
    equal(chains["OUTPUT"].count(OUTPUT), 1, "copies in nat OUTPUT")
    t.init("post-stop")
    chains = ours(t)
    equal(chains["INPUT"], [], "filter INPUT after post-stop")
    expect(PREROUTING not in chains["PREROUTING"], "ours is still in nat PREROUTING")


@case()
def iptables_can_delete_ours(t: Scene) -> None:
    """iptables finds our rules by their text, and dockerd goes on writing beside them."""
    prepared(t)
    t.host.output("/usr/sbin/iptables", "-t", "nat", "-C", *PREROUTING.split()[1:])
    t.host.output("/usr/sbin/iptables", "-t", "filter", "-D", *LOCALHOST.split()[1:])
    equal(t.chain("iptables", "filter", "INPUT"), [BRIDGE, OFFHOST], "INPUT after one went")
    t.docker.ok("POST", "/networks/create", {"Name": "another", "Driver": "bridge"})
    t.docker.stop()
    t.docker.start()
    equal(t.chain("iptables", "filter", "INPUT"), [BRIDGE, OFFHOST], "INPUT with dockerd anew")
    t.init("pre-start")
    equal(t.chain("iptables", "filter", "INPUT"), [BRIDGE, OFFHOST, LOCALHOST], "INPUT mended")


@case()
def switches(t: Scene) -> None:
    """The two switches each leave their rules out, and taking them back puts the rules in."""
    prepared(t, ECS_SKIP_LOCALHOST_TRAFFIC_FILTER="true")
    equal(t.chain("iptables", "filter", "INPUT"), [BRIDGE, OFFHOST], "INPUT without the filter")
    t.init("post-stop", ECS_SKIP_LOCALHOST_TRAFFIC_FILTER="true")
    t.init("pre-start", ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS="true")
    equal(t.chain("iptables", "filter", "INPUT"), [LOCALHOST], "INPUT with access from outside")
    equal(t.chain("ip6tables", "filter", "INPUT"), [], "INPUT of IPv6")


@case()
def route_without_a_default(t: Scene) -> None:
    """On a host without an IPv4 default route, 169.254.170.2 is routed to lo, and post-stop undoes it."""
    def routed() -> str:
        return t.host.output("/usr/bin/ip", "route", "show", "169.254.170.2").strip()
    prepared(t)
    equal(routed(), "", "the route on a host that has a default")
    t.host.output("/usr/bin/ip", "route", "delete", "default")
    t.init("pre-start")
    equal(routed(), "169.254.170.2 dev lo scope link", "the route")
    t.init("pre-start")
    equal(routed(), "169.254.170.2 dev lo scope link", "the route after a second pre-start")
    t.init("post-stop")
    equal(routed(), "", "the route after post-stop")


@case("full", "bare")
def credentials_reach_tasks(t: Scene) -> None:
    """A task on the bridge and one on the host's network get their credentials at 169.254.170.2."""
    prepared(t)
    t.load_task()
    process = t.start()
    for network in ("bridge", "host"):
        result = t.task("http://169.254.170.2/v2/credentials/some-task", network)
        equal(result.code, 0, f"a task on {network}: {result}")
        expect("ASIASTANDIN" in result.stdout, f"no credentials in {result}")
    process.kill()
    process.wait()
    t.init("post-stop")
    for network in ("bridge", "host"):
        result = t.task("http://169.254.170.2/v2/credentials/some-task", network, seconds=3)
        expect(result.code != 0, f"still answered on {network} after post-stop: {result}")


@case("full", "bare")
def introspection_is_ours_alone(t: Scene) -> None:
    """51678 is refused from outside, answered on lo and to a task on docker0."""
    prepared(t)
    t.load_task()
    t.start()
    expect(t.host.outside("/v1/metadata") is None, "51678 answers from outside")
    task = t.task("http://172.17.0.1:51678/v1/metadata", "bridge")
    equal(task.code, 0, f"from docker0: {task}")
    t.init("post-stop")
    # Were there no answer without the rules either, it was not they that refused.
    t.host.until("51678 answers from outside", t.answers_outside)
