import { writeFileSync } from "node:fs";
import { create, toBinary } from "@bufbuild/protobuf";
import { float32Tensor } from "@tensorgate/core";
import {
  GetModelStatusResponseSchema,
  ModelVersionStatus_State as State,
} from "@tensorgate/proto/tensorflow_serving/get_model_status";
import { predictResponseSegments } from "@tensorgate/tf-serving";
import { framed } from "../framed.ts";

/** What the backend answers: 1/2, 1/3, 1/4, … */
export const cannedScores: Float32Array<ArrayBuffer> = Float32Array.from(
  { length: 1_000 },
  (_, index) => 1 / (index + 2),
);

/** Writes the two messages that the backend answers with, framed. */
export function writeReplies(files: { readonly predict: string; readonly status: string }): void {
  const predicted = predictResponseSegments({
    model: { name: "bench", version: 1n },
    outputs: new Map([["scores", float32Tensor([1, 1_000], cannedScores)]]),
    signatureName: "serving_default",
  });
  const status = create(GetModelStatusResponseSchema, {
    modelVersionStatus: [{ version: 1n, state: State.AVAILABLE }],
  });
  writeFileSync(files.predict, framed(Buffer.concat(predicted)));
  writeFileSync(files.status, framed(toBinary(GetModelStatusResponseSchema, status)));
}
