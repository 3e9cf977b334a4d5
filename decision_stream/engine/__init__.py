"""The verbs of the engine: one pure step per event, and the rules it is made of."""
