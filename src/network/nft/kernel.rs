//! Reads and changes the kernel's ruleset. A change is optimistic: read, decide, send one batch,
//! and start again if the generation ID changed meanwhile.

use std::thread;
use std::time::Duration;

use super::snapshot::{Snapshot, known_chains};
use super::step::Step;
use super::{abi, batch, modules};
use crate::error::{Error, Kind, Result};
use crate::network::chain::Family;
use crate::network::netlink::attr::Writer;
use crate::network::netlink::connection::{Connection, NEEDS_CAP_NET_ADMIN, NetlinkError, Request};
use crate::network::netlink::message::DUMP;
use crate::sys::netlink::Protocol;

/// The maximum number of attempts. Other programs change rules in bursts; this many conflicts in a
/// row mean that one of them changes rules continuously.
const ATTEMPTS: u32 = 100;
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// A completed update.
#[derive(Debug)]
pub struct Update {
    /// The number of steps; 0 if nothing had to be changed.
    pub steps: usize,
    /// The state before.
    pub before: Snapshot,
}

impl Update {
    /// The generation ID after the update: the kernel increments it for each batch.
    pub fn generation(&self) -> u32 {
        let before = self.before.generation;
        match self.steps {
            0 => before,
            // Never 0: `nf_tables_commit` skips it.
            _ => before.checked_add(1).unwrap_or(1),
        }
    }
}

/// Applies the steps that `decide` returns for the current state, in one batch. Calls it again if
/// another program changed the ruleset meanwhile.
///
/// # Errors
/// Those of `decide`; the kernel's error for a step, and then nothing was changed;
/// [`Kind::Transient`] if the ruleset changed at every attempt.
pub fn update(decide: impl Fn(&Snapshot) -> Result<Vec<Step>>) -> Result<Update> {
    for attempt in 0..ATTEMPTS {
        if let Some(update) = try_update(&decide)? {
            return Ok(update);
        }
        log::debug!("nf_tables: another program changed the ruleset meanwhile; reading it again");
        thread::sleep(Duration::from_millis(attempt.into()).min(LONGEST_PAUSE));
    }
    Err(Error::new(
        Kind::Transient,
        format!(
            "change firewall rules: another program changed them at each of {ATTEMPTS} attempts \
             (to find it, run: nft monitor)"
        ),
    ))
}

/// Reads the current state.
///
/// # Errors
/// Those of [`update`].
pub fn read() -> Result<Snapshot> {
    Ok(update(|_| Ok(Vec::new()))?.before)
}

/// Opens a connection to netfilter.
pub(super) fn open() -> Result<Connection> {
    Connection::open(Protocol::Netfilter).map_err(|error| {
        let hint = "open a netlink socket to netfilter (needs CONFIG_NETFILTER_NETLINK)";
        Error::with_source(Kind::Unavailable, hint, error)
    })
}

/// One attempt; `None` if the ruleset changed meanwhile. Uses a new connection, because replies to
/// an earlier request may still arrive on an old one.
fn try_update(decide: impl Fn(&Snapshot) -> Result<Vec<Step>>) -> Result<Option<Update>> {
    let mut connection = open()?;
    let before = match read_state(&mut connection) {
        Ok(state) => state,
        Err(NetlinkError::Inconsistent) => return Ok(None),
        Err(error) => return Err(read_error(error)),
    };
    let steps = decide(&before)?;
    if !steps.is_empty() {
        log::debug!("nf_tables: {} steps in one batch", steps.len());
        match connection.batch(batch::messages(before.generation, &steps)) {
            Ok(()) => {}
            Err(NetlinkError::Inconsistent) => return Ok(None),
            Err(error) => return Err(batch_error(&steps, error)),
        }
    }
    Ok(Some(Update {
        steps: steps.len(),
        before,
    }))
}

