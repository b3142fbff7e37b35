import { Worker } from "node:worker_threads";
import type { Tensor } from "@tensorgate/core";
import { grpcCode } from "@tensorgate/grpc";
import { ServingError } from "@tensorgate/tf-serving";
import { disableTelemetry } from "./disable-telemetry.ts";
import { type ModelSignature, modelSignature, openFailure } from "./model-signature.ts";
import { ortTensorFromTensor, tensorFromOrtTensor } from "./ort-tensor.ts";
import { buffersOf } from "./ort-types.ts";
import type { RunMessage, WorkerMessage, WorkerStart } from "./session-worker.ts";

/** A loaded model that scores one request after the other, in its own thread. */
export interface OnnxSession {
  readonly signature: ModelSignature;
  /**
   * @param fetches - names of the outputs to compute
   * @throws ServingError INVALID_ARGUMENT with the engine's text if it refuses the tensors, UNAVAILABLE if its
   *   thread died
   */
  run(
    feeds: ReadonlyMap<string, Tensor>,
    fetches: readonly string[],
  ): Promise<ReadonlyMap<string, Tensor>>;
  close(): Promise<void>;
}

interface Pending {
  resolve(outputs: ReadonlyMap<string, Tensor>): void;
  reject(error: Error): void;
}

/** `tsc` does not rewrite the name of a worker's file, so it is chosen by what this file is. */
const workerFile = new URL(
  import.meta.url.endsWith(".ts") ? "./session-worker.ts" : "./session-worker.js",
  import.meta.url,
);

/**
 * Opens a model in its own thread.
 *
 * @param onDeath - called when the thread of an open session ends, which is of no more use then
 * @throws Error that says in one line why the engine cannot open the model
 */
export async function openOnnxSession(
  start: WorkerStart,
  onDeath: (error: Error) => void,
): Promise<OnnxSession> {
  const { modelFile } = start;
  disableTelemetry();
  const worker = new Worker(workerFile, { workerData: start });
  const pending = new Map<number, Pending>();
  let nextId = 0;
  let isOpen = false;
  let death: Error | undefined;

  const signature = await new Promise<ModelSignature>((resolve, reject) => {
    worker.on("message", (message: WorkerMessage) => {
      if (message.kind === "loaded") {
        isOpen = true;
        return resolve(modelSignature(modelFile, message));
      }
      if (message.kind === "rejected") {
        return reject(new Error(openFailure(modelFile, message.message)));
      }
      const caller = pending.get(message.id);
      pending.delete(message.id);
      if (message.kind === "failed") {
        caller?.reject(new ServingError(grpcCode.INVALID_ARGUMENT, message.message));
      } else {
        const outputs = [...message.outputs].map(
          ([name, tensor]) => [name, tensorFromOrtTensor(tensor)] as const,
        );
        caller?.resolve(new Map(outputs));
      }
    });
    worker.once("error", (error: Error) => {
      death = error;
      reject(error);
    });
    worker.once("exit", (code) => {
      death ??= new Error(`the session's thread ended with code ${code}`);
      reject(death);
      for (const caller of pending.values()) caller.reject(unavailable(death));
      pending.clear();
      if (isOpen) onDeath(death);
    });
  });

  return {
    signature,
    run: (feeds, fetches) =>
      new Promise((resolve, reject) => {
        if (death) return reject(unavailable(death));
        const id = nextId++;
        const plain = new Map(
          [...feeds].map(([name, tensor]) => [name, ortTensorFromTensor(name, tensor)]),
        );
        pending.set(id, { resolve, reject });
        const message: RunMessage = { id, feeds: plain, fetches };
        worker.postMessage(message, buffersOf(plain.values()));
      }),
    close: async () => {
      await worker.terminate();
    },
  };
}

function unavailable(cause: Error): ServingError {
  const text = "the model's session ended; it is being restarted";
  return new ServingError(grpcCode.UNAVAILABLE, text, { cause });
}
