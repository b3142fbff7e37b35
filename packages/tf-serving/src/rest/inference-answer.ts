import type { Classifications } from "@tensorgate/proto/tensorflow_serving/classification";
import type { Regression } from "@tensorgate/proto/tensorflow_serving/regression";
import { JsonWriter } from "../json/json-writer.ts";
import { invalidArgument } from "../serving-error.ts";
import { decimalText } from "./decimal-text.ts";

const utf8 = new TextEncoder();

/**
 * Writes the answer to `:classify`, piece by piece: for each example the classes with their scores.
 *
 * @throws ServingError in the original's words, if there is none
 */
export function classificationAnswerJson(
  classifications: readonly Classifications[],
): Generator<Uint8Array> {
  if (classifications.length === 0) {
    throw invalidArgument("Cannot convert empty ClassificationResults to JSON");
  }
  return answerJson(function* (writer) {
    writer.startArray();
    for (const { classes } of classifications) {
      writer.isOnOneLine = true;
      writer.startArray();
      for (const { label, score } of classes) {
        writer.startArray();
        yield* stringPieces(writer, utf8.encode(label));
        writer.raw(decimalText(score, "float"));
        writer.endArray();
        if (writer.isFull) yield writer.take();
      }
      writer.endArray();
      writer.isOnOneLine = false;
      if (writer.isFull) yield writer.take();
    }
    writer.endArray();
  });
}

/** Bytes of a label that are written at a time. */
const stringPartBytes = 12_288;

function* stringPieces(writer: JsonWriter, bytes: Uint8Array): Generator<Uint8Array> {
  writer.startString();
  for (let at = 0; at < bytes.byteLength; at += stringPartBytes) {
    if (writer.isFull) yield writer.take();
    writer.stringPart(bytes.subarray(at, at + stringPartBytes));
  }
  writer.endString();
}

/**
 * Writes the answer to `:regress`, piece by piece: for each example its value.
 *
 * @throws ServingError in the original's words, if there is none
 */
export function regressionAnswerJson(regressions: readonly Regression[]): Generator<Uint8Array> {
  if (regressions.length === 0) {
    throw invalidArgument("Cannot convert empty RegressionResults to JSON");
  }
  return answerJson(function* (writer) {
    writer.isOnOneLine = true;
    writer.startArray();
    for (const { value } of regressions) {
      writer.raw(decimalText(value, "float"));
      if (writer.isFull) yield writer.take();
    }
    writer.endArray();
  });
}

function* answerJson(
  resultPieces: (writer: JsonWriter) => Generator<Uint8Array>,
): Generator<Uint8Array> {
  const writer = new JsonWriter();
  writer.startObject();
  writer.string(utf8.encode("results"));
  yield* resultPieces(writer);
  writer.endObject();
  yield writer.take();
}
