/** One span on one line: its place in the tree, and its bar on the shared axis. */

import { kindOf, isStructure } from "../family.ts";
import { Icon, StatusIcon } from "../app/icons.tsx";
import { memo } from "../app/memo.ts";
import { count, dollars, duration, exact, plural } from "../format.ts";
import { placeBar, placeLabel, type Bar, type Domain } from "./axis.ts";
import { noPrice } from "./facts.ts";
import { hasChildren, type Tree } from "./tree.ts";

interface Props {
  tree: Tree;
  row: number;
  /** Place among the visible rows. */
  index: number;
  rowHeight: number;
  selected: boolean;
  shut: boolean;
  tripped: boolean;
  /** It failed only because a guardrail stopped it. */
  stopped: boolean;
  from: number;
  to: number;
  /** Only for running spans; 0 otherwise, so that ended rows are not drawn again. */
  nowUs: number;
  width: number;
  gutter: number;
}

const INDENT = 14;
const DEEPEST = 12;
const CHAR = 6.7;

/** A detail that the name already says is not said twice. */
function addition(name: string, detail: string): string {
  return name.includes(detail) ? "" : detail;
}

type TreeCellProps = Pick<Props, "tree" | "row" | "shut" | "tripped" | "stopped">;

function TreeCell({ tree, row, shut, tripped, stopped }: TreeCellProps) {
  const { columns } = tree;
  const kind = kindOf(columns.type[row] ?? "");
  const status = stopped ? "blocked" : (columns.status[row] ?? "ok");
  const depth = Math.min(columns.depth[row] ?? 0, DEEPEST);
  // A row that failed itself needs no mark of what failed inside, unless that is hidden.
  const below = stopped || (status === "error" && !shut) ? 0 : tree.errorsBelow[row]!;
  const name = columns.name[row] ?? "";
  const detail = addition(name, columns.detail[row] ?? "");
  const [tokensIn, tokensOut] = [columns.input_tokens[row] ?? null, columns.output_tokens[row] ?? null];
  return (
    <div class="tree-cell" role="gridcell" style={{ paddingInlineStart: `${6 + depth * INDENT}px` }}>
      {hasChildren(tree, row) ? (
        <span class={shut ? "twist" : "twist open"} data-twist>
          <Icon name="chevron" />
        </span>
      ) : (
        <span class="twist" />
      )}
      <Icon name={kind.icon} cls={tripped ? "f-tripped" : `f-${kind.family}`} label={kind.label} />
      <span class="span-name" title={detail ? `${name} · ${detail}` : name}>
        {name || kind.label}
        {detail && <span class="detail"> {detail}</span>}
      </span>
      {status !== "ok" && <StatusIcon status={status} />}
      {tripped && status !== "blocked" && <StatusIcon status="blocked" />}
      {below > 0 && (
        <span class={shut ? "below shut" : "below"} title={`${plural(below, "error")} inside`}>
          {shut ? below : ""}
        </span>
      )}
      {(tokensIn !== null || tokensOut !== null) && (
        <span class="tok" title={spentText(tree, row)}>
          <Icon name="up" />
          {count(tokensIn)} <Icon name="down" />
          {count(tokensOut)}
          <span class="usd">{dollars(columns.cost_usd[row])}</span>
        </span>
      )}
    </div>
  );
}

/** Tokens and cost of a model call, exactly. */
function spentText({ columns }: Tree, row: number): string {
  const known = (n: number | null | undefined): string => (n === null || n === undefined ? "not reported" : exact(n));
  const cost = columns.cost_usd[row] ?? null;
  return [
    `input tokens ${known(columns.input_tokens[row])}`,
    `output tokens ${known(columns.output_tokens[row])}`,
    cost === null ? noPrice([columns.model[row] ?? null]) : `cost $${cost}`,
  ].join("\n");
}

function barClass(props: Props, bar: Bar, running: boolean): string {
  const type = props.tree.columns.type[props.row] ?? "";
  const status = props.tree.columns.status[props.row];
  const names = ["bar", `f-${kindOf(type).family}`];
  if (isStructure(type)) names.push("thin");
  if (props.tripped || props.stopped) names.push("tripped");
  else if (status === "error") names.push("failed");
  if (running) names.push("growing");
  if (status === "cancelled" || status === "interrupted") names.push("ended-early");
  if (bar.cutLeft) names.push("cut-left");
  if (bar.cutRight) names.push("cut-right");
  return names.join(" ");
}

function TimeCell(props: Props) {
  const { tree, row, width, gutter } = props;
  const start = tree.columns.start_us[row] ?? 0;
  const dur = tree.columns.dur_us[row] ?? null;
  const running = dur === null && tree.columns.status[row] === "running";
  // A span that was cut off lasted at least as long as the trace was heard of.
  const heard = Math.max(start, tree.lastEndUs);
  const end = dur === null ? (running ? props.nowUs : heard) : start + dur;
  const domain: Domain = { from: props.from, to: props.to };
  const bar = placeBar(start, end, domain, width - gutter);
  if (bar === null) return <div class="time-cell" role="gridcell" />;
  const text = dur === null && !running ? "no end" : duration((end - start) / 1000);
  const label = placeLabel(bar, text.length * CHAR + 2, width);
  const onBar = label.side === "inside";
  return (
    <div class="time-cell" role="gridcell">
      <i
        class={barClass(props, bar, running)}
        style={{ left: `${bar.left.toFixed(1)}px`, width: `${bar.width.toFixed(1)}px` }}
      />
      <span class={onBar ? "bar-label on-bar" : "bar-label"} style={{ left: `${label.x.toFixed(1)}px` }}>
        {text}
      </span>
    </div>
  );
}

function SpanRowPlain(props: Props) {
  const { tree, row, selected, shut } = props;
  const { columns } = tree;
  const id = columns.span_id[row]!;
  const status = props.stopped ? "blocked" : columns.status[row];
  let cls = "span-row";
  if (selected) cls += " selected";
  if (status === "error") cls += " failed";
  if (props.tripped || props.stopped) cls += " tripped";
  return (
    <div
      id={`span-${id}`}
      class={cls}
      role="row"
      aria-level={(columns.depth[row] ?? 0) + 1}
      aria-rowindex={props.index + 2}
      aria-selected={selected}
      aria-expanded={hasChildren(tree, row) ? !shut : undefined}
      data-testid="span-row"
      data-span-id={id}
      data-row={row}
      data-status={status}
      style={{ top: `${props.index * props.rowHeight}px` }}
    >
      <TreeCell tree={tree} row={row} shut={shut} tripped={props.tripped} stopped={props.stopped} />
      <TimeCell {...props} />
    </div>
  );
}

export const SpanRow = memo(SpanRowPlain);
