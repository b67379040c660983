"""agenticd: a daemon that puts an AI voice agent on a phone line."""
