"""The engine's settings in a chaos run, and the names of its topics; workers and oracle must agree on them."""

from decision_stream.model.policy import Policy
from decision_stream.settings import parse

APP_ID, PREFIX, PARTITIONS = "chaos", "chaos.", 4
CHANGELOG = f"{APP_ID}-scope-state-changelog"
SESSION_MS, HEARTBEAT_MS, REBALANCE_MS, COMMIT_MS = 6_000, 500, 8_000, 500

SETTINGS = """\
# Event time runs some hundred times faster than the wall's: short ramps, so that decisions come to their end.
ramp:
  step: 3m
  bake: 5m
engine:
  decision_timeout: 1h
  proposal_timeout: 6h
"""
POLICY: Policy = parse(SETTINGS, {}).policy


def topic(name: str) -> str:
    """Full name of a topic."""
    return PREFIX + name
