"""What a worker needs to know beside its policy."""

from dataclasses import dataclass, field

from ..model.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """Settings of the stream shell; durations in milliseconds unless named otherwise.

    `tick_interval_ms` of 0 leaves ticks to others, as the simulator does in its own time.
    """

    bootstrap_servers: str
    app_id: str = "decision-stream"
    topic_prefix: str = "ds."
    partitions: int = 12
    replication: int = 1
    policy: Policy = field(default_factory=Policy)
    session_timeout_ms: int = 15_000
    heartbeat_interval_ms: int = 3_000
    rebalance_timeout_ms: int = 30_000
    stop_timeout_ms: int = 45_000
    commit_interval_ms: int = 1_000
    linger_ms: int = 20
    fetch_max_wait_ms: int = 32
    fetch_min_bytes: int = 100_000
    buffer_events: int = 2_048
    tick_interval_ms: int = 5_000
    cached_scopes: int = 1_000
    # Outputs of one scope that wait for acknowledgement; beyond this its next event waits too.
    max_outbox_bytes: int = 628 * 1024
    flood_in_a_row: int = 100
    flood_share: float = 0.5
    flood_window: int = 1_000
    flood_pause_ms: int = 300_000
    progress_timeout_ms: int = 60_000
    adopt_topics: bool = False
    # An insight without a trace context begins a trace of its own.
    begins_traces: bool = False
    # Off: one Faust event per record, slower.
    batched: bool = True

    def topic(self, name: str) -> str:
        """Full name of a topic, such as `ds.insights`."""
        return self.topic_prefix + name

    @property
    def bootstrap_list(self) -> list[str]:
        """Addresses as a list."""
        return [address.strip() for address in self.bootstrap_servers.split(",")]


TABLE = "scope-state"
"""Name of the one table; renaming it would lose the state."""
