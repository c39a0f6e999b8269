//! The kernel's `nf_tables`: look, decide, change, and look again if somebody else was faster.

use std::thread;
use std::time::Duration;

use super::super::netlink::attr::{Attributes, Writer};
use super::super::netlink::message::{DUMP, Refusal};
use super::super::netlink::talk::{Failure, Request, Talk};
use super::super::rule::{Family, Rule, Table, Verdict};
use super::super::rules::PLACES;
use super::plan::Step;
use super::snapshot::{self, Snapshot};
use super::{abi, batch, own};
use crate::error::{Context, Error, Kind, Result};
use crate::sys::netlink::Protocol;

/// How often to look again. Whoever changes rules does it in bursts; a hundred changes in a row
/// that each fall between our look and our batch is somebody who never stops.
const ATTEMPTS: u32 = 100;
/// How long to let the other one go ahead, at most.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// How a change went.
#[derive(Debug)]
pub struct Changed {
    /// How many steps it took; none, if all was in place.
    pub steps: usize,
    /// What was there before.
    pub before: Snapshot,
}

impl Changed {
    /// The generation of the rules that this left behind. The kernel counts one for each batch that
    /// changes something.
    #[must_use]
    pub fn generation(&self) -> u32 {
        let before = self.before.generation;
        match self.steps {
            0 => before,
            // Never zero: `nf_tables_commit` passes it over.
            _ => before.checked_add(1).unwrap_or(1),
        }
    }
}

/// Brings the kernel's rules to where `decide` wants them, in one batch.
///
/// # Errors
/// `decide`'s; the kernel's refusal, with the step that it refused (then nothing was changed); rules
/// that never hold still.
pub fn change(decide: impl Fn(&Snapshot) -> Result<Vec<Step>>) -> Result<Changed> {
    for attempt in 0..ATTEMPTS {
        if let Some(changed) = once(&decide)? {
            return Ok(changed);
        }
        log::debug!("nf_tables: somebody else changed the rules meanwhile; looking again");
        thread::sleep(Duration::from_millis(attempt.into()).min(LONGEST_PAUSE));
    }
    Err(Error::new(
        Kind::InvalidInput,
        format!(
            "the firewall's rules changed {ATTEMPTS} times while ours were to be put in: find out who \
         changes them all the time (nft monitor)"
        ),
    ))
}

/// A conversation with netfilter.
pub(super) fn open() -> Result<Talk> {
    Talk::open(Protocol::Netfilter).context(|| {
        "open a netlink socket to netfilter (does the kernel have nfnetlink, \
         CONFIG_NETFILTER_NETLINK?)"
    })
}

/// Only looks.
///
/// # Errors
/// As [`change`].
pub fn read() -> Result<Snapshot> {
    Ok(change(|_| Ok(Vec::new()))?.before)
}

/// One attempt; `None` if somebody else was faster. A socket of its own, as an answer that was
/// broken off may still be on its way.
fn once(decide: impl Fn(&Snapshot) -> Result<Vec<Step>>) -> Result<Option<Changed>> {
    let mut talk = open()?;
    let now = match look(&mut talk) {
        Ok(now) => now,
        Err(Failure::Changed) => return Ok(None),
        Err(Failure::Refused(_, refusal)) => return Err(unreadable(refusal)),
        Err(failure) => return Err(failed("read the firewall's rules", failure)),
    };
    let steps = decide(&now)?;
    if steps.is_empty() {
        return Ok(Some(Changed {
            steps: 0,
            before: now,
        }));
    }
    log::debug!("nf_tables: {} steps in one batch", steps.len());
    match talk.batch(batch::messages(now.generation, &steps)) {
        Ok(()) => Ok(Some(Changed {
            steps: steps.len(),
            before: now,
        })),
        Err(Failure::Changed) => Ok(None),
        Err(Failure::Refused(index, refusal)) => Err(refused(&steps, index, refusal)),
        Err(failure) => Err(failed("change the firewall's rules", failure)),
    }
}

