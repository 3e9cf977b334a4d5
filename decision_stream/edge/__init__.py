"""The engine as people and other services meet it: metrics, health, logs."""
