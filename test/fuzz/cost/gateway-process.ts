// A gateway in its own process that tells what it cost: CPU time and how long its loop stood.
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createGateway, type Gateway } from "@tensorgate/gateway";
import { answerParent } from "../../chaos/answer-parent.ts";
import type { CostCommands } from "./commands.ts";

setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

/** Between two looks at the loop, in milliseconds. */
const tickMs = 1;

/**
 * Longest time that the loop did not turn while a body was read, by the CPU time of its thread:
 * on a busy machine the loop also stands because others run, which is no fault of the body.
 */
function createStallMeter() {
  let timer: NodeJS.Timeout | undefined;
  let lastMs = 0;
  let longestMs = 0;
  const cpuMs = () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1_000;
  };
  const tick = () => {
    const nowMs = cpuMs();
    longestMs = Math.max(longestMs, nowMs - lastMs);
    lastMs = nowMs;
  };
  return {
    begin: () => {
      longestMs = 0;
      lastMs = cpuMs();
      timer = setInterval(tick, tickMs);
    },
    end: () => {
      clearInterval(timer);
      tick();
      return longestMs;
    },
  };
}

const stall = createStallMeter();
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
    stall.begin();
    before = process.cpuUsage();
  },
  end: async () => {
    await sleep(tickMs);
    const stallMs = stall.end();
    const { user, system } = process.cpuUsage(before);
    return { cpuMs: (user + system) / 1_000, stallMs };
  },
});
