"""Bandits: which arm to try next, with what probability, and what a reward teaches."""
