import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { rightAnswerBytes } from "../ask.ts";
import { launch, type Peer } from "../launch/peer.ts";
import { type LoadResult, okCountOf, runLoad } from "../load.ts";
import type { PinnedProcess } from "../process.ts";
import type { RequestKind } from "../requests.ts";
import { type Figures, summarizeRounds } from "../statistics.ts";
import { type Group, type GroupContext, orSkip } from "./group.ts";

/** One row of one subject: what it is sent. */
export interface Cell {
  readonly row: string;
  /** Cells with the same object share its process. */
  readonly peer: Peer;
  readonly kind: RequestKind;
  readonly pictureBytes: number;
  readonly isTls?: boolean;
  readonly inFlight: number;
  /** In each round. */
  readonly requestCount: number;
}

/** Length of the pictures that warm a subject up, whatever it is sent later. */
const warmUpPictureBytes = 2_000;
const warmUpInFlight = 16;
const minRequestsPerConnection = 2;

/** Measures cells in turns: each round visits all of them. */
export function loadGroup(name: string, cells: readonly Cell[]): Group {
  const rows = [...new Set(cells.map(({ row }) => row))];
  return {
    name,
    rows,
    run: async (context) => {
      await using started = new AsyncDisposableStack();
      const wanted = cells.filter(({ row }) => context.isWanted(row));
      const running = await startPeers(wanted, context, started);
      const loaded = wanted.flatMap((cell) => {
        const process = running.get(cell.peer);
        return process ? [{ ...cell, process }] : [];
      });
      const expectedBytes = new Map<Cell, number>();
      for (const cell of loaded) {
        const bytes = await rightAnswerBytes(originOf(cell), cell.kind, cell.pictureBytes);
        expectedBytes.set(cell, bytes);
      }
      await warmUp(loaded, context);
      if (context.profileFolder !== undefined) startProfiles(loaded);

      const figures = new Map<RunningCell, Figures[]>(loaded.map((cell) => [cell, []]));
      for (let round = 1; round <= context.settings.rounds; round += 1) {
        context.say(`${name}: round ${round} of ${context.settings.rounds}`);
        for (const cell of loaded) {
          figures.get(cell)?.push(await measure(cell, expectedBytes.get(cell) ?? 0, context));
        }
      }
      return loaded.map((cell) =>
        summarizeRounds(cell.row, cell.peer.name, figures.get(cell) ?? []),
      );
    },
  };
}

interface RunningCell extends Cell {
  readonly process: PinnedProcess;
}

async function startPeers(
  cells: readonly Cell[],
  context: GroupContext,
  started: AsyncDisposableStack,
): Promise<ReadonlyMap<Peer, PinnedProcess>> {
  const running = new Map<Peer, PinnedProcess>();
  for (const peer of new Set(cells.map((cell) => cell.peer))) {
    context.say(`starting ${peer.name}`);
    await orSkip(context, peer, async () => {
      running.set(peer, started.use(await launch(peer, context)));
    });
  }
  return running;
}

async function warmUp(cells: readonly RunningCell[], context: GroupContext): Promise<void> {
  const warm = new Map<PinnedProcess, Set<RequestKind>>();
  for (const cell of cells) {
    const kinds = warm.get(cell.process) ?? new Set();
    warm.set(cell.process, kinds);
    if (!kinds.has(cell.kind)) {
      context.say(`warming ${cell.peer.name} up for ${cell.row}`);
      await send(
        {
          ...cell,
          pictureBytes: warmUpPictureBytes,
          inFlight: warmUpInFlight,
          requestCount: cell.peer.warmUpRequests,
        },
        context,
      );
    }
    kinds.add(cell.kind);
    // Memory has to settle for these lengths, too.
    await send(cell, context);
  }
}

/** Only subjects on Node handle this signal, which would end others. */
function startProfiles(cells: readonly RunningCell[]): void {
  const profiled = cells.filter(({ peer }) => peer.mayProfile);
  for (const subject of new Set(profiled.map((cell) => cell.process))) {
    process.kill(subject.pid, "SIGUSR2");
  }
}

async function measure(
  cell: RunningCell,
  expectedBytes: number,
  context: GroupContext,
): Promise<Figures> {
  const before = cell.process.cpuMicros();
  const result = await send(cell, context);
  const cpuMicros = cell.process.cpuMicros() - before;
  const okCount = okCountOf(result, cell.kind.hasErrorsInTrailers ? expectedBytes : undefined);
  return {
    cpuMicros: cpuMicros / Math.max(okCount, 1),
    okShare: okCount / result.requestCount,
    requestsPerSecond: okCount / result.seconds,
    medianMs: result.medianMs,
    p99Ms: result.p99Ms,
    residentMiB: cell.process.residentBytes() / 2 ** 20,
  };
}

async function send(
  cell: RunningCell,
  { folder, settings }: GroupContext,
): Promise<LoadResult & { readonly requestCount: number }> {
  const { kind, pictureBytes, inFlight } = cell;
  const bodyFile = join(folder, "body");
  writeFileSync(bodyFile, kind.body(pictureBytes));
  const requestCount = Math.max(
    Math.ceil(cell.requestCount / settings.divisor),
    minRequestsPerConnection * inFlight,
  );
  const url = `${originOf(cell)}${kind.path}`;
  const load = { url, bodyFile, headers: kind.headers, http: kind.http, inFlight, requestCount };
  return { ...(await runLoad(load, folder, settings.loadCore)), requestCount };
}

function originOf({ isTls, process }: RunningCell): string {
  return `${isTls ? "https" : "http"}://127.0.0.1:${process.port}`;
}
