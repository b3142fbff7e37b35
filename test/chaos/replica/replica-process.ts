// A stand-in for a model server, cheap and exact, in its own process: workers with a service time, and faults.
import { openSync, writeSync } from "node:fs";
import http2 from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { seededRandom } from "../../fuzz/mutate.ts";
import { answerParent } from "../answer-parent.ts";
import { sharedNowMs } from "../shared-clock.ts";
import type { ReplicaCommands, ReplicaFault, ReplicaSettings } from "./commands.ts";
import { countReply, garbageReply, scoresReply, statusReply } from "./replies.ts";
import { createWorkers, type Job } from "./workers.ts";

const unavailable = 14;
const unimplemented = 12;
/** Calls of a connection before the GOAWAY of a `goaway` fault. */
const callsPerConnection = 10;

let settings: ReplicaSettings | undefined;
let fault: ReplicaFault = { kind: "none" };
let executedCount = 0;
let readyAtMs = 0;
interface SessionState {
  /** Since the fault began, or the session if that was later. */
  callCount: number;
  isToldToGo: boolean;
}
const sockets = new Set<Socket>();
const sessions = new Map<http2.ServerHttp2Session, SessionState>();
const server = http2.createServer({ settings: { initialWindowSize: 4_194_304 } });

server.on("connection", (socket: Socket) => {
  sockets.add(socket);
  socket.once("close", () => sockets.delete(socket));
});
server.on("session", (session) => {
  session.setLocalWindowSize(16_777_216);
  session.on("error", () => {});
  sessions.set(session, { callCount: 0, isToldToGo: false });
  session.once("close", () => sessions.delete(session));
});

async function start(given: ReplicaSettings): Promise<{ readonly port: number }> {
  settings = given;
  readyAtMs = sharedNowMs() + given.loadingMs;
  const serve = predictServer(given);
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    const path = String(headers[":path"]);
    const isPredict = path.endsWith("/Predict");
    if (isPredict && isRefusedByGoaway(stream)) return;
    stream.resume();
    stream.once("end", () => {
      // A call that was cut ends like a whole one.
      if (stream.aborted || stream.destroyed) return;
      if (fault.kind === "blackhole") return;
      if (isPredict) return serve(stream, String(headers["x-request-id"]));
      if (!path.endsWith("/GetModelStatus")) return refuse(stream, unimplemented);
      reply(stream, statusReply(sharedNowMs() < readyAtMs));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port: given.port, host: "127.0.0.1", backlog: 1_024 }, resolve);
  });
  return { port: (server.address() as AddressInfo).port };
}

function predictServer(given: ReplicaSettings) {
  const { usualMs, slowMs, slowShare, seed, executedFile } = given;
  const random = seededRandom(seed);
  const work = createWorkers(given.concurrency);
  const file = executedFile === undefined ? undefined : openSync(executedFile, "a");

  return (stream: http2.ServerHttp2Stream, requestId: string) => {
    if (sharedNowMs() < readyAtMs) return refuse(stream, unavailable);
    if (fault.kind === "instant-failure") return refuse(stream, unavailable);
    let count = 0;
    const job: Job = {
      begin: () => {
        executedCount += 1;
        count = executedCount;
        // Written immediately: a killed process writes nothing afterwards.
        if (file !== undefined) writeSync(file, `${requestId}\n`);
        const factor = fault.kind === "slow" ? fault.factor : 1;
        return (random() < slowShare ? slowMs : usualMs) * factor;
      },
      end: () => {
        if (fault.kind === "blackhole") return;
        if (fault.kind === "garbage") return reply(stream, garbageReply);
        reply(stream, file === undefined ? scoresReply : countReply(count));
      },
    };
    // As in TensorFlow Serving, a cancelled request is processed all the same.
    work(job);
  };
}

/** Sends a GOAWAY, with this call as the first unprocessed one. */
function isRefusedByGoaway(stream: http2.ServerHttp2Stream): boolean {
  const { session } = stream;
  const state = session && sessions.get(session as http2.ServerHttp2Session);
  if (!state || !session || state.isToldToGo) return state?.isToldToGo ?? false;
  if (fault.kind !== "goaway") return false;
  state.callCount += 1;
  if (state.callCount < callsPerConnection) return false;
  state.isToldToGo = true;
  session.goaway(http2.constants.NGHTTP2_NO_ERROR, (stream.id ?? 0) - 2);
  return true;
}

function later(work: () => void): void {
  const delayMs = settings?.roundTripMs ?? 0;
  if (delayMs === 0) work();
  else setTimeout(work, delayMs);
}

function reply(stream: http2.ServerHttp2Stream, message: Buffer): void {
  later(() => {
    if (stream.destroyed || stream.closed) return;
    stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(message);
  });
}

function refuse(stream: http2.ServerHttp2Stream, code: number): void {
  later(() => {
    if (stream.destroyed || stream.closed) return;
    const headers = { "content-type": "application/grpc", "grpc-status": code };
    stream.respond(headers, { endStream: true });
  });
}

answerParent<ReplicaCommands>({
  start,
  fault: (next) => {
    fault = next;
    return sharedNowMs();
  },
  reset: () => {
    const atMs = sharedNowMs();
    for (const socket of sockets) socket.resetAndDestroy();
    return atMs;
  },
  executed: () => executedCount,
  drain: () => {
    server.close(() => process.exit());
    for (const session of sessions.keys()) session.close();
  },
});
