"""The demo's call as data: a guest calls Trattoria Aurora. All of it has clips of rendered speech."""

from __future__ import annotations

from agenticd.emulator.realtime.brain import Dialogue, Rule

DEMO_GREETING = "Hello, this is Aurora, the voice of Trattoria Aurora. How can I help you?"

DEMO_CALLER_LINES: tuple[str, ...] = (
    "Hi, what time do you open tomorrow?",
    "Great. I would like to book a table for two, tomorrow at seven.",
    "Thank you very much. Goodbye!",
)
"""What the caller says, in order; each line answers one of the agent's."""

_MENU = (
    "Let me tell you about our menu. We begin with bread from our own oven, olives from Sicily and a "
    "salad of oranges and fennel. Then there are five kinds of pasta, all made by hand this morning: "
    "with tomatoes and basil, with mushrooms, with clams, with a slowly cooked sauce of beef and red "
    "wine, and with butter and sage. As a main course you may choose between grilled sea bass, roast "
    "chicken with rosemary, and a vegetable stew. For dessert there is lemon cake, chocolate cake and "
    "home made ice cream. Which of these would you like to hear more about?"
)
"""The longest that the agent says, 30 s: for callers who interrupt."""

_TONIGHT = (
    "Certainly. Tonight there is a soup of roasted tomatoes, fresh ravioli with spinach and ricotta, "
    "grilled sea bass with lemon and potatoes, and for dessert a warm chocolate cake with vanilla ice "
    "cream."
)
_BOOKED = "With pleasure. A table for two, tomorrow at seven. We look forward to seeing you."

DEMO_DIALOGUE = Dialogue(
    rules=(
        Rule(r"\bno, thank", "You are welcome."),
        Rule(r"\bgood ?bye\b|\bbye\b", "Thank you for calling Trattoria Aurora. Goodbye!"),
        Rule(r"\bbook\b|\btable\b|\breserv", _BOOKED),
        Rule(r"\bopen|\bhours\b", "Tomorrow we are open from five in the afternoon until eleven at night."),
        Rule(r"\bgluten", "Yes, our pasta is also made without gluten."),
        Rule(r"\bmenu\b", _MENU),
        Rule(r"\btonight\b", _TONIGHT),
        Rule(r"\baddress\b|\bwhere\b", "We are at twelve Garden Street, next to the old theatre."),
        Rule(r"\bperson\b|\bhuman\b", "I will put you through to a colleague."),
        Rule(r"\bthank", "You are welcome."),
        Rule(r"\bstop\b|\byes\b", "Of course."),
        Rule(r"\bhello\b|\bmy name\b", "Hello, how can I help you?"),
    ),
    opening=DEMO_GREETING,
)
"""How the agent answers; made for these lines, and for the other clips of a caller."""
