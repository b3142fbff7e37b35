import http2 from "node:http2";
import type { GatewayOptions } from "@tensorgate/gateway";
import { type Child, startChild } from "../../chaos/child.ts";
import type { CostCommands } from "./commands.ts";
import { cpuTimeMs, forgetPeak, peakBytes, residentBytes } from "./process-memory.ts";

/** What one request cost the gateway. */
export interface Cost {
  readonly cpuMs: number;
  /** Most memory over what it had before, in bytes. */
  readonly memoryBytes: number;
  /** Longest time that its loop did not turn, in milliseconds of CPU. */
  readonly stallMs: number;
  readonly end: "answered" | "timed out" | "took too much memory" | "died" | "accepts nobody";
}

/** Where requests go; one session for as long as it lasts. */
export interface Door {
  readonly port: number;
  session(): http2.ClientHttp2Session;
}

export interface MeasuredGateway extends AsyncDisposable {
  /** Runs `deliver`, which sends one request and resolves when it is answered. */
  measure(deliver: (door: Door) => Promise<void>, limits: MeasureLimits): Promise<Cost>;
  /** Where it listens now. */
  port(): number;
  /** Puts a fresh process in place of this one. */
  restart(): Promise<void>;
}

export interface MeasureLimits {
  /** Whether garbage is collected before, so that memory can be compared. */
  readonly isLarge: boolean;
  /** CPU time, in milliseconds: on a busy machine the wall tells nothing. */
  readonly maxCpuMs: number;
}

export interface ProbeLimits {
  readonly timeoutMs: number;
  readonly memoryBytes: number;
}

export interface MeasuredGatewayDeps extends ProbeLimits {
  /** Called with every process before anything is measured. */
  readonly warmUp: (door: Door) => Promise<void>;
}

/** How often its memory is looked at, in milliseconds. */
const lookEveryMs = 25;

export async function startMeasuredGateway(
  options: GatewayOptions,
  { warmUp, ...limits }: MeasuredGatewayDeps,
): Promise<MeasuredGateway> {
  let running = await start();

  async function start() {
    const child = startChild<CostCommands>("../fuzz/cost/gateway-process.ts");
    const { port } = await child.ask("start", options);
    let session: http2.ClientHttp2Session | undefined;
    const door: Door = {
      port,
      session: () => {
        if (!session || session.closed || session.destroyed) {
          session = http2.connect(`http://127.0.0.1:${port}`);
          session.on("error", () => {});
        }
        return session;
      },
    };
    await warmUp(door);
    return { child, door, close: () => session?.destroy() };
  }

  async function restart(): Promise<void> {
    running.close();
    await running.child[Symbol.asyncDispose]();
    running = await start();
  }

  async function measure(
    deliver: (door: Door) => Promise<void>,
    { isLarge, maxCpuMs }: MeasureLimits,
  ): Promise<Cost> {
    const { child, door } = running;
    await child.ask("begin", { collectsGarbage: isLarge });
    forgetPeak(child.pid);
    const bytesBefore = residentBytes(child.pid);
    const cpuBefore = cpuTimeMs(child.pid);
    const watch = watching(child, { ...limits, maxCpuMs, bytesBefore });
    try {
      const work = deliver(door).then(() => child.ask("end"));
      work.catch(() => {});
      const measured = await Promise.race([work, watch.failed]);
      if (typeof measured !== "string") {
        return { ...measured, memoryBytes: peakBytes(child.pid) - bytesBefore, end: "answered" };
      }
      const cost: Cost = {
        cpuMs: cpuTimeMs(child.pid) - cpuBefore,
        memoryBytes: watch.mostBytes() - bytesBefore,
        stallMs: 0,
        end: measured,
      };
      await restart();
      return cost;
    } catch {
      await restart();
      return { cpuMs: 0, memoryBytes: 0, stallMs: 0, end: "died" };
    } finally {
      watch.stop();
    }
  }

  return {
    measure,
    restart,
    port: () => running.door.port,
    [Symbol.asyncDispose]: async () => {
      running.close();
      await running.child[Symbol.asyncDispose]();
    },
  };
}

function watching(
  child: Child<CostCommands>,
  {
    timeoutMs,
    maxCpuMs,
    memoryBytes,
    bytesBefore,
  }: ProbeLimits & { readonly maxCpuMs: number; readonly bytesBefore: number },
) {
  const cpuBefore = cpuTimeMs(child.pid);
  const failed = Promise.withResolvers<Cost["end"]>();
  let mostBytes = bytesBefore;
  const timer = setInterval(() => {
    mostBytes = Math.max(mostBytes, residentBytes(child.pid));
    if (mostBytes - bytesBefore > memoryBytes) failed.resolve("took too much memory");
    if (cpuTimeMs(child.pid) - cpuBefore > maxCpuMs) failed.resolve("timed out");
  }, lookEveryMs);
  const timeout = setTimeout(() => failed.resolve("timed out"), timeoutMs);
  void child.ended.then(() => failed.resolve("died"));
  return {
    failed: failed.promise,
    mostBytes: () => mostBytes,
    stop: () => {
      clearInterval(timer);
      clearTimeout(timeout);
    },
  };
}
