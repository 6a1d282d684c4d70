"""Hooks of runs and agents, the same for all three verbs."""

from __future__ import annotations

import pytest

from runtime import Agent, AgentHooks, RunHooks, UserError, function_tool
from runtime.testing import ScriptedModel, handoff_to, text, tool_call


@function_tool
def look() -> str:
    """Look."""
    return "seen"


class Log(RunHooks):
    def __init__(self, log):
        self.log = log

    async def on_agent_start(self, context, agent):
        self.log.append(f"agent_start {agent.name}")

    async def on_agent_end(self, context, agent, output):
        self.log.append(f"agent_end {agent.name} {output}")

    async def on_llm_start(self, context, agent, system_prompt, input_items):
        self.log.append(f"llm_start {agent.name} {system_prompt} {len(input_items)}")

    async def on_llm_end(self, context, agent, response):
        self.log.append(f"llm_end {agent.name} {context.usage.requests}")

    async def on_tool_start(self, context, agent, tool):
        self.log.append(f"tool_start {tool.name} {context.tool_call_id}")

    async def on_tool_end(self, context, agent, tool, result):
        self.log.append(f"tool_end {tool.name} {result}")

    async def on_handoff(self, context, from_agent, to_agent):
        self.log.append(f"handoff {from_agent.name} {to_agent.name}")


class OwnLog(AgentHooks):
    def __init__(self, log):
        self.log = log

    async def on_start(self, context, agent):
        self.log.append(f"own start {agent.name}")

    async def on_end(self, context, agent, output):
        self.log.append(f"own end {agent.name}")

    async def on_handoff(self, context, agent, source):
        self.log.append(f"own handoff {source.name} {agent.name}")

    async def on_tool_start(self, context, agent, tool):
        self.log.append(f"own tool_start {tool.name}")

    async def on_tool_end(self, context, agent, tool, result):
        self.log.append(f"own tool_end {tool.name}")

    async def on_llm_start(self, context, agent, system_prompt, input_items):
        self.log.append("own llm_start")

    async def on_llm_end(self, context, agent, response):
        self.log.append("own llm_end")


def test_order(run):
    """Every step calls the run's hook and then the agent's own, in the order of the run."""
    log = []
    model = ScriptedModel([tool_call("look", call_id="c1"), handoff_to("B"), text("bye")])
    b = Agent("B", model=model, hooks=OwnLog(log))
    a = Agent("A", instructions="Be A.", tools=[look], handoffs=[b], model=model)

    run(a, "go", hooks=Log(log))

    assert log == [
        "agent_start A",
        "llm_start A Be A. 1",
        "llm_end A 1",
        "tool_start look c1",
        "tool_end look seen",
        "llm_start A Be A. 3",
        "llm_end A 2",
        "handoff A B",
        "own handoff A B",
        "agent_start B",
        "own start B",
        "llm_start B None 5",
        "own llm_start",
        "llm_end B 3",
        "own llm_end",
        "agent_end B bye",
        "own end B",
    ]


def test_own_tool_hooks(run):
    """An agent's hooks hear of its tools."""
    log = []
    model = ScriptedModel([tool_call("look"), text("bye")])

    run(Agent("A", tools=[look], model=model, hooks=OwnLog(log)), "go")

    assert "own tool_start look" in log
    assert "own tool_end look" in log


def test_hook_raises(run):
    """What a hook raises ends the run and comes out as it is."""

    class Broken(RunHooks):
        async def on_llm_end(self, context, agent, response):
            raise LookupError("no log")

    with pytest.raises(LookupError, match="no log"):
        run(Agent("A", model=ScriptedModel([text("x")])), "go", hooks=Broken())


def test_wrong_hooks(run):
    """Hooks of an agent are refused as hooks of a run."""
    with pytest.raises(UserError, match="AgentHooks"):
        run(Agent("A", model=ScriptedModel([])), "go", hooks=OwnLog([]))
