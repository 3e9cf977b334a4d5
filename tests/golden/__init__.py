"""A recorded run of the simulated fleet: what the engine decided then, it decides now, or the difference is reviewed."""