/// Reads what is there. The generation comes first: whatever changes after it makes the kernel
/// refuse the batch.
fn look(talk: &mut Talk) -> Result<Snapshot, Failure> {
    let mut now = Snapshot::default();
    let request = Request {
        kind: abi::message::GET_GENERATION,
        flags: 0,
        body: abi::body(0, 0, &[]),
    };
    talk.ask(request, |kind, body| {
        if kind == abi::message::NEW_GENERATION {
            let (_, attributes) = abi::split(body)?;
            now.generation = Attributes::read(attributes)?.be32(abi::GENERATION_ID)?;
        }
        Some(())
    })?;
    let any = abi::FAMILY_ANY;
    let (tables, chains) = (abi::message::GET_TABLE, abi::message::GET_CHAIN);
    dump(talk, tables, any, &[], |kind, body| match kind {
        abi::message::NEW_TABLE => snapshot::table(&mut now, body),
        _ => Some(()),
    })?;
    dump(talk, chains, any, &[], |kind, body| match kind {
        abi::message::NEW_CHAIN => snapshot::chain(&mut now, body),
        _ => Some(()),
    })?;
    for (place, _) in PLACES {
        if now.chain(place).is_none() {
            continue;
        }
        // A filter, for hosts with thousands of rules in other chains. Kernels that do not know it
        // send them all, so what is not of this chain is passed over.
        let mut filter = Writer::new();
        filter
            .text(abi::RULE_TABLE, place.table.name())
            .text(abi::RULE_CHAIN, place.chain.name());
        let (kind, filter) = (abi::message::GET_RULE, filter.finish());
        let family = place.family.number();
        dump(talk, kind, family, &filter, |kind, body| match kind {
            abi::message::NEW_RULE => snapshot::rule(&mut now, place, body),
            _ => Some(()),
        })?;
    }
    for family in now.own.tables.clone() {
        let mut filter = Writer::new();
        filter.text(abi::RULE_TABLE, own::TABLE);
        let (kind, filter) = (abi::message::GET_RULE, filter.finish());
        dump(
            talk,
            kind,
            family.number(),
            &filter,
            |kind, body| match kind {
                abi::message::NEW_RULE => snapshot::own_rule(&mut now, body),
                _ => Some(()),
            },
        )?;
    }
    Ok(now)
}

fn dump(
    talk: &mut Talk,
    kind: u16,
    family: u8,
    filter: &[u8],
    each: impl FnMut(u16, &[u8]) -> Option<()>,
) -> Result<(), Failure> {
    let request = Request {
        kind,
        flags: DUMP,
        body: abi::body(family, 0, filter),
    };
    talk.ask(request, each)
}

/// The kernel would not even show its rules.
fn unreadable(refusal: Refusal) -> Error {
    let hint = match refusal.errno {
        libc::EPERM => " (it takes CAP_NET_ADMIN: run as root)",
        // nfnetlink's answer for a part of netfilter that is not there.
        libc::EINVAL | libc::EOPNOTSUPP => {
            " (the kernel has no nf_tables: CONFIG_NF_TABLES, module nf_tables)"
        }
        _ => "",
    };
    Error::with_source(
        Kind::InvalidInput,
        format!("read the firewall's rules{hint}"),
        refusal,
    )
}

/// The kernel refused one step, and so did nothing at all.
fn refused(steps: &[Step], index: usize, refusal: Refusal) -> Error {
    let Some(step) = index.checked_sub(1).and_then(|i| steps.get(i)) else {
        return Error::with_source(
            Kind::InvalidInput,
            format!("change the firewall's rules{}", permission(&refusal)),
            refusal,
        );
    };
    let missing = match (refusal.errno, step) {
        (libc::EPERM, _) => permission(&refusal).to_owned(),
        (libc::ENOENT | libc::EOPNOTSUPP | libc::EINVAL, step) => needs(step),
        _ => String::new(),
    };
    Error::with_source(
        Kind::InvalidInput,
        format!("the kernel refused to {step}; nothing was changed{missing}"),
        refusal,
    )
}

