import type { ScoringError } from "@tensorgate/core";
import { counted } from "@tensorgate/core";
import type {
  CallRecord,
  CertificateNews,
  RejectedConnections,
  ReplicaChange,
} from "@tensorgate/gateway";
import pino from "pino";
import { CommandError } from "../command-error.ts";
import type { BoundedOutput, OutputState } from "./bounded-output.ts";
import { prettyLine } from "./pretty-line.ts";
import { openStandardOutput } from "./standard-output.ts";

/** What whoever runs the command is told, on standard error: standard output is for answers. */
export interface Log {
  info(line: string): void;
  /** What nobody should overlook. */
  warn(line: string): void;
  call(record: CallRecord): void;
  /** The caller got only the request id: the cause goes here. */
  internalError(error: ScoringError, requestId: string): void;
  certificates(news: CertificateNews): void;
  rejectedConnections(rejected: RejectedConnections): void;
  /** A replica went from one state to another. */
  replica(change: ReplicaChange): void;
  /** What waits to be written, what was dropped, and whether writing fails. */
  state(): OutputState;
  /** Writes what waits, for at most `timeoutMs`. */
  flush(timeoutMs: number): Promise<void>;
}

const levels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
const formats = ["json", "pretty"] as const;

/** Records are written several at a time: a write per call would cost as much as the call. In bytes. */
const batchBytes = 4_096;

/**
 * Writes JSON, one record a line, or lines for people where standard error is a terminal.
 * `TENSORGATE_LOG_LEVEL` and `TENSORGATE_LOG_FORMAT` say otherwise.
 *
 * @throws CommandError if one of them is not a level or a format
 */
export function openLog(env: NodeJS.ProcessEnv = process.env, given?: BoundedOutput): Log {
  const level = oneOf(levels, env["TENSORGATE_LOG_LEVEL"] ?? "info", "TENSORGATE_LOG_LEVEL");
  const format = oneOf(
    formats,
    env["TENSORGATE_LOG_FORMAT"] ?? (process.stderr.isTTY ? "pretty" : "json"),
    "TENSORGATE_LOG_FORMAT",
  );
  const isJson = format === "json";
  const output =
    given ??
    openStandardOutput("stderr", {
      batchBytes: isJson ? batchBytes : 0,
      droppedText: (count) => (isJson ? droppedJson(count) : prettyLine(droppedJson(count))),
    });
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: levelName },
    },
    { write: (line) => output.write(isJson ? line : prettyLine(line)) },
  );
  return {
    info: (line) => logger.info(line),
    warn: (line) => logger.warn(line),
    call: (record) => logger[levelOf(record)]({ call: record }, "call"),
    internalError: (error, requestId) =>
      logger.error({ requestId, err: error.cause ?? error }, "internal error"),
    certificates: ({ file, error }) => {
      if (error)
        logger.error({ file, err: error }, "invalid certificate; the old one stays active");
      else logger.info({ file }, "certificate renewed");
    },
    rejectedConnections: ({ reason, count }) =>
      logger.warn({ reason, count }, rejectionTexts[reason]),
    replica: ({ replicaId: address, ...change }) =>
      logger[isOut(change) ? "warn" : "info"]({ replica: { ...change, address } }, "replica"),
    state: output.state,
    flush: output.flush,
  };
}

const rejectionTexts: Readonly<Record<RejectedConnections["reason"], string>> = {
  "address-limit":
    "connections closed: an address reached listen.maxConnectionsPerAddress; raise it behind a load balancer",
  "total-limit": "connections closed: listen.maxConnections reached",
  "file-limit": "connections closed: out of file descriptors; raise ulimit -n (LimitNOFILE)",
};

function oneOf<Value extends string>(
  allowed: readonly Value[],
  value: string,
  name: string,
): Value {
  const found = allowed.find((each) => each === value);
  if (found !== undefined) return found;
  throw new CommandError(`${name} must be one of ${allowed.join(", ")}, got "${value}"`);
}

const levelName = (label: string) => ({ level: label });

/** What callers do wrong is no news; what we or our replicas do is. */
function levelOf({ reason }: CallRecord): "info" | "warn" | "error" {
  switch (reason) {
    case "internal":
      return "error";
    case "upstream-failed":
    case "no-replica":
    case "model-not-ready":
    case "overloaded":
      return "warn";
    default:
      return "info";
  }
}

const isOut = ({ to }: Pick<ReplicaChange, "to">) => to === "suspect" || to === "ejected";

/** A record of its own kind, which alarms can look for. */
function droppedJson(count: number): string {
  const time = new Date().toISOString();
  const msg = `${counted(count, "log record")} dropped: the log could not be written`;
  return `${JSON.stringify({ level: "warn", time, dropped: count, msg })}\n`;
}
