"""A run of the simulated fleet, kept: what the engine decided then it decides now, or the difference is reviewed."""
