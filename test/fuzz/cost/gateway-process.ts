// A gateway in a process of its own that tells what it cost: CPU time and how long its loop stood.
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createGateway, type Gateway } from "@tensorgate/gateway";
import { answerParent } from "../../chaos/answer-parent.ts";
import type { CostCommands } from "./commands.ts";

setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

/** Between two looks at the loop, in milliseconds; a stall is longer than this by as much as it lasted. */
const resolutionMs = 1;
const delay = monitorEventLoopDelay({ resolution: resolutionMs });
delay.enable();

let gateway: Gateway | undefined;
let before = process.cpuUsage();

answerParent<CostCommands>({
  start: async (options) => {
    gateway = createGateway(options);
    await gateway.listen();
    await gateway.ready();
    return { port: gateway.port };
  },
  begin: async ({ collectsGarbage }) => {
    if (collectsGarbage) {
      collect();
      // What the collector found free goes back to the system a moment later.
      await sleep(20);
    }
    delay.reset();
    before = process.cpuUsage();
  },
  end: async () => {
    await sleep(resolutionMs);
    const { user, system } = process.cpuUsage(before);
    return {
      cpuMs: (user + system) / 1_000,
      stallMs: Math.max(0, delay.max / 1_000_000 - resolutionMs),
    };
  },
});
