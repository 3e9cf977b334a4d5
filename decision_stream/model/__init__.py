"""The nouns of the engine: frozen values for events, decisions, state and policy.

Messages and state are `msgspec.Struct`s: frozen, keyword-only, strictly typed when read from bytes
(`"0.5"` is no number, `true` is no number, NaN is not JSON) and cheap to build and to encode. Why not
dataclasses with pydantic: docs/decisions/0002-msgspec-for-messages-and-state.md.
"""
