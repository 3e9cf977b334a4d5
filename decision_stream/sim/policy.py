"""Settings of the simulations: the product's defaults; for the demo, with a ramp short enough to be watched."""

DEMO_SETTINGS = """\
# The simulated fleet's clock runs faster than the wall's, in its events; the engine does not know.
kafka:
  app_id: decision-stream-demo
  topic_prefix: demo.
  partitions: 4
  # The simulator publishes ticks in its own time.
  tick_interval: 0
  session_timeout: 6s
  heartbeat_interval: 1s
ramp:
  initial_weight: 0.15
  step: 3m
  bake: 5m
engine:
  decision_timeout: 5m
safety:
  # The hard limit of 5 s on p95 is what counts here; a slower model within it is no harm.
  max_latency_increase: 1.5
strategies:
  ab_testing:
    config:
      # About a hundred answers a minute are scored: this is found within an hour or two.
      min_effect: 0.03
      # Who watches for an hour or two shall see a prompt win: the first win is the last word.
      online_fdr: false
  reinforcement:
    # This analyzer mirrors requests to every model, so that all are known without being tried on users; and each
    # incident is to be answered by one strategy that can be named.
    enabled: false
monitoring:
  metrics_port: 0
  log_format: json
  log_level: warning
"""
SIMULATED_SETTINGS = """\
# The product's defaults, and what an operator of these routes would say.
safety:
  # The hard limit of 5 s on p95 is what counts here; a slower model within it is no harm.
  max_latency_increase: 1.5
strategies:
  adaptive_parameters:
    config:
      parameters:
        - {name: temperature, low: 0.0, high: 1.2, default: 0.7}
        - {name: max_tokens, low: 256, high: 4096, default: 1024, log: true, integer: true}
"""
"""Settings of the scoreboard."""
SLOW_MS = 5_000.0
"""The policy's limit on p95 latency, which arms count slow requests against."""
START_MS = 1_760_000_000_000
"""Simulated time of minute 0: it lies in the past, so that no event seems to come from the future."""
