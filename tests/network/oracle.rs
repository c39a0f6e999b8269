//! What the system's own tools say and do.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::namespace::{sh, sh_elsewhere};

/// The reference's pre-start, as a script: the commands that it runs, in its order.
pub const REFERENCE: &str = "\
iptables -t nat -A PREROUTING -p tcp -d 169.254.170.2 --dport 80 -j DNAT --to-destination 127.0.0.1:51679
iptables -t filter -I INPUT --dst 127.0.0.0/8 ! --src 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
iptables -t filter -I INPUT -p tcp --dport 51678 ! -i lo -j DROP
ip6tables -t filter -I INPUT -p tcp --dport 51678 ! -i lo -j DROP
iptables -t filter -I INPUT -p tcp --dport 51678 -i docker0 -j ACCEPT
ip6tables -t filter -I INPUT -p tcp --dport 51678 -i docker0 -j ACCEPT
iptables -t nat -A OUTPUT -p tcp -d 169.254.170.2 --dport 80 -j REDIRECT --to-ports 51679
";

/// The reference's post-stop.
pub fn reference_undo() -> String {
    REFERENCE.replace(" -A ", " -D ").replace(" -I ", " -D ")
}

/// What dockerd 20.10 to 28 leaves in iptables, as `iptables-save` prints it.
pub const DOCKERD: &str = include_str!("dockerd.rules");

/// The same with our rules: what the reference's leave behind on a host with dockerd.
pub const DOCKERD_AND_OURS: &str = include_str!("dockerd-and-ours.rules");

/// How nft shows the mark that our rules carry.
const MARK: &str = "  userdata = { \\xec\\x09ecs-init\\x00 }";

/// Prints every rule of both families as text.
const SAVE: &str = "iptables-save; ip6tables-save";
/// Prints every expression in the kernel.
const EXPRESSIONS: &str = "nft --debug=netlink list ruleset";

/// Every table, chain and rule, as `iptables-save` prints them; without dates and without how many
/// packets came by.
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

/// Everything in the kernel, expression by expression, and the chains; without the kernel's numbers
/// for rules and without our mark, which is no expression.
///
/// Of ours it is what [`with_match_tcp`] makes of the reference's by iptables 1.8.9.
pub fn expressions() -> String {
    strip_handles(&sh(EXPRESSIONS))
}

fn strip_handles(text: &str) -> String {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        // Behind the expressions come the chains, and in them once more each rule, in nft's words.
        .filter(|line| !line.starts_with("\t\t") || line.starts_with("\t\ttype "))
        .map(|line| {
            // "ip nat PREROUTING 2" and "ip filter INPUT 3 4" head the expressions of a rule.
            let is_head = line.starts_with("ip ") || line.starts_with("ip6 ");
            let words: Vec<_> = line.split(' ').take(3).collect();
            if is_head {
                words.join(" ") + "\n"
            } else if line == MARK {
                // The user data takes the place of the empty line behind a rule.
                "\n".to_owned()
            } else {
                line.to_owned() + "\n"
            }
        })
        .collect()
}

/// What iptables 1.8.9 wrote, with each comparison of TCP's destination port in the header as the
/// match that we write in its place, and how many those were: the one difference that there is.
pub fn with_match_tcp(expressions: &str) -> (String, usize) {
    const LOAD: &str = "  [ payload load 2b @ transport header + 2 => reg 1 ]";
    const MATCH: &str = "  [ match name tcp rev 0 ]\n";
    let mut lines = expressions.lines();
    let (mut all, mut replaced) = (String::new(), 0);
    while let Some(line) = lines.next() {
        if line == LOAD {
            let compare = lines.next().expect("what the port is compared with");
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

/// Everything with the kernel's numbers: two equal ones mean that nothing was written between.
pub fn numbered() -> String {
    sh("nft -a list ruleset 2>&1")
}

/// [`saved`] and [`expressions`] of another namespace, after a script there.
pub fn elsewhere(script: &str) -> (String, String) {
    let script = format!("ip link set lo up\n{script}\n{SAVE}; echo ---; {EXPRESSIONS}");
    let all = sh_elsewhere(&script);
    let (saved, expressions) = all.split_once("---\n").expect("two parts");
    (strip(saved), strip_handles(expressions))
}

/// Puts rules in as `iptables-restore` does.
pub fn restore(rules: &str) {
    let mut child = Command::new("iptables-restore")
        .stdin(Stdio::piped())
        .spawn()
        .expect("run iptables-restore");
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(rules.as_bytes()).expect("tell it");
    drop(stdin);
    assert!(child.wait().expect("wait").success());
}
