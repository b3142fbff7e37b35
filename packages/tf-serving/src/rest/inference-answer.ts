import type { Classifications } from "@tensorgate/proto/tensorflow_serving/classification";
import type { Regression } from "@tensorgate/proto/tensorflow_serving/regression";
import { JsonWriter } from "../json/json-writer.ts";
import { invalidArgument } from "../serving-error.ts";
import { decimalText } from "./decimal-text.ts";

const utf8 = new TextEncoder();

/**
 * Writes the answer to `:classify`: for each example the classes with their scores.
 *
 * @throws ServingError in the original's words, if there is none
 */
export function classificationAnswerJson(classifications: readonly Classifications[]): Uint8Array {
  if (classifications.length === 0) {
    throw invalidArgument("Cannot convert empty ClassificationResults to JSON");
  }
  return answerJson((writer) => {
    writer.startArray();
    for (const { classes } of classifications) {
      writer.isOnOneLine = true;
      writer.startArray();
      for (const { label, score } of classes) {
        writer.startArray();
        writer.string(utf8.encode(label));
        writer.raw(decimalText(score, "float"));
        writer.endArray();
      }
      writer.endArray();
      writer.isOnOneLine = false;
    }
    writer.endArray();
  });
}

/**
 * Writes the answer to `:regress`: for each example its value.
 *
 * @throws ServingError in the original's words, if there is none
 */
export function regressionAnswerJson(regressions: readonly Regression[]): Uint8Array {
  if (regressions.length === 0) {
    throw invalidArgument("Cannot convert empty RegressionResults to JSON");
  }
  return answerJson((writer) => {
    writer.isOnOneLine = true;
    writer.startArray();
    for (const { value } of regressions) writer.raw(decimalText(value, "float"));
    writer.endArray();
  });
}

function answerJson(writeResults: (writer: JsonWriter) => void): Uint8Array {
  const writer = new JsonWriter();
  writer.startObject();
  writer.string(utf8.encode("results"));
  writeResults(writer);
  writer.endObject();
  return writer.finish();
}
