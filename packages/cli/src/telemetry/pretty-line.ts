import type { CallRecord } from "@tensorgate/gateway";

interface LogRecord {
  readonly time: string;
  readonly level: string;
  readonly msg: string;
  readonly call?: CallRecord;
  readonly err?: { readonly stack?: string; readonly message?: string };
  readonly requestId?: string;
  readonly file?: string;
}

/** A record of the log, in JSON, as a line for people. */
export function prettyLine(json: string): string {
  const { time, level, msg, call, err, requestId, file } = JSON.parse(json) as LogRecord;
  if (call) return `${time.slice(11, 19)} ${callText(call)}\n`;
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

/** What callers wrote must not move the cursor or colour the terminal. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e\u00a0-\uffff]/g, "?");
}
