import { fastify } from "../launch/fastify.ts";
import { go } from "../launch/go.ts";
import { nginx } from "../launch/nginx.ts";
import type { Peer } from "../launch/peer.ts";
import { python } from "../launch/python.ts";
import { serve } from "../launch/serve.ts";
import { tensorgate } from "../launch/tensorgate.ts";
import { type Figures, summarizeRounds } from "../statistics.ts";
import { type Group, type GroupContext, orSkip } from "./group.ts";

interface Cell {
  readonly row: string;
  readonly peer: Peer;
}

const cells: readonly Cell[] = [
  ...[tensorgate(), serve, nginx({ http: "1.1" }), go(), fastify, python].map((peer) => ({
    row: "start",
    peer,
  })),
  ...[100, 1_000].map((modelCount) => ({
    row: `start-${modelCount}-models`,
    peer: tensorgate({ modelCount }),
  })),
];

/** Time from the start of a process until it takes calls, and its memory then. */
export const start: Group = {
  name: "start",
  rows: [...new Set(cells.map(({ row }) => row))],
  run: async (context) => {
    const figures = new Map<Cell, Figures[]>();
    for (const cell of cells.filter(({ row }) => context.isWanted(row))) {
      await orSkip(context, cell.peer, async () => {
        await cell.peer.build?.();
        figures.set(cell, []);
      });
    }
    for (let round = 1; round <= context.settings.rounds; round += 1) {
      context.say(`start: round ${round} of ${context.settings.rounds}`);
      for (const [cell, rounds] of figures) rounds.push(await measure(cell.peer, context));
    }
    return [...figures].map(([{ row, peer }, rounds]) => summarizeRounds(row, peer.name, rounds));
  },
};

async function measure(peer: Peer, context: GroupContext): Promise<Figures> {
  const startedMs = performance.now();
  await using process = await peer.start(context);
  return {
    startMs: performance.now() - startedMs,
    startCpuMs: process.cpuMicros() / 1_000,
    residentMiB: process.residentBytes() / 2 ** 20,
  };
}
