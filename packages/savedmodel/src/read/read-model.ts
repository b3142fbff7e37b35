import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { createWorkBudget, type Signature, TooLargeError } from "@tensorgate/core";
import { type GraphDef, GraphDefSchema } from "@tensorgate/proto/tensorflow/graph";
import {
  type MetaGraphDef,
  SavedModelSchema,
  type SaverDef,
} from "@tensorgate/proto/tensorflow/saved_model";
import { chargeMessage, MalformedMessageError, signatureFromDef } from "@tensorgate/tf-serving";
import type { ConversionLimits } from "../limits.ts";
import { SavedModelError } from "../saved-model-error.ts";

/** A SavedModel or a frozen graph, read but not checked: its graph may name what it does not have. */
export interface StoredModel {
  readonly kind: "saved-model" | "frozen-graph";
  /** Of the graph. */
  readonly file: string;
  /** Empty if it is not known, as for frozen graphs. */
  readonly tensorflowVersion: string;
  readonly tags: readonly string[];
  /** None for frozen graphs. */
  readonly signatures: ReadonlyMap<string, Signature>;
  readonly graph: GraphDef;
  readonly saver: SaverDef | undefined;
  /** Path of the checkpoint without the endings of its files. */
  readonly checkpointPrefix: string;
}

export type ReadLimits = Pick<Required<ConversionLimits>, "maxGraphBytes" | "maxElements">;

/** The tag of graphs that are for inference. */
const serveTag = "serve";

/**
 * Reads the graph and the signatures of a SavedModel, or a frozen graph. Variables are not read.
 *
 * @param path - a folder with `saved_model.pb` or with one other file that ends in `.pb`, or such a file
 * @throws SavedModelError
 */
export function readModel(path: string, limits: ReadLimits): StoredModel {
  const file = graphFile(path);
  if (basename(file) !== "saved_model.pb") {
    const graph = readMessage(GraphDefSchema, file, limits);
    if (graph.node.length === 0) throw unreadable(file, "the graph has no node");
    return {
      kind: "frozen-graph",
      file,
      tensorflowVersion: "",
      tags: [],
      signatures: new Map(),
      graph,
      saver: undefined,
      checkpointPrefix: "",
    };
  }
  const meta = servedGraph(file, readMessage(SavedModelSchema, file, limits).metaGraphs);
  const { graphDef: graph, saverDef: saver, metaInfoDef, signatureDef } = meta;
  if (!graph || graph.node.length === 0) throw unreadable(file, "the graph has no node");
  return {
    kind: "saved-model",
    file,
    tensorflowVersion: metaInfoDef?.tensorflowVersion ?? "",
    tags: metaInfoDef?.tags ?? [],
    signatures: new Map(
      Object.entries(signatureDef)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, each]) => [name, signatureFromDef(each)]),
    ),
    graph,
    saver,
    checkpointPrefix: join(dirname(file), "variables", "variables"),
  };
}

/** A SavedModel may have a graph for training beside the one for inference. */
function servedGraph(file: string, graphs: readonly MetaGraphDef[]): MetaGraphDef {
  const served = graphs.find(({ metaInfoDef }) => metaInfoDef?.tags.includes(serveTag));
  const graph = served ?? (graphs.length === 1 ? graphs[0] : undefined);
  if (graph) return graph;
  const tags = graphs.map(({ metaInfoDef }) => `[${metaInfoDef?.tags.join(", ")}]`);
  throw unreadable(file, `no graph has the tag "${serveTag}"; tags: ${tags.join(" ") || "none"}`);
}

function graphFile(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats) throw new SavedModelError("unreadable", `${path} not found`);
  if (!stats.isDirectory()) return path;
  const saved = join(path, "saved_model.pb");
  if (existsSync(saved)) return saved;
  if (existsSync(join(path, "saved_model.pbtxt"))) {
    throw unreadable(
      join(path, "saved_model.pbtxt"),
      "SavedModels as text are not supported; save it again in binary form",
    );
  }
  const graphs = readdirSync(path).filter((name) => name.endsWith(".pb"));
  const [only] = graphs;
  if (only !== undefined && graphs.length === 1) return join(path, only);
  const found = graphs.length === 0 ? "no .pb file" : graphs.toSorted().join(", ");
  throw unreadable(path, `expected saved_model.pb or one frozen graph; found ${found}`);
}

/** Reads a message after charging what it would build: a small file may ask for a lot. */
function readMessage<Desc extends DescMessage>(
  schema: Desc,
  file: string,
  { maxGraphBytes, maxElements }: ReadLimits,
): MessageShape<Desc> {
  const bytes = readBytes(file, maxGraphBytes);
  try {
    chargeMessage(schema, bytes, createWorkBudget(maxElements));
    return fromBinary(schema, bytes, { readUnknownFields: false });
  } catch (cause) {
    if (cause instanceof TooLargeError) {
      throw new SavedModelError("too-large", `${file}: ${cause.message}`, { cause });
    }
    if (!(cause instanceof MalformedMessageError)) throw cause;
    throw unreadable(file, `not a ${schema.name}: ${cause.message}`, cause);
  }
}

function readBytes(file: string, maxBytes: number): Uint8Array {
  let size: number;
  try {
    size = statSync(file).size;
    if (size <= maxBytes) return readFileSync(file);
  } catch (cause) {
    throw unreadable(file, (cause as Error).message, cause);
  }
  throw new SavedModelError(
    "too-large",
    `${file} has ${size} bytes; at most ${maxBytes} are accepted`,
  );
}

function unreadable(file: string, text: string, cause?: unknown): SavedModelError {
  return new SavedModelError("unreadable", `${file}: ${text}`, { cause });
}
