//! The kernel modules that rules need.

use super::abi;
use super::expressions::{self, Expressions};

/// A match or target of xtables, usable in `nf_tables` through `nft_compat`.
#[derive(Debug)]
pub(super) struct Extension {
    /// The expression that contains it: `match` or `target`.
    pub expression: &'static str,
    pub name: &'static str,
    /// The revision of its struct that rules are written with.
    pub revision: u32,
    pub module: &'static str,
}

impl Extension {
    const fn new(
        expression: &'static str,
        name: &'static str,
        revision: u32,
        module: &'static str,
    ) -> Extension {
        Extension {
            expression,
            name,
            revision,
            module,
        }
    }

    /// Appends the match or target; `info` is the extension's struct.
    pub fn push_to(&self, list: &mut Expressions, info: &[u8]) {
        list.push(self.expression, |data| {
            data.text(abi::XT_NAME, self.name)
                .be32(abi::XT_REVISION, self.revision)
                .bytes(abi::XT_INFO, info);
        });
    }
}

pub(super) const TCP: Extension = Extension::new("match", "tcp", 0, "xt_tcpudp");
pub(super) const CONNTRACK: Extension = Extension::new("match", "conntrack", 3, "xt_conntrack");
pub(super) const DNAT: Extension = Extension::new("target", "DNAT", 2, "xt_nat");
pub(super) const REDIRECT: Extension = Extension::new("target", "REDIRECT", 0, "xt_REDIRECT");
/// Every extension that rules are written with.
pub(super) const EXTENSIONS: [Extension; 4] = [TCP, CONNTRACK, DNAT, REDIRECT];

/// Expressions and their modules. The other expressions that rules use are in `nf_tables` itself.
const EXPRESSIONS: [(&str, &str); 6] = [
    ("counter", "nft_counter"),
    ("ct", "nft_ct"),
    ("nat", "nft_nat"),
    ("redir", "nft_redir"),
    ("match", "nft_compat"),
    ("target", "nft_compat"),
];

/// The modules for a rule with these expressions (`NFTA_RULE_EXPRESSIONS`), each once, in order.
pub(super) fn required_by(expressions: &[u8]) -> Vec<&'static str> {
    let mut modules = Vec::new();
    for (expression, data) in expressions::read(expressions).unwrap_or_default() {
        let name = data.text(abi::XT_NAME);
        let of_expression = EXPRESSIONS.iter().filter(|(e, _)| *e == expression);
        let of_extension = EXTENSIONS
            .iter()
            .filter(|e| e.expression == expression && Some(e.name) == name);
        modules.extend(of_expression.map(|(_, module)| *module));
        modules.extend(of_extension.map(|e| e.module));
    }
    let mut seen = std::collections::BTreeSet::new();
    modules.retain(|module| seen.insert(*module));
    modules
}
