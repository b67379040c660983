"""The event log and the call rows on SQLite."""

from __future__ import annotations

from agenticd.adapters.store.errors import (
    Damaged,
    InUse,
    NoRoom,
    NotAccessible,
    NotOurs,
    SchemaTooNew,
    StoreUnusable,
    Unfinished,
)
from agenticd.adapters.store.sqlite import Config, SqliteLog

__all__ = [
    "Config",
    "Damaged",
    "InUse",
    "NoRoom",
    "NotAccessible",
    "NotOurs",
    "SchemaTooNew",
    "SqliteLog",
    "StoreUnusable",
    "Unfinished",
]
