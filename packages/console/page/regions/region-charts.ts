import type { GatewayStatus } from "@tensorgate/proto/tensorgate/v1/status";
import type { CallRecorder } from "../calls/recorder.ts";
import { createHtml, element } from "../elements.ts";
import { drawDistanceLine } from "./distance-line.ts";
import { type ChartedCall, chartedMs, drawLatencyChart } from "./latency-chart.ts";
import { regionColour } from "./region-colour.ts";
import { createRegionStory } from "./region-story.ts";

export interface RegionCharts {
  show(status: GatewayStatus | undefined): void;
}

/** Shows what the regions are to the calls of this page: the story, the distances and the latencies. */
export function createRegionCharts(recorder: CallRecorder): RegionCharts {
  const story = createRegionStory();
  const chart = element<SVGElement>("latency");
  let calls: ChartedCall[] = [];
  let status: GatewayStatus | undefined;
  let announced = 0;

  function draw(): void {
    const nowMs = performance.now();
    calls = calls.filter(({ endedMs }) => nowMs - endedMs < chartedMs);
    element("latency-part").hidden = calls.length === 0;
    const events = story.events.filter(({ atMs }) => nowMs - atMs < chartedMs);
    drawLatencyChart(chart, { calls, events, nowMs });
  }

  function tell(): void {
    element("story").textContent = status ? story.tell(status, performance.now()) : "";
    // A screen reader reads when an outage starts and ends, not every count.
    const newest = story.events.at(-1);
    if (story.events.length > announced && newest) element("story-news").textContent = newest.text;
    announced = story.events.length;
  }

  recorder.onCall(({ endedMs, durationMs, region, status: code }) => {
    const call = { endedMs, durationMs, region, isAnswered: code !== undefined && code < 400 };
    calls.push(call);
    story.addCall(call);
    tell();
    draw();
  });
  return {
    show: (next) => {
      status = next;
      tell();
      draw();
      if (!next) return;
      const { regions, region: own } = next;
      const distances = element("distances");
      if (regions.length > 1) drawDistanceLine(distances, regions, own);
      else distances.replaceChildren();
      element("latency-legend").replaceChildren(
        ...regions.map(({ name }) =>
          createHtml("span", {}, createHtml("i", { class: regionColour(name) }), name),
        ),
      );
    },
  };
}
