import { statSync } from "node:fs";
import { ScoringClient, ScoringError } from "@tensorgate/client";
import { counted } from "@tensorgate/core";
import {
  assertAlias,
  assertModelName,
  openRegistry,
  RegistryError,
  type SourceFile,
} from "@tensorgate/registry";
import { type Head, headText, type Taught, teach } from "@tensorgate/teaching";
import { failureText } from "../call-failure.ts";
import { CommandError } from "../command-error.ts";
import { labelledPictures } from "../teach/labelled-pictures.ts";
import { mergedFiles } from "../teach/merged-files.ts";
import { pictureFeatures } from "../teach/picture-features.ts";
import { reportLines } from "../teach/report-lines.ts";
import { waitUntilServed } from "../teach/wait-until-served.ts";

export interface TeachCommandOptions {
  /** Folder with a folder for each class. */
  readonly from: string;
  /** Model whose features are used. */
  readonly features: string;
  readonly url?: string;
  readonly key?: string;
  readonly holdout: number;
  readonly seed: number;
  /** Also writes backbone and head as one ONNX model: a file with the backbone, or true to look for it. */
  readonly merge?: string | true;
  readonly registry: string;
  readonly alias?: readonly string[];
  readonly tag?: Readonly<Record<string, string>>;
  readonly concurrency: number;
  readonly json?: boolean;
}

/** Teaches classes on the features of a model, and registers the head as a new version. */
export async function runTeach(name: string, options: TeachCommandOptions): Promise<void> {
  const { from, features: model, holdout, seed, json = false } = options;
  assertRegistrable(name, options);
  const { classes, pictures } = labelledPictures(from);
  await using client = new ScoringClient({
    ...(options.url !== undefined && { baseUrl: options.url }),
    ...(options.key !== undefined && { apiKey: options.key }),
  });
  const say = (line: string) => void (json || process.stdout.write(`${line}\n`));
  const startedMs = performance.now();
  const found = await explained(() =>
    pictureFeatures(pictures, { client, model, concurrency: options.concurrency }),
  );
  for (const failure of found.failures) process.stderr.write(`left out: ${failure}\n`);
  const readMs = performance.now();
  const { head: taught, report } = await explained(
    async (): Promise<Taught> => teach(found.examples, { classes, holdout, seed }),
  );
  const taughtMs = performance.now();
  const counts = report.classes.map((each) => `${each.name} ${each.count}`).join(", ");
  say(
    `${counts} pictures; features ${secondsText(readMs - startedMs)}; trained ${secondsText(taughtMs - readMs)}`,
  );
  for (const line of reportLines(report, from)) say(line);

  const head: Head = { ...taught, backbone: found.backbone, report };
  const version = await register(name, head, options);
  const isServed = await waitUntilServed(client, name, version);
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ name, version: String(version), isServed, backbone: { model, version: head.backbone.version }, report })}\n`,
    );
  }
  say(
    isServed
      ? `registered ${name}@${version}; try it: tensorgate score ${pictures[0]?.path ?? "x.jpg"} --model ${name}`
      : `registered ${name}@${version} in ${options.registry}; serve it: tensorgate serve --registry ${options.registry}`,
  );
}

/**
 * Finds what would fail only when all features were read.
 *
 * @throws CommandError
 */
function assertRegistrable(
  name: string,
  { alias = [], merge }: Pick<TeachCommandOptions, "alias" | "merge">,
): void {
  try {
    assertModelName(name);
    for (const each of alias) assertAlias(each);
  } catch (thrown) {
    if (!(thrown instanceof RegistryError)) throw thrown;
    throw new CommandError(thrown.message, { cause: thrown });
  }
  if (typeof merge !== "string") return;
  const isFile = statSync(merge, { throwIfNoEntry: false })?.isFile() ?? false;
  if (!isFile)
    throw new CommandError(`--merge ${merge}: no such file; name the backbone's ONNX file`);
}

/** @returns its version */
async function register(name: string, head: Head, options: TeachCommandOptions): Promise<bigint> {
  const { alias: aliases, tag, merge } = options;
  const registry = openRegistry(options.registry);
  const { heldOut, crossValidation } = head.report ?? {};
  const accuracy = heldOut ?? crossValidation;
  const files: SourceFile[] = [
    { path: "head.json", content: { kind: "bytes", bytes: headText(head) } },
  ];
  if (merge !== undefined) {
    files.push(...(await explained(() => mergedFiles({ head, merge, registry }))));
  }
  try {
    const { version } = await registry.register(name, {
      from: files,
      source: options.from,
      description: `${counted(head.classes.length, "class", "classes")} on the features of ${head.backbone.model}`,
      tags: {
        backbone: `${head.backbone.model}@${head.backbone.version}`,
        ...(accuracy && { accuracy: accuracy.share.toFixed(3) }),
        ...tag,
      },
      ...(aliases && { aliases }),
    });
    return version;
  } catch (thrown) {
    if (!(thrown instanceof RegistryError)) throw thrown;
    throw new CommandError(thrown.message, { cause: thrown });
  }
}

/** Converts errors of calls and of teaching to those of a command. */
async function explained<Value>(run: () => Promise<Value>): Promise<Value> {
  try {
    return await run();
  } catch (thrown) {
    if (!ScoringError.is(thrown) && !isScoringError(thrown)) throw thrown;
    throw new CommandError(failureText(thrown as Error));
  }
}

/** Errors of our packages: those of the client have their own class. */
const isScoringError = (thrown: unknown): boolean =>
  thrown instanceof Error && thrown.name === "InvalidRequestError";

const secondsText = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
