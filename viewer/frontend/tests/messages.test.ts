import { expect, test } from "vitest";
import { contentText, parseJson, preview, readConversation, readMessages } from "../src/detail/messages.ts";

const call = (id: string, name: string, args: string) => ({ type: "function_call", call_id: id, name, arguments: args });
const result = (id: string, output: string) => ({ type: "function_call_output", call_id: id, output });
const said = (text: string) => ({ type: "message", role: "assistant", content: [{ type: "output_text", text }] });

test("items of the Responses API are read", () => {
  const found = readMessages(
    [
      { role: "developer", content: "Be brief." },
      { role: "user", content: [{ type: "input_text", text: "hi" }, { type: "input_image", image_url: "x" }] },
      { type: "reasoning", summary: [{ type: "summary_text", text: "hm" }] },
      { type: "reasoning", summary: [], encrypted_content: "abc" },
      call("c1", "get_order", '{"id": 1}'),
      result("c1", "shipped"),
      { type: "web_search_call", id: "ws1", status: "completed" },
      { type: "item_reference", id: "x" },
      said("Done."),
    ],
    "input",
  );
  expect(found.map((m) => [m.kind, m.text.split("\n")[0]])).toEqual([
    ["system", "Be brief."],
    ["user", "hi"],
    ["reasoning", "hm"],
    ["reasoning", "[encrypted]"],
    ["tool_call", '{"id": 1}'],
    ["tool_result", "shipped"],
    ["tool_call", "{"],
    ["other", "{"],
    ["assistant", "Done."],
  ]);
  expect(found[1]?.text).toBe("hi\n[input_image]");
  expect(found[4]).toMatchObject({ name: "get_order", callId: "c1", json: { id: 1 } });
});

test("messages of Chat Completions are read", () => {
  const found = readMessages(
    [
      { role: "system", content: "S" },
      {
        role: "assistant",
        content: null,
        reasoning_content: "thinking",
        tool_calls: [{ id: "c1", type: "function", function: { name: "f", arguments: "{}" } }],
      },
      { role: "tool", tool_call_id: "c1", content: "42" },
    ],
    "input",
  );
  expect(found.map((m) => m.kind)).toEqual(["system", "reasoning", "tool_call", "tool_result"]);
  expect(found[3]).toMatchObject({ callId: "c1", text: "42" });
});

test("outputs come in several wrappings", () => {
  const texts = (value: unknown) => readMessages(value, "output").map((m) => [m.kind, m.text]);
  expect(texts("plain")).toEqual([["assistant", "plain"]]);
  expect(texts([said("a")])).toEqual([["assistant", "a"]]);
  expect(texts({ id: "resp", output: [said("b")] })).toEqual([["assistant", "b"]]);
  expect(texts([{ choices: [{ message: { role: "assistant", content: "c" } }] }])).toEqual([["assistant", "c"]]);
  expect(texts([{ role: "assistant", content: null, refusal: "no" }])).toEqual([["assistant", "no"]]);
  expect(texts(null)).toEqual([]);
  expect(texts("")).toEqual([]);
});

test("an answer that is JSON is kept as data", () => {
  expect(readMessages([said('{"ok": true}')], "output")[0]).toMatchObject({ kind: "assistant", json: { ok: true } });
});

test.each([[42], [[1, null, "x"]], [{ strange: true }], [[{ type: "message", content: 7 }]], [true]])(
  "rubbish is shown, never thrown: %o",
  (value) => {
    expect(() => readConversation({ a: 1 }, value, value)).not.toThrow();
    expect(readMessages(value, "input").length).toBeGreaterThan(0);
  },
);

test("the first call of a run has nothing earlier", () => {
  const talk = readConversation("Be kind.", "hello", [said("hi")]);
  expect(talk.earlier).toEqual([]);
  expect(talk.fresh.map((m) => m.kind)).toEqual(["system", "user"]);
});

test("later calls fold what the model knew, and keep calls beside their results", () => {
  const input = [
    { role: "user", content: "q" },
    call("c0", "handoff", "{}"),
    result("c0", "ok"),
    { type: "reasoning", summary: [{ text: "r" }] },
    call("c1", "a", "{}"),
    call("c2", "b", "{}"),
    result("c1", "1"),
    result("c2", "2"),
  ];
  const talk = readConversation("I", input, []);
  expect(talk.earlier.map((m) => m.kind)).toEqual(["system", "user", "tool_call", "tool_result"]);
  expect(talk.fresh.map((m) => m.name ?? m.kind)).toEqual(["reasoning", "a", "b", "a", "b"]);
});

test("in a conversation only the new question is fresh", () => {
  const input = [{ role: "user", content: "1" }, said("one"), { role: "user", content: "2" }];
  const talk = readConversation(null, input, [said("two")]);
  expect(talk.earlier.map((m) => m.text)).toEqual(["1", "one"]);
  expect(talk.fresh.map((m) => m.text)).toEqual(["2"]);
});

test("only objects and arrays count as JSON", () => {
  expect([parseJson("12"), parseJson('"a"'), parseJson("{broken"), parseJson(" [1]")]).toEqual([
    undefined,
    undefined,
    undefined,
    [1],
  ]);
});

test("a preview is one short line", () => {
  expect(preview({ kind: "user", label: "user", text: `a\n b ${"x".repeat(200)}` }, 10)).toBe("a b xxxxxx…");
  expect(contentText(undefined)).toBe("");
});
