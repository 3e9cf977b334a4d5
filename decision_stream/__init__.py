"""Decision engine of an LLM auto-optimizer: insights in, validated and reversible decisions out."""
