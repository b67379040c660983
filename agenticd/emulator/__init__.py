"""A Twilio and an OpenAI Realtime that run on this machine.

A program of its own: it imports nothing of the daemon, so that one mistake of ours cannot hide another.
"""
