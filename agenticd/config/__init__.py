"""The configuration: config.yaml, .env and systemd's credentials as one typed tree.

Nobody else in the daemon reads the environment.
tree.py has all settings with their defaults; config.example.yaml shows how they are written.
"""

from __future__ import annotations

from agenticd.config.doubts import doubts
from agenticd.config.failpoint import failpoint
from agenticd.config.loading import load, load_agents, load_token_file
from agenticd.config.places import Places, find_config, make_private, places
from agenticd.config.problems import ConfigError, Problem
from agenticd.config.secret import Secret
from agenticd.config.show import effective
from agenticd.config.tree import Admin, Grpc, Http, Inbound, Limits, Log, OpenAI, Settings, Store, Tls, Twilio

__all__ = [
    "Admin",
    "ConfigError",
    "Grpc",
    "Http",
    "Inbound",
    "Limits",
    "Log",
    "OpenAI",
    "Places",
    "Problem",
    "Secret",
    "Settings",
    "Store",
    "Tls",
    "Twilio",
    "doubts",
    "effective",
    "failpoint",
    "find_config",
    "load",
    "load_agents",
    "load_token_file",
    "make_private",
    "places",
]