fn permission(refusal: &Refusal) -> &'static str {
    if refusal.errno == libc::EPERM {
        " (it takes CAP_NET_ADMIN, and a table that no other program has as its own)"
    } else {
        ""
    }
}

/// What a step needs of the kernel.
fn needs(step: &Step) -> String {
    match step {
        Step::MakeTable(Family::Ip4, _) | Step::MakeOwnTable(Family::Ip4) => {
            " (it needs CONFIG_NF_TABLES_IPV4)".to_owned()
        }
        Step::MakeTable(Family::Ip6, _) | Step::MakeOwnTable(Family::Ip6) => {
            " (it needs CONFIG_NF_TABLES_IPV6)".to_owned()
        }
        Step::MakeChain(place) | Step::MakeOwnChain(place) if place.table == Table::Nat => {
            " (it needs CONFIG_NFT_NAT, module nft_chain_nat)".to_owned()
        }
        Step::Write(_, _, rule) => {
            format!(
                " (it needs the kernel modules {})",
                modules(rule).join(", ")
            )
        }
        Step::WriteOwn(_, rule) => format!(
            " (it needs the kernel modules {})",
            native_modules(&rule.text).join(", ")
        ),
        _ => String::new(),
    }
}

/// The modules whose expressions a rule of our own table is written with.
fn native_modules(words: &str) -> Vec<&'static str> {
    let modules = [
        (" ct ", "nft_ct"),
        ("counter ", "nft_counter"),
        ("dnat to ", "nft_nat"),
        ("redirect to ", "nft_redir"),
    ];
    let needed = modules.into_iter().filter(|(word, _)| words.contains(word));
    needed.map(|(_, module)| module).collect()
}

/// The modules whose expressions, matches and targets a rule is written with.
fn modules(rule: &Rule) -> Vec<&'static str> {
    let xtables = [
        rule.tcp_port.map(|_| "xt_tcpudp"),
        rule.states.as_ref().map(|_| "xt_conntrack"),
        match rule.verdict {
            Verdict::Dnat(_) => Some("xt_nat"),
            Verdict::Redirect(_) => Some("xt_REDIRECT"),
            Verdict::Accept | Verdict::Drop => None,
        },
    ];
    let xtables: Vec<_> = xtables.into_iter().flatten().collect();
    let bridge = (!xtables.is_empty()).then_some("nft_compat");
    ["nft_counter"]
        .into_iter()
        .chain(bridge)
        .chain(xtables)
        .collect()
}

fn failed(doing: &str, failure: Failure) -> Error {
    match failure {
        Failure::Socket(error) => Error::with_source(Kind::InvalidInput, doing, error),
        Failure::Refused(_, refusal) => Error::with_source(Kind::InvalidInput, doing, refusal),
        Failure::Changed => Error::new(
            Kind::InvalidInput,
            format!("{doing}: they changed meanwhile"),
        ),
        Failure::Malformed => Error::new(
            Kind::InvalidInput,
            format!("{doing}: the kernel's answer cannot be read"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NetworkConfig;
    use crate::network::rules::RuleSet;
    use crate::types::Interface;

    #[test]
    fn a_refusal_names_every_module_that_the_rule_is_written_with() {
        let config = NetworkConfig::DEFAULT;
        let set = RuleSet::new(&config, Some(&Interface::docker0()), false);
        let said: Vec<_> = PLACES
            .into_iter()
            .flat_map(|(place, _)| set.at(place))
            .map(|w| needs(&Step::Write(w.place, w.position, w.rule.clone())))
            .collect();
        let of = |modules| format!(" (it needs the kernel modules {modules})");
        assert_eq!(
            said,
            [
                of("nft_counter, nft_compat, xt_tcpudp"),
                of("nft_counter, nft_compat, xt_tcpudp"),
                of("nft_counter, nft_compat, xt_conntrack"),
                of("nft_counter, nft_compat, xt_tcpudp, xt_nat"),
                of("nft_counter, nft_compat, xt_tcpudp, xt_REDIRECT"),
            ]
        );
    }
}
