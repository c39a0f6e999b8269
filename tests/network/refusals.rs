//! What cannot be done is said in one line, and then nothing is done.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use crate::DEFAULTS;
use crate::namespace::{in_namespace, sh};
use crate::oracle::numbered;
use ecs_init::network;
use ecs_init::root::Root;

fn error() -> String {
    match network::apply(&Root::default(), &DEFAULTS, Some("docker0")) {
        Ok(_) => panic!("applied"),
        Err(error) => error.to_string(),
    }
}

/// An `nft` that keeps a table for itself for as long as it runs.
struct Owner(Child);

impl Owner {
    fn of(table: &str) -> Owner {
        let nft = Command::new("nft")
            .arg("-i")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut nft = nft.expect("run nft");
        let stdin = nft.stdin.as_mut().expect("its input");
        writeln!(stdin, "add table {table} {{ flags owner; }}\nlist tables").expect("tell nft");
        let mut lines = BufReader::new(nft.stdout.take().expect("its output")).lines();
        assert!(lines.any(|line| line.expect("a line").ends_with(&format!("table {table}"))));
        Owner(nft)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

in_namespace! {
    fn one_refusal_by_the_kernel_and_nothing_is_changed() {
        // IPv6's rules are the last of the batch; the kernel will not let us into this table.
        let _owner = Owner::of("ip6 filter");
        let before = numbered();
        let error = error();
        assert!(error.contains("make the chain ip6 filter INPUT"), "{error}");
        assert!(error.contains("nothing was changed"), "{error}");
        assert_eq!(numbered(), before);
        assert_eq!(sh("ip -4 route; cat /proc/sys/net/ipv4/conf/all/route_localnet"), "0\n");
    }
}

in_namespace! {
    fn a_chain_that_is_not_what_iptables_makes_is_named() {
        sh("nft add table ip6 filter; nft add chain ip6 filter INPUT");
        let before = numbered();
        let error = error();
        assert!(error.contains("ip6 filter INPUT is no base chain"), "{error}");
        assert_eq!(numbered(), before);
        sh("nft delete chain ip6 filter INPUT
            nft add chain ip6 filter INPUT '{ type filter hook forward priority 5; }'");
        let error = self::error();
        assert!(error.contains("of type filter, hook 2, priority 5"), "{error}");
    }
}

in_namespace! {
    fn without_the_privilege_the_error_says_which() {
        // The same test's program once more, without CAP_NET_ADMIN.
        let output = Command::new("setpriv")
            .args(["--bounding-set=-net_admin", "--inh-caps=-net_admin"])
            .arg(std::env::current_exe().expect("our own program"))
            .args(["refusals::prints_its_error", "--exact", "--nocapture", "--ignored"])
            .output()
            .expect("run setpriv (util-linux)");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("it takes CAP_NET_ADMIN"), "{text}");
    }
}

#[test]
#[ignore = "only a part of without_the_privilege_the_error_says_which"]
fn prints_its_error() {
    println!("{}", error());
}

in_namespace! {
    fn a_bridge_that_has_no_interfaces_name_is_refused() {
        let applied = network::apply(&Root::default(), &DEFAULTS, Some("../x"));
        let error = applied.expect_err("refused").to_string();
        assert!(error.contains("\"../x\""), "{error}");
        assert_eq!(numbered(), "");
    }
}
