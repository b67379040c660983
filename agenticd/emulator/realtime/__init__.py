"""An OpenAI Realtime server (GA interface) that runs here: strict about requests, deaf to unknown sentences.

It answers by rules, in a rendered voice, at the original's pace and in its order of events. Tests hold it
against the vendor's own types; it knows nothing of the daemon that it judges.
"""

from agenticd.emulator.realtime.brain import (
    Brain,
    BrainFailed,
    Calls,
    Dialogue,
    FunctionCall,
    Line,
    Messages,
    Reply,
    Rule,
    Situation,
)
from agenticd.emulator.realtime.chat import ChatBrain, ChatConfig
from agenticd.emulator.realtime.config import MODELS, RealtimeConfig
from agenticd.emulator.realtime.demo import DEMO_CALLER_LINES, DEMO_DIALOGUE, DEMO_GREETING
from agenticd.emulator.realtime.faults import Complaint, Failure, Garbage, Loss, RealtimeFaults, Refusal, Stall
from agenticd.emulator.realtime.items import Item
from agenticd.emulator.realtime.notes import Noted
from agenticd.emulator.realtime.server import RealtimeServer
from agenticd.emulator.realtime.session import Session

__all__ = [
    "DEMO_CALLER_LINES",
    "DEMO_DIALOGUE",
    "DEMO_GREETING",
    "MODELS",
    "Brain",
    "BrainFailed",
    "Calls",
    "ChatBrain",
    "ChatConfig",
    "Complaint",
    "Dialogue",
    "Failure",
    "FunctionCall",
    "Garbage",
    "Item",
    "Line",
    "Loss",
    "Messages",
    "Noted",
    "RealtimeConfig",
    "RealtimeFaults",
    "RealtimeServer",
    "Refusal",
    "Reply",
    "Rule",
    "Session",
    "Situation",
    "Stall",
]
