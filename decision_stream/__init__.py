"""Decision engine of an LLM auto-optimizer: insights in, validated and reversible decisions out."""

ENGINE_VERSION = "0.1.0"
