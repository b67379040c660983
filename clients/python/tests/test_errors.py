"""Errors are typed by the contract's reasons, and carry what the daemon said beside its message."""

from __future__ import annotations

import pytest
from conftest import Fault, FakeDaemon
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]
from grpc import StatusCode

from agentic import Client, Target, _status, errors
from agentic.v1.errors_pb2 import ErrorReason
