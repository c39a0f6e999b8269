"""The reference, amazon-ecs-init 1.105.1 for x86_64.

The programs that it runs, and measurements of 2026-11-22 on a machine with two shared cores,
dockerd 20.10 and iptables 1.8.9. Only the size is used in a ratio, because the others are not of the
same run.
"""

from .commands import Command, tool

SIZE = 23_270_872

#: Median wall time, ms.
PRE_START, POST_STOP = 41.9, 138.8
STARTED_AT = 172.5

#: `start` idle for 30 s: KiB, KiB, threads, voluntary context switches.
IDLE = {"VmRSS": 21_856, "Pss": 20_649, "Threads": 5, "switches": 2}

#: Processes of one command, including its own.
EXECS = 10

#: Its requests to Docker in state 1, one connection each.
REQUESTS = {
    "post-stop": ["/version", "/_ping",
                  "/networks?filters=%7B%22driver%22%3A%7B%22bridge%22%3Atrue%7D%7D"],
}
REQUESTS["pre-start"] = [*REQUESTS["post-stop"], "/images/json?all=1"]

CREDENTIALS = ["-p", "tcp", "-d", "169.254.170.2", "--dport", "80", "-j"]
INTROSPECTION = ["-p", "tcp", "--dport", "51678"]

#: Program, table, how it is added, chain and rule. -D deletes it.
RULES = [
    ("iptables", "nat", "-A", ["PREROUTING", *CREDENTIALS,
                               "DNAT", "--to-destination", "127.0.0.1:51679"]),
    ("iptables", "filter", "-I", ["INPUT", "--dst", "127.0.0.0/8", "!", "--src", "127.0.0.0/8",
                                  "-m", "conntrack", "!", "--ctstate",
                                  "RELATED,ESTABLISHED,DNAT", "-j", "DROP"]),
    *((tool, "filter", "-I", ["INPUT", *INTROSPECTION, *rest])
      for rest in (["!", "-i", "lo", "-j", "DROP"], ["-i", "docker0", "-j", "ACCEPT"])
      for tool in ("iptables", "ip6tables")),
    ("iptables", "nat", "-A", ["OUTPUT", *CREDENTIALS, "REDIRECT", "--to-ports", "51679"]),
]


def _sysctl(*words: str) -> Command:
    # This machine's sysctl in the host's network namespace: the host's root has no such program.
    return Command([tool("sysctl"), *words], where="net")


def _rules(delete: bool) -> list[Command]:
    return [Command([f"/usr/sbin/{tool}", "-t", table, "-D" if delete else add, *rule],
                    where="host") for tool, table, add, rule in RULES]


def pre_start() -> list[Command]:
    """The nine programs that the reference's pre-start runs, in the same order."""
    return [_sysctl("-w", "net.ipv4.conf.all.route_localnet=1"),
            _sysctl("-e", "-w", "net.ipv6.conf.docker0.accept_ra=0"), *_rules(False)]


def post_stop() -> list[Command]:
    """The nine programs that the reference's post-stop runs, in the same order."""
    return [_sysctl("net.ipv4.conf.default.route_localnet"),
            _sysctl("-w", "net.ipv4.conf.all.route_localnet=0"), *_rules(True)]
