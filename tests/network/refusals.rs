//! What cannot be done is said in one line, and then nothing is done.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use crate::DEFAULTS;
use crate::namespace::{in_namespace, only, sh};
use crate::oracle::numbered;
use ecs_init::network;
use ecs_init::types::Interface;
use ecs_init::types::Root;

fn error() -> String {
    match network::apply(&Root::default(), &DEFAULTS, Some(&Interface::docker0())) {
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

/// Set when the test below runs once more, without the privilege.
const UNPRIVILEGED: &str = "ECS_INIT_TEST_UNPRIVILEGED";

in_namespace! {
    fn without_the_privilege_the_error_says_which() {
        if std::env::var_os(UNPRIVILEGED).is_some() {
            println!("{}", error());
            return;
        }
        let output = Command::new("setpriv")
            .args(["--bounding-set=-net_admin", "--inh-caps=-net_admin"])
            .arg(std::env::current_exe().expect("our own program"))
            .args(only("refusals::without_the_privilege_the_error_says_which"))
            .env(UNPRIVILEGED, "1")
            .output()
            .expect("run setpriv (util-linux)");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("it takes CAP_NET_ADMIN"), "{text}");
    }
}
