"""One package per outside world; no adapter imports another."""
