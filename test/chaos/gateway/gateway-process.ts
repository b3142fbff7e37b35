// A gateway in its own process, which can be stalled, killed, and drained by SIGTERM as `serve` is.
import { createGateway, type Gateway } from "@tensorgate/gateway";
import { answerParent } from "../answer-parent.ts";
import { sharedNowMs } from "../shared-clock.ts";
import { attemptLog } from "./attempts.ts";
import type { GatewayCommands } from "./commands.ts";

const log = attemptLog();
let gateway: Gateway | undefined;
let guarded: readonly number[] = [];

process.once("SIGTERM", () => {
  void (gateway?.close() ?? Promise.resolve()).then(() => process.exit());
});
process.once("disconnect", () => {
  for (const pid of guarded) process.kill(pid, "SIGKILL");
});

answerParent<GatewayCommands>({
  start: async (options) => {
    gateway = createGateway(options, { tracerProvider: log.tracerProvider });
    // Callers come when it is ready, as from a load balancer that asks /readyz.
    await gateway.ready();
    await gateway.listen();
    return { port: gateway.port };
  },
  stall: (durationMs) => {
    const untilMs = sharedNowMs() + durationMs;
    while (sharedNowMs() < untilMs);
  },
  attempts: log.factsOf,
  peakBytes: () => process.resourceUsage().maxRSS * 1_024,
  guard: (pids) => {
    guarded = pids;
  },
});
