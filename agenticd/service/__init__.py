"""The use cases: async, and meeting the world only through the Protocols of ports.py."""
