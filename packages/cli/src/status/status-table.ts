import { styleText } from "node:util";
import type { GatewayStatus, PoolStatus, RegionStatus, ReplicaStatus } from "@tensorgate/client";
import { capacityLines, counted, type SharingStatus, slotShareText } from "@tensorgate/core";

export interface TableForm {
  /** Columns of the terminal; table columns that do not fit are left out, the least important first. */
  readonly width: number;
  readonly hasColours: boolean;
}

/** Returns the state of a gateway as a table: regions, their pools, and their replicas. */
export function statusTable(status: GatewayStatus, form: TableForm): readonly string[] {
  const { version, region, uptimeMs, retriesLeft, regions } = status;
  const head = [
    `tensorgate ${version} in ${region}`,
    `up ${durationText(uptimeMs)}`,
    `${counted(retriesLeft, "retry", "retries")} left`,
  ];
  const replicas = regions.flatMap(({ pools }) => pools.flatMap((pool) => pool.replicas));
  const columns = columnsFor(replicas, form.width);
  return [
    cut(head.join(", "), form.width),
    ...sharingLines(status.sharing, form),
    ...(status.capacity ? capacityLines(status.capacity).map((line) => cut(line, form.width)) : []),
    "",
    styled("dim", rowOf(columns.map(({ name, width }) => ({ text: name, width }))), form),
    ...regions.flatMap((each) =>
      regionLines(each, { ...form, columns, isOwn: each.name === region }),
    ),
  ];
}

function sharingLines(sharing: SharingStatus | undefined, form: TableForm): readonly string[] {
  if (!sharing) return [];
  const { role, gatewayCount, ownersLost, because } = sharing;
  const roles = {
    owner: `gives the slots to ${counted(gatewayCount, "gateway")}`,
    follower: `gets its slots from another of ${counted(gatewayCount, "gateway")}`,
    alone: `alone, with ${slotShareText(sharing)} of the slots${because === undefined ? "" : `: ${because}`}`,
  };
  const lost = ownersLost > 0 ? `, lost its owner ${counted(ownersLost, "time")}` : "";
  const text = cut(roles[role] + lost, form.width);
  return [role === "alone" ? styled("yellow", text, form) : text];
}

interface RegionForm extends TableForm {
  readonly columns: readonly WideColumn[];
  readonly isOwn: boolean;
}

function regionLines(
  { name, roundTripMs, hasOutage, pools }: RegionStatus,
  form: RegionForm,
): readonly string[] {
  const far = roundTripMs === undefined ? "" : `, ${milliseconds(roundTripMs)} away`;
  const title = `${name}${form.isOwn ? " (here)" : far}${hasOutage ? ", simulated outage" : ""}`;
  return [
    styled("bold", cut(title, form.width), form),
    ...pools.flatMap((pool) => poolLines(pool, form)),
  ];
}

function poolLines(pool: PoolStatus, form: RegionForm): readonly string[] {
  const { model, waiting, expectedWaitMs, isOverloaded, replicas } = pool;
  const title = [
    `  ${model}: ${waiting} waiting`,
    expectedWaitMs === undefined
      ? "no replica available"
      : `expected wait ${milliseconds(expectedWaitMs)}`,
    ...(isOverloaded ? ["overloaded"] : []),
  ];
  const isWell = !isOverloaded && expectedWaitMs !== undefined;
  const text = cut(title.join(", "), form.width);
  return [
    isWell ? text : styled("red", text, form),
    ...replicas.map((replica) =>
      rowOf(
        form.columns.map(({ of, width, isState }) => ({
          text: of(replica),
          width,
          ...(isState && { style: (cell: string) => styled(styles[replica.state], cell, form) }),
        })),
      ),
    ),
  ];
}

type Style = "dim" | "bold" | "red" | "yellow" | "green" | "cyan" | "blue";

const styles: Readonly<Record<string, Style>> = {
  warming: "cyan",
  ready: "green",
  "half-open": "cyan",
  suspect: "yellow",
  ejected: "red",
  draining: "blue",
};

function styled(style: Style | undefined, text: string, { hasColours }: TableForm): string {
  if (!hasColours || style === undefined) return text;
  return styleText(style, text, { validateStream: false });
}

interface Column {
  readonly name: string;
  readonly of: (replica: ReplicaStatus) => string;
  /** Columns with the highest number are left out first; those without stay. */
  readonly dropOrder?: number;
  readonly isState?: boolean;
}

interface WideColumn extends Column {
  /** Negative for right-aligned cells. */
  readonly width: number;
}

const columns: readonly Column[] = [
  { name: "replica", of: ({ id }) => `    ${id}` },
  { name: "state", of: ({ state }) => state, isState: true },
  { name: "in flight", of: ({ inFlight, slots }) => `${inFlight}/${slots}`, dropOrder: 1 },
  { name: "service", of: ({ serviceMs }) => milliseconds(serviceMs), dropOrder: 6 },
  { name: "latency", of: ({ latencyMs }) => milliseconds(latencyMs), dropOrder: 4 },
  { name: "answered", of: ({ answered }) => String(answered), dropOrder: 5 },
  { name: "failed", of: ({ failed }) => String(failed), dropOrder: 2 },
  { name: "ejections", of: ({ ejections }) => String(ejections), dropOrder: 3 },
];
const gap = "  ";

function columnsFor(replicas: readonly ReplicaStatus[], width: number): readonly WideColumn[] {
  const wide = columns.map((column, index): WideColumn => {
    const cells = [column.name, ...replicas.map(column.of)];
    const maxWidth = Math.max(...cells.map(({ length }) => length));
    return { ...column, width: index < 2 ? maxWidth : -maxWidth };
  });
  const shown = [...wide];
  const needed = () =>
    shown.reduce((sum, each) => sum + Math.abs(each.width) + gap.length, -gap.length);
  const inDropOrder = wide.toSorted((a, b) => (b.dropOrder ?? 0) - (a.dropOrder ?? 0));
  for (const column of inDropOrder) {
    if (needed() <= width || column.dropOrder === undefined) break;
    shown.splice(shown.indexOf(column), 1);
  }
  return shown;
}

interface Cell {
  readonly text: string;
  readonly width: number;
  readonly style?: (text: string) => string;
}

function rowOf(cells: readonly Cell[]): string {
  return cells
    .map(({ text, width, style = (plain) => plain }) => {
      const padding = " ".repeat(Math.max(0, Math.abs(width) - text.length));
      return width < 0 ? padding + style(text) : style(text) + padding;
    })
    .join(gap)
    .trimEnd();
}

export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

function milliseconds(value: number | undefined): string {
  if (value === undefined) return "–";
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

const units = [
  { name: "d", ms: 86_400_000 },
  { name: "h", ms: 3_600_000 },
  { name: "min", ms: 60_000 },
  { name: "s", ms: 1_000 },
] as const;

/** Returns a duration in its two largest units. */
function durationText(durationMs: number): string {
  const first = units.findIndex(({ ms }) => durationMs >= ms);
  if (first === -1) return "0 s";
  let leftMs = durationMs;
  return units
    .slice(first, first + 2)
    .map(({ name, ms }) => {
      const count = Math.floor(leftMs / ms);
      leftMs -= count * ms;
      return `${count} ${name}`;
    })
    .join(" ");
}
