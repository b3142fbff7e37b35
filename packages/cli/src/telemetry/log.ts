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

/** The log, on standard error; standard output is for results. */
export interface Log {
  info(line: string): void;
  warn(line: string): void;
  call(record: CallRecord): void;
  /** Logs the cause of an internal error, of which the caller gets only the request id. */
  internalError(error: ScoringError, requestId: string): void;
  certificates(news: CertificateNews): void;
  rejectedConnections(rejected: RejectedConnections): void;
  /** Logs a change of a replica's state. */
  replica(change: ReplicaChange): void;
  /** Returns the queued bytes, the dropped records, and whether writing fails. */
  state(): OutputState;
  /** Writes the queued records, for at most `timeoutMs`. */
  flush(timeoutMs: number): Promise<void>;
}

const levels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
const formats = ["json", "pretty"] as const;

/** Bytes of a batch: one write per call would cost as much as the call. */
const batchBytes = 4_096;

/**
 * Opens the log: JSON, one record per line, or readable lines if standard error is a terminal.
 * `TENSORGATE_LOG_LEVEL` and `TENSORGATE_LOG_FORMAT` override that.
 *
 * @throws CommandError if one of them is invalid
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

/** Returns the level of a call: mistakes of callers are info, failures of the gateway or its replicas are not. */
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

/** Returns a record that alarms can match. */
function droppedJson(count: number): string {
  const time = new Date().toISOString();
  const msg = `${counted(count, "log record")} dropped: the log could not be written`;
  return `${JSON.stringify({ level: "warn", time, dropped: count, msg })}\n`;
}
