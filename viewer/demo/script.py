"""What the scripted model says in the demo: a pure function of the request.

It reads who is asking (the instructions) and how far the run has come (what tools returned), as a
model would, and takes about as long.
"""

from __future__ import annotations

from runtime.testing import (
    Reply,
    StubRequest,
    TokenCounts,
    handoff_to,
    reasoning,
    structured,
    text,
    tool_call,
    tool_calls,
)
from viewer.demo.support import RefundDecision

REPORT = """\
## Flight recorders, in short

- **Origin**: proposed by David Warren in Melbourne in 1954; nobody wanted one at first.
- **Mandate**: Australia, 1960s, after a crash that could not be explained.
- **Survival**: 3,400 g, 1,100 °C for an hour, 6,000 m of water for 30 days.
- **Colour**: orange, whatever people call it.

What they taught everyone: *record all of it, all the time, and put it where it survives.*
"""
STORY = (
    "A teapot once kept a diary. Every pour, every guest, every crack in the glaze was in it. "
    "When it broke, nobody asked whose fault it was. They read the diary, and built a better pot."
)


def reply(request: StubRequest) -> Reply:
    """The model's answer to a request."""
    asked = request.instructions
    if asked.startswith("You are the first at the support desk"):
        return handoff_to("Refund agent", delay=0.35)
    if asked.startswith("You decide on refunds"):
        return _refund(request)
    if asked.startswith("You settle invoices"):
        arguments = {"invoice_id": "INV-2207", "amount": 120.5, "currency": "EUR"}
        return tool_call("charge_card", arguments, delay=0.3)
    if asked.startswith("You research"):
        return _research(request)
    if asked.startswith("You plan trips"):
        return _trip(request)
    if asked.startswith("You know trains"):
        return text("ICE 599, Berlin 08:30, Munich 12:27, one seat left at the window.", delay=0.4)
    if asked.startswith("You know the weather"):
        return text("Föhn: 14 °C and a view of the Alps until the evening.", delay=0.35)
    if asked.startswith("You tell"):
        return text(STORY, delay=0.25, delta_delay=0.01)
    return _chat(request)


def _refund(request: StubRequest) -> Reply:
    if len(request.tool_outputs) < 2:  # the first is the handoff's
        calls = [("get_order", {"order_id": "A-1001"}), ("get_refund_policy", {"country": "DE"})]
        think = reasoning("I need the order, and what the policy says on lateness.", delay=0.3)
        return think + tool_calls(calls)
    return structured(
        RefundDecision(
            order_id="A-1001",
            decision="partial_refund",
            amount=18.5,
            currency="EUR",
            reason="Delivered six days late; the policy gives 20 % from the sixth day.",
            message="Your order came six days late. We are sorry, and refund 18.50 EUR today.",
        ),
        delay=0.6,
        usage=TokenCounts(cached_tokens=256, reasoning_tokens=64),
    )


_SEARCH, _READ = "web_search", "read_page"
_STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (_SEARCH, ("flight recorder history", "cockpit voice recorder")),
    (_READ, ("history", "mandate")),
    (_SEARCH, ("recorder mandatory", "first country recorder", "crash 1960 recorder")),
    (_READ, ("survival", "parameters", "colour")),
    (_SEARCH, ("impact fire depth",)),
    (_READ, ("teapots",)),  # a page that is gone: the tool fails, and the agent goes on
    (_SEARCH, ("black box colour", "recorder orange")),
    (_READ, ("mandate", "history", "survival")),
    (_READ, ("parameters",)),
)


def _research(request: StubRequest) -> Reply:
    turn = sum(1 for item in request.items if item.get("type") == "reasoning")
    if turn >= len(_STEPS):
        return text(REPORT, delay=0.45, usage=TokenCounts(cached_tokens=1024))
    tool, subjects = _STEPS[turn]
    think = reasoning(f"Step {turn + 1}: {', '.join(subjects)}.", delay=0.08 + turn % 3 * 0.04)
    if tool == _SEARCH:
        return think + tool_calls([(tool, {"query": subject}) for subject in subjects])
    pages = [f"https://library.example/{subject}" for subject in subjects]
    return think + tool_calls([(tool, {"url": page}) for page in pages])


def _trip(request: StubRequest) -> Reply:
    if not request.tool_outputs:
        calls = [
            ("ask_rail", {"input": "Berlin to Munich on Saturday morning"}),
            ("ask_weather", {"input": "Munich on Saturday"}),
        ]
        return tool_calls(calls, delay=0.35)
    return text(
        "Take ICE 599 at 08:30; you are in Munich by half past twelve, with Föhn and a view.",
        delay=0.4,
    )


def _chat(request: StubRequest) -> Reply:
    if "again" in request.last_user_text:
        return text("Grace. You told me a moment ago.", delay=0.3)
    return text("Nice to meet you, Grace. What are we debugging today?", delay=0.3)
