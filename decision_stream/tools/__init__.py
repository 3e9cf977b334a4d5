"""Tools around the engine: serving a worker, replay, verification, benchmarks."""
