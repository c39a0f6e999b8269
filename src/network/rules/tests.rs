use super::*;

fn saved(config: &NetworkConfig, bridge: bool, family: Family) -> String {
    let inputs = RuleInputs {
        config: config.clone(),
        bridge: bridge.then(Interface::docker0),
        ipv6: true,
        closed_input: false,
    };
    RuleSet::new(&inputs).saved(family).to_string()
}

const DEFAULTS: NetworkConfig = NetworkConfig::DEFAULT;

#[test]
fn default_rules_in_iptables_save_format() {
    assert_eq!(
        saved(&DEFAULTS, true, Family::Ip4),
        "*filter\n\
         -A INPUT -i docker0 -p tcp -m tcp --dport 51678 -j ACCEPT\n\
         -A INPUT ! -i lo -p tcp -m tcp --dport 51678 -j DROP\n\
         -A INPUT ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP\n\
         COMMIT\n\
         *nat\n\
         -A PREROUTING -d 169.254.170.2/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 127.0.0.1:51679\n\
         -A OUTPUT -d 169.254.170.2/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 51679\n\
         COMMIT\n"
    );
    assert_eq!(
        saved(&DEFAULTS, true, Family::Ip6),
        "*filter\n\
         -A INPUT -i docker0 -p tcp -m tcp --dport 51678 -j ACCEPT\n\
         -A INPUT ! -i lo -p tcp -m tcp --dport 51678 -j DROP\n\
         COMMIT\n"
    );
}

#[test]
fn each_switch_and_a_missing_bridge_remove_only_their_rules() {
    let lines = |config: &NetworkConfig, bridge, family| {
        saved(config, bridge, family).matches("-A").count()
    };
    assert_eq!(lines(&DEFAULTS, false, Family::Ip4), 4);
    assert_eq!(lines(&DEFAULTS, false, Family::Ip6), 1);
    let skip = NetworkConfig {
        skip_localhost_filter: true,
        ..DEFAULTS
    };
    let text = saved(&skip, true, Family::Ip4);
    assert!(!text.contains("conntrack") && text.contains("51678"));
    let allow = NetworkConfig {
        allow_offhost_introspection: true,
        ..DEFAULTS
    };
    let text = saved(&allow, true, Family::Ip4);
    assert!(text.contains("conntrack") && !text.contains("51678"));
    assert_eq!(saved(&allow, true, Family::Ip6), "");
    let block = NetworkConfig {
        block_imds: true,
        ..DEFAULTS
    };
    for family in Family::ALL {
        let added = lines(&block, true, family) - lines(&DEFAULTS, true, family);
        assert_eq!(added, 1);
        let added = lines(&block, false, family) - lines(&DEFAULTS, false, family);
        assert_eq!(added, 0);
    }
}

#[test]
fn closed_input_adds_one_rule_and_no_ipv6_removes_that_family() {
    let inputs = RuleInputs {
        config: DEFAULTS,
        bridge: Some(Interface::docker0()),
        ipv6: false,
        closed_input: true,
    };
    let set = RuleSet::new(&inputs);
    assert_eq!(set.saved(Family::Ip6).to_string(), "");
    let last = set.of_chain(INPUT).last().unwrap().rule.to_string();
    let expected =
        " -d 127.0.0.1/32 -p tcp -m tcp --dport 51679 -m conntrack --ctstate DNAT -j ACCEPT";
    assert_eq!((last.as_str(), set.of_chain(INPUT).count()), (expected, 4));
}

#[test]
fn every_rule_is_in_a_listed_chain() {
    for (chain, _) in RULES {
        assert!(CHAINS.iter().any(|(listed, _)| *listed == chain), "{chain}");
    }
}

#[test]
fn bridge_of_recognises_only_the_introspection_rule() {
    let bridge = Interface::new("br-ecs").unwrap();
    let rule = accept_introspection(&bridge);
    assert_eq!(bridge_of(&rule), Some(&bridge));
    let not_lo = Rule {
        interface: Some(Match::is_not(Interface::loopback())),
        ..rule.clone()
    };
    assert_eq!(bridge_of(&not_lo), None);
    let dropped = Rule {
        verdict: Verdict::Drop,
        ..rule
    };
    assert_eq!(bridge_of(&dropped), None);
}
