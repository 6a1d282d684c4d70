/** Six colour families and one icon a type: colour says the family, the icon the type. */

export type Family = "agent" | "llm" | "tool" | "guard" | "structure" | "custom";

interface Kind {
  family: Family;
  icon: string;
  label: string;
}

const KINDS: Record<string, Kind> = {
  agent: { family: "agent", icon: "agent", label: "agent" },
  handoff: { family: "agent", icon: "handoff", label: "handoff" },
  generation: { family: "llm", icon: "llm", label: "generation" },
  response: { family: "llm", icon: "llm", label: "response" },
  speech: { family: "llm", icon: "speech", label: "speech" },
  speech_group: { family: "llm", icon: "speech", label: "speech group" },
  transcription: { family: "llm", icon: "speech", label: "transcription" },
  function: { family: "tool", icon: "tool", label: "function" },
  mcp_tools: { family: "tool", icon: "mcp", label: "mcp tools" },
  mcp: { family: "tool", icon: "mcp", label: "mcp" },
  guardrail: { family: "guard", icon: "guard", label: "guardrail" },
  task: { family: "structure", icon: "task", label: "task" },
  turn: { family: "structure", icon: "turn", label: "turn" },
};

export function kindOf(type: string): Kind {
  return KINDS[type] ?? { family: "custom", icon: "custom", label: type || "custom" };
}

export function isModelCall(type: string): boolean {
  return type === "generation" || type === "response";
}

export function isStructure(type: string): boolean {
  return type === "task" || type === "turn";
}