/// Reads the state, the generation ID first: the kernel then rejects the batch if anything changed
/// afterwards.
fn read_state(connection: &mut Connection) -> Result<Snapshot, NetlinkError> {
    let mut state = Snapshot::default();
    let request = Request {
        kind: abi::message::GET_GENERATION,
        flags: 0,
        body: abi::body(0, 0, &[]),
    };
    connection.request(request, |kind, body| {
        if kind == abi::message::NEW_GENERATION {
            let (_, attributes) = abi::split(body)?;
            state.generation = attributes.be32(abi::GENERATION_ID)?;
        }
        Some(())
    })?;
    let any = abi::FAMILY_ANY;
    let tables = [abi::message::GET_TABLE, abi::message::NEW_TABLE];
    let chains = [abi::message::GET_CHAIN, abi::message::NEW_CHAIN];
    let rules = [abi::message::GET_RULE, abi::message::NEW_RULE];
    dump(connection, tables, any, &[], |body| state.add_table(body))?;
    dump(connection, chains, any, &[], |body| state.add_chain(body))?;
    for chain in known_chains() {
        if state.chain(chain).is_none() {
            continue;
        }
        // A filter, for hosts with thousands of rules in other chains. Kernels that ignore it
        // return all rules; `add_rule` skips those of other chains.
        let mut filter = Writer::default();
        filter
            .text(abi::RULE_TABLE, chain.table.name())
            .text(abi::RULE_CHAIN, chain.name());
        let (family, filter) = (abi::family_number(chain.family), filter.finish());
        dump(connection, rules, family, &filter, |body| {
            state.add_rule(chain, body)
        })?;
    }
    Ok(state)
}

/// Requests a dump and calls `each` with the body of every object. `get` and `new` are the message
/// types of the request and of an object.
fn dump(
    connection: &mut Connection,
    [get, new]: [u16; 2],
    family: u8,
    filter: &[u8],
    mut each: impl FnMut(&[u8]) -> Option<()>,
) -> Result<(), NetlinkError> {
    let request = Request {
        kind: get,
        flags: DUMP,
        body: abi::body(family, 0, filter),
    };
    connection.request(
        request,
        |kind, body| {
            if kind == new { each(body) } else { Some(()) }
        },
    )
}

fn read_error(error: NetlinkError) -> Error {
    const CONTEXT: &str = "read firewall rules";
    match error.errno() {
        Some(libc::EPERM) => error.into_error(format!("{CONTEXT}{NEEDS_CAP_NET_ADMIN}")),
        // nfnetlink's reply for a subsystem that does not exist.
        Some(libc::EINVAL | libc::EOPNOTSUPP) => error
            .into_error(format!(
                "{CONTEXT} (needs CONFIG_NF_TABLES, module nf_tables)"
            ))
            .with_kind(Kind::Unavailable),
        _ => error.into_error(CONTEXT),
    }
}

fn batch_error(steps: &[Step], error: NetlinkError) -> Error {
    let step = match &error {
        NetlinkError::Rejected(index, _) => index.checked_sub(1).and_then(|i| steps.get(i)),
        _ => None,
    };
    let hint = match (error.errno(), step) {
        (Some(libc::EPERM), _) => {
            " (needs CAP_NET_ADMIN, and a table that is not owned by another program)".to_owned()
        }
        (Some(libc::ENOENT | libc::EOPNOTSUPP | libc::EINVAL), Some(step)) => requirements(step),
        _ => String::new(),
    };
    error.into_error(match step {
        Some(step) => format!("firewall rules not changed: the kernel rejected '{step}'{hint}"),
        None => format!("change firewall rules{hint}"),
    })
}

/// What a step requires of the kernel.
fn requirements(step: &Step) -> String {
    match step {
        Step::AddTable(Family::Ip4, _) => " (needs CONFIG_NF_TABLES_IPV4)".to_owned(),
        Step::AddTable(Family::Ip6, _) => " (needs CONFIG_NF_TABLES_IPV6)".to_owned(),
        Step::AddChain(chain) if chain.chain_type() == "nat" => {
            " (needs CONFIG_NFT_NAT, module nft_chain_nat)".to_owned()
        }
        Step::AddRule(_, _, rule) => {
            let modules = modules::required_by(&rule.expressions);
            format!(" (needs the kernel modules {})", modules.join(", "))
        }
        _ => String::new(),
    }
}
