"""Agents that work for a while: research with parallel tools, and agents used as tools."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

from runtime import Agent, RunConfig, function_tool

PAGES = {
    "history": "David Warren proposed a cockpit voice recorder in 1954, at the Aeronautical "
    "Research Laboratories in Melbourne, after the Comet accidents had left no clue.",
    "mandate": "Australia was the first country to make cockpit voice recording mandatory, after "
    "a crash in Queensland in 1960 whose cause could not be found.",
    "survival": "A recorder's memory unit must survive an impact of 3,400 g, a fire of 1,100 °C "
    "for an hour, and a depth of 6,000 m for 30 days.",
    "colour": "The black box is painted international orange, so that it is found in wreckage.",
    "parameters": "Modern recorders keep at least 88 parameters, and 25 hours of sound.",
}


class PageGoneError(Exception):
    """The page is not there any more."""


@function_tool
async def web_search(query: str) -> list[dict[str, str]]:
    """Search the web.

    Args:
        query: What to look for.
    """
    await asyncio.sleep(0.04 + len(query) % 5 * 0.02)
    return [
        {"title": f"{query} ({key})", "url": f"https://library.example/{key}", "snippet": text[:90]}
        for key, text in PAGES.items()
        if any(word in text.lower() for word in query.lower().split())
    ][:3]


@function_tool
async def read_page(url: str) -> str:
    """Read a page.

    Args:
        url: Its address.
    """
    await asyncio.sleep(0.05 + len(url) % 4 * 0.02)
    key = url.rsplit("/", 1)[-1]
    if key not in PAGES:
        raise PageGoneError(f"410 Gone: {url}")
    return PAGES[key]


def researcher() -> Agent[Any]:
    """An agent that searches and reads, several pages at a time."""
    return Agent(
        name="Researcher",
        instructions=(
            "You research a question on the web. Search, read what looks good, several pages at "
            "once, and write a short report with what you found."
        ),
        tools=[web_search, read_page],
    )


def trip_planner(config: RunConfig) -> Agent[Any]:
    """An agent whose tools are agents; they run with the same configuration."""
    ask_rail = dataclasses.replace(config, workflow_name="Ask the rail expert")
    ask_weather = dataclasses.replace(config, workflow_name="Ask the weather expert")
    rail: Agent[Any] = Agent(
        name="Rail expert", instructions="You know trains. Answer with one connection."
    )
    weather: Agent[Any] = Agent(
        name="Weather expert", instructions="You know the weather. Answer in one sentence."
    )
    return Agent(
        name="Trip planner",
        instructions="You plan trips. Ask the experts, then propose a plan.",
        tools=[
            rail.as_tool("ask_rail", "Ask about train connections.", run_config=ask_rail),
            weather.as_tool("ask_weather", "Ask about the weather.", run_config=ask_weather),
        ],
    )


def storyteller() -> Agent[Any]:
    """An agent that is best streamed."""
    return Agent(name="Storyteller", instructions="You tell very short stories.")


def assistant() -> Agent[Any]:
    """An agent to talk with."""
    return Agent(
        name="Assistant", instructions="You answer briefly, and remember what was said before."
    )
