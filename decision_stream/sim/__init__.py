"""A simulated LLM fleet with a known truth: models, scopes, incidents, analyzer and actuator."""
