"""The machine that the daemon runs on: clock, service manager, sockets, signals."""
