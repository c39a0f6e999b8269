"""Fragments of ecs-init's log messages that cases wait for or require.

The only prose of ecs-init that the harness depends on. Each is a regular expression, matched
against one line of the log, and is used only where no exit code, file, request or state shows
the same. After rewording a message, edit the pattern here.
"""

import re

#: `start` adopts the container that a previous supervisor started.
ADOPTED = r"adopting the running"

#: `start` falls back to the cached image after two failed updates.
FALLBACK = r"loading the cached image"

#: The firewall's rules were lost and are restored.
RULES_RESTORED = r"rules restored"

#: A failed request is retried after a pause.
RETRY = r"retrying in"

#: `run --respawned` does not exit before it gets SIGTERM.
STAYS = r"waiting for SIGTERM"

#: The EC2 instance ID could not be requested (debug level).
NO_INSTANCE_ID = r"instance('s)? ID"


def waiting_for(path: str) -> str:
    """ECS_INIT_WAIT_FOR: this file does not exist yet."""
    return rf"waiting for {re.escape(path)}"
