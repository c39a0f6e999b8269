//! The text of `ecs-agent-default`, for apparmor_parser(8).
//!
//! Docker's default profile refuses what the agent is for: the system bus (systemd's, for tasks'
//! cgroups), cgroups, and signals and looks at processes under another profile. This one lets the
//! agent use files, networks and all the capabilities that its container has, and keeps from it
//! what no container should do: mount, write to `/proc` and to `/sys` outside of cgroups, read
//! the kernel's memory, and change AppArmor itself.

/// The profile that the container names unless `ECS_AGENT_APPARMOR_PROFILE` does otherwise.
pub const NAME: &str = "ecs-agent-default";

/// What the profile is made of on a host that has both of AppArmor's usual includes, one, or none.
#[must_use]
pub fn text(tunables: bool, base: bool) -> String {
    // `include <…>` would be an error where the file is not there.
    let tunables = if tunables {
        "#include <tunables/global>"
    } else {
        "@{PROC}=/proc/"
    };
    let base = if base {
        "\n  #include <abstractions/base>\n"
    } else {
        ""
    };
    format!(
        "# Written by ecs-init where there was none; a changed one is left as it is.\n\
         {tunables}\n\n\
         profile {NAME} flags=(attach_disconnected,mediate_deleted) {{\n{base}{RULES}}}\n"
    )
}

const RULES: &str = include_str!("rules");
