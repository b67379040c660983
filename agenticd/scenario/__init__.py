"""Scenarios: whole calls written down in YAML, played by the emulator against a real daemon, and judged.

`reading` makes a Scenario of a file, `stage` plays it, `judge` says what was not as it should be.
"""
