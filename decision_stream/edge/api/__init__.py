"""The REST API: what the engine did and why, and the orders of operators as events on the commands topic."""
