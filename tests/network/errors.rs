//! Errors of the kernel. After one, nothing is changed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use crate::DEFAULTS;
use crate::namespace::{in_namespace, sh, single_test_arguments};
use crate::oracle::ruleset_with_handles;
use ecs_init::error::{Error, Kind};
use ecs_init::network;
use ecs_init::types::{Interface, Root};

fn apply_error() -> Error {
    match network::apply(&Root::default(), &DEFAULTS, Some(&Interface::docker0())) {
        Ok(_) => panic!("applied"),
        Err(error) => error,
    }
}

fn errno(error: &Error) -> Option<i32> {
    let source = error.find::<std::io::Error>()?;
    source.raw_os_error()
}

/// `EPERM`.
const EPERM: i32 = 1;

/// An `nft` process that owns a table.
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
        writeln!(stdin, "add table {table} {{ flags owner; }}\nlist tables").expect("write to nft");
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
    fn rejected_step_is_named_and_nothing_is_changed() {
        // IPv6 rules are last in the batch; the kernel rejects changes of an owned table.
        let _owner = Owner::of("ip6 filter");
        let before = ruleset_with_handles();
        let error = apply_error();
        assert_eq!((error.kind(), errno(&error)), (Kind::Rejected, Some(EPERM)));
        assert!(error.to_string().contains("'add chain ip6 filter INPUT'"), "{error}");
        assert_eq!(ruleset_with_handles(), before);
        assert_eq!(sh("ip -4 route; cat /proc/sys/net/ipv4/conf/all/route_localnet"), "0\n");
    }
}

in_namespace! {
    fn chain_with_wrong_hook_is_named() {
        sh("nft add table ip6 filter; nft add chain ip6 filter INPUT");
        let before = ruleset_with_handles();
        let error = apply_error();
        assert_eq!(error.kind(), Kind::InvalidInput);
        assert!(error.to_string().contains("ip6 filter INPUT is not a base chain"), "{error}");
        assert_eq!(ruleset_with_handles(), before);
        sh("nft delete chain ip6 filter INPUT
            nft add chain ip6 filter INPUT '{ type filter hook forward priority 5; }'");
        let error = apply_error().to_string();
        assert!(error.contains("of type filter, hook 2, priority 5"), "{error}");
    }
}

/// Set in the second run of the test below, which has no `CAP_NET_ADMIN`.
const UNPRIVILEGED: &str = "ECS_INIT_TEST_UNPRIVILEGED";

in_namespace! {
    fn missing_cap_net_admin_is_named() {
        if std::env::var_os(UNPRIVILEGED).is_some() {
            let error = apply_error();
            println!("{:?} {:?} {error}", error.kind(), errno(&error));
            return;
        }
        let output = Command::new("setpriv")
            .args(["--bounding-set=-net_admin", "--inh-caps=-net_admin"])
            .arg(std::env::current_exe().expect("the test program"))
            .args(single_test_arguments("errors::missing_cap_net_admin_is_named"))
            .env(UNPRIVILEGED, "1")
            .output()
            .expect("run setpriv (util-linux)");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("Rejected Some(1) "), "{text}");
        assert!(text.contains("CAP_NET_ADMIN"), "{text}");
    }
}
