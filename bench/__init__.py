"""Measurements: CPU per insight, printed, never asserted."""
