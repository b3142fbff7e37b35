import { ModelNotReadyError, UpstreamAnsweredError, UpstreamFailedError } from "@tensorgate/core";
import { aCall, aRequest, manualClock } from "@tensorgate/core/testing";
import { grpcCode } from "@tensorgate/grpc";
import { expect, test } from "vitest";
import type { Replica } from "../replica.ts";
import type { UnaryChannel } from "../transport/unary-channel.ts";
import { tensorflowServing } from "./tensorflow-serving.ts";

/** A device of which every call fails with `error`. */
function deviceThat(error: Error): Replica {
  const channel: UnaryChannel = {
    unary: () => Promise.reject(error),
    replyLimits: { maxElements: 1, maxValueBytes: 1 },
    roundTripMs: () => undefined,
    close: async () => {},
  };
  return tensorflowServing.connect(channel, {
    region: "r",
    isExclusive: true,
    clock: manualClock(),
  });
}

const notFound = (message: string) => new UpstreamAnsweredError(message, grpcCode.NOT_FOUND);

test("a model that a device does not hold is not ready there, rather than unknown", async () => {
  const device = deviceThat(notFound("Could not find any versions of model shapes"));

  expect(await device.probe("shapes", aCall())).toMatchObject({
    isReady: false,
    versions: [],
    note: { message: "NOT_FOUND" },
  });
});

test("a call that comes while another gateway swaps the device may go elsewhere", async () => {
  const device = deviceThat(notFound("Servable not found for request: Latest(shapes)"));

  await expect(device.score(aRequest, aCall())).rejects.toBeInstanceOf(ModelNotReadyError);
  await expect(device.modelMetadata({ name: "shapes" }, aCall())).rejects.toMatchObject({
    reason: "model-not-ready",
  });
});

test.each([
  notFound('Serving signature name: "x" not found in signature def'),
  new UpstreamFailedError("the replica failed"),
])("what else fails is told as it is: $message", async (error) => {
  await expect(deviceThat(error).score(aRequest, aCall())).rejects.toBe(error);
});

test("a device that is out of reach is lost", async () => {
  const gone = new UpstreamFailedError("gone", { wasLost: true });

  await expect(deviceThat(gone).probe("shapes", aCall())).rejects.toBe(gone);
});
