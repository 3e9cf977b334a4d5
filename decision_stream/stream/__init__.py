"""The Faust application: topics, agents, the table of scope states, ticks and hardening."""
