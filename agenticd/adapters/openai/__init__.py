"""The socket to the OpenAI Realtime API."""
