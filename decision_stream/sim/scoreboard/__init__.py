"""The engine and simpler engines in a larger world with a known truth, route by route, judged by a scorecard."""
