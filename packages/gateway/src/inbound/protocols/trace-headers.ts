import type { CallContext, RoutingStep } from "@tensorgate/core";

/** The routing trace, also of a call that failed. Each header stays within what proxies take. */
export function traceHeaders({ routingTrace }: CallContext): Readonly<Record<string, string>> {
  if (!routingTrace) return {};
  const { isTraced, steps, expectedWaitMs } = routingTrace;
  return {
    ...(isTraced && { "x-tensorgate-trace": traceText(steps) }),
    ...(expectedWaitMs !== undefined && {
      "x-tensorgate-expected-wait-ms": expectedWaitMs.toFixed(1),
    }),
  };
}

/** Of all steps together: proxies allow 8 KiB for all headers. */
const maxTraceBytes = 6_000;

/** JSON in ASCII; steps beyond the limit are counted rather than written. */
function traceText(steps: readonly RoutingStep[]): string {
  const written: string[] = [];
  let byteCount = 0;
  for (const step of steps) {
    const text = asciiJson(step);
    byteCount += text.length + 1;
    if (byteCount > maxTraceBytes) break;
    written.push(text);
  }
  const left = steps.length - written.length;
  return `[${[...written, ...(left > 0 ? [asciiJson({ stepsLeftOut: left })] : [])].join(",")}]`;
}

/** Numbers with two digits after the point. */
function asciiJson(value: unknown): string {
  const rounded = (_key: string, each: unknown) =>
    typeof each === "number" ? Math.round(each * 100) / 100 : each;
  return JSON.stringify(value, rounded).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
