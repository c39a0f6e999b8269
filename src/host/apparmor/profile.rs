//! The text of `ecs-agent-default`, for apparmor_parser(8).
//!
//! Docker's default profile denies what the agent needs: the system bus (systemd's, for the cgroups
//! of tasks), cgroups, and signals to processes with another profile. This one allows files,
//! networks and all capabilities of the container, and denies what no container should do: mount,
//! write to `/proc` and to `/sys` outside of cgroups, read kernel memory, and change AppArmor.

/// The default of `ECS_AGENT_APPARMOR_PROFILE`.
pub(crate) const NAME: &str = "ecs-agent-default";

/// The profile for a host with or without AppArmor's standard includes.
pub(super) fn text(tunables: bool, base: bool) -> String {
    // Including a missing file is an error.
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
        "# Written by ecs-init because it was missing; it is never overwritten.\n\
         {tunables}\n\n\
         profile {NAME} flags=(attach_disconnected,mediate_deleted) {{\n{base}{RULES}}}\n"
    )
}

const RULES: &str = include_str!("rules");
