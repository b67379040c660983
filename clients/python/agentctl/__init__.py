"""agentctl: the command line of agenticd, on top of the agentic client alone."""
