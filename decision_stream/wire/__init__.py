"""Bytes to model and back: strict parsing, canonical encoding, dead letters, JSON Schemas."""
