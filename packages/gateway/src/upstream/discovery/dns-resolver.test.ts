import { manualClockAndRandom } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { createDnsResolver, createResolver, systemLookup } from "./dns-resolver.ts";

/** A name server that a test answers for. */
function nameServer() {
  const questions: {
    readonly hostname: string;
    readonly answer: PromiseWithResolvers<string[]>;
  }[] = [];
  return {
    questions,
    lookup: (hostname: string) => {
      const answer = Promise.withResolvers<string[]>();
      questions.push({ hostname, answer });
      return answer.promise;
    },
    /** Answers the last question. */
    async answer(...ips: string[]) {
      questions.at(-1)?.answer.resolve(ips);
      await new Promise((resolve) => setImmediate(resolve));
    },
    async fail() {
      questions.at(-1)?.answer.reject(new Error("SERVFAIL"));
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

function source(authority = "fpga.internal:80") {
  const server = nameServer();
  const { clock, random } = manualClockAndRandom();
  let changeCount = 0;
  const onChange = () => {
    changeCount += 1;
  };
  const parts = { intervalMs: 30_000, lookup: server.lookup, onChange, clock, random };
  const made = createDnsResolver(authority, parts);
  return {
    made,
    server,
    clock,
    ips: () => made.addresses.map(({ ip }) => ip),
    changeCount: () => changeCount,
  };
}

test("every address of the name is a replica, under that name", async () => {
  const { made, server } = source();
  expect(made.addresses).toEqual([]);

  await server.answer("10.0.0.5", "10.0.0.4", "fd00::1");

  expect(server.questions.map(({ hostname }) => hostname)).toEqual(["fpga.internal"]);
  expect(made.addresses).toEqual([
    { authority: "fpga.internal:80", ip: "10.0.0.4" },
    { authority: "fpga.internal:80", ip: "10.0.0.5" },
    { authority: "fpga.internal:80", ip: "fd00::1" },
  ]);
});

test("the name is resolved again at the interval, and another order changes nothing", async () => {
  const { made, server, clock, ips, changeCount } = source();
  await server.answer("10.0.0.4", "10.0.0.5");
  const before = made.addresses;

  clock.advance(29_999);
  expect(server.questions).toHaveLength(1);
  clock.advance(1);
  await server.answer("10.0.0.5", "10.0.0.4", "10.0.0.5");
  expect(made.addresses).toBe(before);
  expect(changeCount()).toBe(1);

  clock.advance(30_000);
  await server.answer("10.0.0.5");
  expect(ips()).toEqual(["10.0.0.5"]);
  expect(changeCount()).toBe(2);
});

test.each(["fail", "answer"] as const)(
  "no answer (%s) takes nothing away, and is asked for again more and more rarely",
  async (how) => {
    const { server, clock, ips } = source();
    await server.answer("10.0.0.4");
    clock.advance(30_000);

    const delaysMs: (number | undefined)[] = [];
    for (let count = 0; count < 6; count += 1) {
      await server[how]();
      const [delayMs = 0] = clock.pendingTimersMs();
      delaysMs.push(delayMs);
      clock.advance(delayMs);
    }
    expect(ips()).toEqual(["10.0.0.4"]);
    expect(delaysMs).toEqual([1_500, 3_000, 6_000, 12_000, 22_500, 22_500]);

    await server.answer("10.0.0.6");
    expect(ips()).toEqual(["10.0.0.6"]);
    expect(clock.pendingTimersMs()).toEqual([30_000]);
  },
);

test("after a first answer that fails there is no address, until one comes", async () => {
  const { server, clock, ips, changeCount } = source();
  await server.fail();
  expect(ips()).toEqual([]);
  expect(changeCount()).toBe(0);

  clock.advance(1_500);
  await server.answer("10.0.0.4");

  expect(ips()).toEqual(["10.0.0.4"]);
});

test("it is refreshed at most once a second", async () => {
  const { made, server, clock } = source();
  made.refresh();
  expect(server.questions).toHaveLength(1);
  await server.answer("10.0.0.4");

  clock.advance(400);
  made.refresh();
  made.refresh();
  expect(server.questions).toHaveLength(1);
  expect(clock.pendingTimersMs()).toEqual([600]);
  clock.advance(600);
  expect(server.questions).toHaveLength(2);
  await server.answer("10.0.0.4");

  clock.advance(5_000);
  made.refresh();
  expect(server.questions).toHaveLength(3);
});

test("a closed resolver sends no query, and takes no answer", async () => {
  const { made, server, clock, ips, changeCount } = source();
  await server.answer("10.0.0.4");
  clock.advance(30_000);

  made.close();
  await server.answer("10.0.0.5");
  made.refresh();

  expect(ips()).toEqual(["10.0.0.4"]);
  expect(changeCount()).toBe(1);
  expect(clock.pendingTimersMs()).toEqual([]);
  expect(server.questions).toHaveLength(2);
});

test.each([
  { address: "10.0.0.4:80", authority: "10.0.0.4:80" },
  { address: "fpga.internal:80", authority: "fpga.internal:80" },
  { address: "dns:///10.0.0.4:80", authority: "10.0.0.4:80" },
  { address: "dns:///[fd00::1]:80", authority: "[fd00::1]:80" },
])("$address is one replica, and nobody is asked", ({ address, authority }) => {
  const { questions, lookup } = nameServer();
  const parts = { intervalMs: 30_000, lookup, onChange: () => {}, ...manualClockAndRandom() };

  expect(createResolver(address, parts).addresses).toEqual([{ authority }]);
  expect(questions).toEqual([]);
});

test("the system is asked for names that are in its own files too", async () => {
  const found = await systemLookup("localhost");

  expect(found.some((ip) => ip === "127.0.0.1" || ip === "::1")).toBe(true);
});

test("of thousands of addresses the first 1,024 are replicas, whatever their order in the answer", async () => {
  const { server, ips, changeCount } = source();
  const all = Array.from({ length: 5_000 }, (_, at) => `10.0.${at >> 8}.${at & 255}`);

  await server.answer(...all);
  const before = ips();

  expect(before).toHaveLength(1_024);
  expect(before).toEqual(all.toSorted().slice(0, 1_024));
  expect(changeCount()).toBe(1);
});
