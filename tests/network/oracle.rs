//! The system's `iptables` and `nft`: what they print and write.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::namespace::{sh, sh_in_new_namespace};

/// The commands of amazon-ecs-init's pre-start, in its order.
pub const REFERENCE: &str = "\
iptables -t nat -A PREROUTING -p tcp -d 169.254.170.2 --dport 80 -j DNAT --to-destination 127.0.0.1:51679
iptables -t filter -I INPUT --dst 127.0.0.0/8 ! --src 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
iptables -t filter -I INPUT -p tcp --dport 51678 ! -i lo -j DROP
ip6tables -t filter -I INPUT -p tcp --dport 51678 ! -i lo -j DROP
iptables -t filter -I INPUT -p tcp --dport 51678 -i docker0 -j ACCEPT
ip6tables -t filter -I INPUT -p tcp --dport 51678 -i docker0 -j ACCEPT
iptables -t nat -A OUTPUT -p tcp -d 169.254.170.2 --dport 80 -j REDIRECT --to-ports 51679
";

/// The commands of amazon-ecs-init's post-stop.
pub fn reference_undo() -> String {
    REFERENCE.replace(" -A ", " -D ").replace(" -I ", " -D ")
}

/// The rules of dockerd 20.10 to 28, as `iptables-save` prints them.
pub const DOCKERD: &str = include_str!("dockerd.rules");

/// The same after amazon-ecs-init's pre-start.
pub const DOCKERD_WITH_AGENT: &str = include_str!("dockerd-with-agent.rules");

/// How nft prints the mark in the user data of rules.
const MARK: &str = "  userdata = { \\xec\\x09ecs-init\\x00 }";

/// Prints every rule of both families as text.
const SAVE: &str = "iptables-save; ip6tables-save";
/// Prints every expression of every rule.
const EXPRESSIONS: &str = "nft --debug=netlink list ruleset";

/// Every table, chain and rule, as `iptables-save` prints them, without dates and counters.
pub fn saved() -> String {
    strip(&sh(SAVE))
}

fn strip(text: &str) -> String {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| match line.split_once(" [") {
            Some((chain, _)) if line.starts_with(':') => format!("{chain} [0:0]\n"),
            _ => format!("{line}\n"),
        })
        .collect()
}

/// Every expression, and the chains, without handles and without the mark. After `pre-start` this
/// equals the expressions of iptables 1.8.9 after [`with_match_tcp`].
pub fn expressions() -> String {
    strip_handles(&sh(EXPRESSIONS))
}

fn strip_handles(text: &str) -> String {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        // After the expressions, nft prints the chains with each rule in its own syntax.
        .filter(|line| !line.starts_with("\t\t") || line.starts_with("\t\ttype "))
        .map(|line| {
            // "ip nat PREROUTING 2" and "ip filter INPUT 3 4" precede the expressions of a rule.
            let is_head = line.starts_with("ip ") || line.starts_with("ip6 ");
            let words: Vec<_> = line.split(' ').take(3).collect();
            if is_head {
                words.join(" ") + "\n"
            } else if line == MARK {
                // The user data is printed instead of the empty line after a rule.
                "\n".to_owned()
            } else {
                line.to_owned() + "\n"
            }
        })
        .collect()
}

/// What iptables 1.8.9 wrote, with each comparison of the TCP destination port replaced by the
/// match that this program writes, and the number of replacements. The rest is equal.
pub fn with_match_tcp(expressions: &str) -> (String, usize) {
    const LOAD: &str = "  [ payload load 2b @ transport header + 2 => reg 1 ]";
    const MATCH: &str = "  [ match name tcp rev 0 ]\n";
    let mut lines = expressions.lines();
    let (mut all, mut replaced) = (String::new(), 0);
    while let Some(line) = lines.next() {
        if line == LOAD {
            let compare = lines.next().expect("a comparison with the port");
            assert!(compare.starts_with("  [ cmp eq reg 1 "), "{compare}");
            all += MATCH;
            replaced += 1;
        } else {
            all += line;
            all.push('\n');
        }
    }
    (all, replaced)
}

/// The ruleset with handles: if it is unchanged, nothing was written.
pub fn ruleset_with_handles() -> String {
    sh("nft -a list ruleset 2>&1")
}

/// [`saved`] and [`expressions`] of another namespace after a script there.
pub fn saved_in_new_namespace(script: &str) -> (String, String) {
    let script = format!("ip link set lo up\n{script}\n{SAVE}; echo ---; {EXPRESSIONS}");
    let all = sh_in_new_namespace(&script);
    let (saved, expressions) = all.split_once("---\n").expect("two parts");
    (strip(saved), strip_handles(expressions))
}

/// Replaces the rules with `iptables-restore`.
pub fn restore(rules: &str) {
    let mut child = Command::new("iptables-restore")
        .stdin(Stdio::piped())
        .spawn()
        .expect("run iptables-restore");
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(rules.as_bytes()).expect("write the rules");
    drop(stdin);
    assert!(child.wait().expect("wait").success());
}
