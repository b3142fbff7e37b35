import { Session } from "node:inspector/promises";
import { fileURLToPath } from "node:url";

/** What ran of one of our own source files. */
export interface WalkedFile {
  /** From the root of the repository. */
  readonly file: string;
  readonly functions: readonly WalkedFunction[];
}

export interface WalkedFunction {
  /** As V8 names it; empty for one without a name. */
  readonly name: string;
  readonly line: number;
  readonly calls: number;
}

/** Counts the calls of our functions in this process, by V8's precise coverage. */
export interface Coverage extends AsyncDisposable {
  /** Returns what ran since the last time, or since the start. */
  take(): Promise<readonly WalkedFile[]>;
}

const root = fileURLToPath(new URL("../..", import.meta.url));
const ownSource = /^packages\/[^/]+\/src\/.*(?<!\.test)\.ts$/;

/** V8 makes a function of the fields of a class that are declared with a value. There is none in the source. */
const initializers: ReadonlySet<string> = new Set([
  "<instance_members_initializer>",
  "<static_initializer>",
]);

/** Must start before the sources are imported: functions that are compiled already are not counted. */
export async function startCoverage(): Promise<Coverage> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Debugger.enable");
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
  const sources = new Map<string, string>();
  const sourceOf = async (scriptId: string): Promise<string> => {
    const known = sources.get(scriptId);
    if (known !== undefined) return known;
    const { scriptSource } = await session.post("Debugger.getScriptSource", { scriptId });
    sources.set(scriptId, scriptSource);
    return scriptSource;
  };
  return {
    take: async () => {
      const { result } = await session.post("Profiler.takePreciseCoverage");
      const files: WalkedFile[] = [];
      for (const { url, scriptId, functions } of result) {
        const file = url.startsWith("file:") ? fileURLToPath(url).slice(root.length) : "";
        if (!ownSource.test(file)) continue;
        const source = await sourceOf(scriptId);
        const walked = functions.flatMap(({ functionName: name, ranges: [range] }) => {
          const isModule = name === "" && range?.startOffset === 0;
          if (!range || range.count === 0 || isModule || initializers.has(name)) return [];
          const line = source.slice(0, range.startOffset).split("\n").length;
          return [{ name, line, calls: range.count }];
        });
        if (walked.length > 0) files.push({ file, functions: walked });
      }
      return files.toSorted((a, b) => (a.file < b.file ? -1 : 1));
    },
    [Symbol.asyncDispose]: async () => {
      await session.post("Profiler.stopPreciseCoverage");
      session.disconnect();
    },
  };
}
