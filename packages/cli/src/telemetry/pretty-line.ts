import type { CallRecord, ReplicaChange } from "@tensorgate/gateway";

type ReplicaNews = Omit<ReplicaChange, "replicaId"> & { readonly address: string };

interface LogRecord {
  readonly time: string;
  readonly level: string;
  readonly msg: string;
  readonly call?: CallRecord;
  readonly replica?: ReplicaNews;
  readonly err?: { readonly stack?: string; readonly message?: string };
  readonly requestId?: string;
  readonly file?: string;
}

/** Converts a log record from JSON to a readable line. */
export function prettyLine(json: string): string {
  const { time, level, msg, call, replica, err, requestId, file } = JSON.parse(json) as LogRecord;
  if (call) return `${time.slice(11, 19)} ${callText(call)}\n`;
  if (replica) return `${time.slice(11, 19)} ${replicaText(replica)}\n`;
  const about = [requestId && `of request ${requestId}`, file && `(${file})`].filter(Boolean);
  const where = about.length > 0 ? ` ${about.join(" ")}` : "";
  const cause = err ? `: ${err.stack ?? err.message ?? ""}` : "";
  const severity = level === "info" ? "" : `${level}: `;
  return `tensorgate: ${severity}${msg}${where}${cause}\n`;
}

function callText(call: CallRecord): string {
  const { reason, operation, model, askedModel, version, region, durationMs, message, cause } =
    call;
  const name = model === undefined ? printable(askedModel ?? "") : `${model}@${version}`;
  const parts = [
    reason.padEnd(17),
    `${durationMs.toFixed(1).padStart(8)} ms `,
    operation,
    name,
    region ?? "",
    message === undefined ? "" : `: ${printable(message)}`,
    cause === undefined ? "" : `(${printable(cause)})`,
  ];
  return parts.filter((part) => part !== "").join(" ");
}

function replicaText({ alias, address, model, from, to, because }: ReplicaNews): string {
  return `${alias} (${address}) of ${model}: ${from} → ${to}, ${because}`;
}

/** Replaces control characters, so that a caller's text cannot control the terminal. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e\u00a0-\uffff]/g, "?");
}
