"""Chaos on a real Kafka: workers, traffic, a nemesis, and an oracle that reads every topic from the start."""
