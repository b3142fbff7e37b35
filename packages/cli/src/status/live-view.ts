import type { GatewayStatus } from "@tensorgate/client";
import { statusEvents } from "./status-events.ts";
import { cut, statusTable, type TableForm } from "./status-table.ts";

/** Events that are shown at most. */
const shownEvents = 6;

export interface LiveForm extends TableForm {
  /** Lines that there are. */
  readonly height: number;
}

/** What is on the screen while a gateway is watched: how it is doing, and what happened last. */
export interface LiveView {
  /** @param time - of the day, as it is shown */
  update(status: GatewayStatus, time: string): void;
  /** It does not answer any more, and is asked again. */
  lost(because: string, time: string): void;
  /** Never more than fit. */
  lines(form: LiveForm): readonly string[];
}

export function createLiveView(): LiveView {
  let status: GatewayStatus | undefined;
  let lostText: string | undefined;
  const events: string[] = [];

  function add(time: string, texts: readonly string[]): void {
    events.push(...texts.map((text) => `${time} ${text}`));
    events.splice(0, events.length - shownEvents);
  }

  return {
    update: (now, time) => {
      if (lostText !== undefined) add(time, ["the gateway answers again"]);
      lostText = undefined;
      if (status) add(time, statusEvents(status, now));
      status = now;
    },
    lost: (because, time) => {
      // Asked again and again, it is lost once.
      if (lostText === undefined) add(time, ["the gateway does not answer"]);
      lostText = `last known state; retrying: ${because}`;
    },
    lines: (form) => {
      const { width, height } = form;
      const below = [
        ...(events.length > 0 ? ["", ...events] : []),
        ...(lostText === undefined ? [] : ["", lostText]),
      ].map((line) => cut(line, width));
      const table = status ? statusTable(status, form) : [];
      const room = Math.max(1, height - below.length);
      if (table.length <= room) return [...table, ...below].slice(0, height);
      const hidden = table.length - room + 1;
      const shown = [...table.slice(0, room - 1), cut(`… ${hidden} more lines`, width)];
      return [...shown, ...below].slice(0, height);
    },
  };
}
