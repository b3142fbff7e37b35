import type { GatewayStatus } from "@tensorgate/client";
import { statusEvents } from "./status-events.ts";
import { cut, statusTable, type TableForm } from "./status-table.ts";

/** Maximum number of events that are shown. */
const maxEvents = 6;

export interface LiveForm extends TableForm {
  /** Lines of the terminal. */
  readonly height: number;
}

/** The live view of a gateway: its state, and the latest events. */
export interface LiveView {
  /** Takes an update. @param time - of day, as shown */
  update(status: GatewayStatus, time: string): void;
  /** Shows that the gateway does not respond, and is retried. */
  lost(because: string, time: string): void;
  /** Returns the lines, at most as many as fit. */
  lines(form: LiveForm): readonly string[];
}

export function createLiveView(): LiveView {
  let status: GatewayStatus | undefined;
  let lostText: string | undefined;
  const events: string[] = [];

  function add(time: string, texts: readonly string[]): void {
    events.push(...texts.map((text) => `${time} ${text}`));
    events.splice(0, events.length - maxEvents);
  }

  return {
    update: (now, time) => {
      if (lostText !== undefined) add(time, ["the gateway responds again"]);
      lostText = undefined;
      if (status) add(time, statusEvents(status, now));
      status = now;
    },
    lost: (because, time) => {
      // Further failures of the same outage are no event.
      if (lostText === undefined) add(time, ["the gateway does not respond"]);
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
