"""What the daemon costs: `python -m bench`, or `make bench`, and `python -m bench soak`.

It measures and prints; it passes no judgement on time. Its only errors are audio that was lost or
changed, and what does not come back after calls have ended.
"""
