"""Decision quality against known truth: one module per goal, each with judging seeds nothing was tuned on."""
