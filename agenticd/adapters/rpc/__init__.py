"""The gRPC API: the only place in the daemon that sees the generated agentic.v1."""
