// Scores pictures, with `gc` exposed, and prints how many of their requests survive collections of the young generation.
import { type ChannelListener, subscribe } from "node:diagnostics_channel";
import { setTimeout as wait } from "node:timers/promises";
import { startFakeReplica } from "../../support/fake-replica.ts";
import { samplePicture } from "../../support/pictures.ts";
import { startGateway } from "../../support/running-gateway.ts";
import { shapesOutputs } from "../../support/shapes-answers.ts";

declare const gc: (options?: { readonly type: "minor" }) => void;

const batchCount = 20;
const perBatch = 10;

/** A WeakRef holds what it was asked for until the turn of the event loop is over. */
const nextTurn = () => wait(2);

await using replica = await startFakeReplica({ answer: () => shapesOutputs() });
await using running = await startGateway({ westeurope: [replica.address] });
const picture = samplePicture("star");

async function score(): Promise<void> {
  const answer = await fetch(`${running.url}/v1/classify/shapes`, {
    method: "POST",
    headers: { "content-type": "image/jpeg" },
    body: Uint8Array.from(picture),
  });
  await answer.arrayBuffer();
  if (answer.status !== 200) throw new Error(`a call got ${answer.status}`);
}

for (let warm = 0; warm < 200; warm += 1) await score();
// What lives long is old from here on.
gc();
await nextTurn();

const requests: WeakRef<object>[] = [];
const onRequest: ChannelListener = (message) => {
  const { request } = message as { readonly request: object };
  requests.push(new WeakRef(request));
};
subscribe("http.server.request.start", onRequest);
for (let batch = 0; batch < batchCount; batch += 1) {
  for (let call = 0; call < perBatch; call += 1) await score();
  for (let age = 0; age < 2; age += 1) {
    await nextTurn();
    gc({ type: "minor" });
  }
}
await nextTurn();
const survivorCount = requests.filter((each) => each.deref() !== undefined).length;
process.stdout.write(JSON.stringify({ requestCount: requests.length, survivorCount }));
