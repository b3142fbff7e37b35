import { createHtml, element } from "../elements.ts";
import type { CallRecorder, RecordedCall } from "./recorder.ts";
import { readableBody } from "./recorder.ts";

/** Rows of the log. */
const maxRows = 30;

/** Lists the latest calls of the page; a click on one opens its request and response. */
export function createCallLog(recorder: CallRecorder): void {
  const body = element("log-rows");
  const dialog = element<HTMLDialogElement>("log-entry");
  recorder.onCall((call) => {
    body.prepend(rowOf(call, () => open(dialog, call)));
    while (body.children.length > maxRows) body.lastElementChild?.remove();
    element("log-empty").hidden = true;
    element("log-table").hidden = false;
  });
  element("log-close").addEventListener("click", () => dialog.close());
}

function rowOf(call: RecordedCall, onOpen: () => void): HTMLTableRowElement {
  const time = call.startedAt.toLocaleTimeString("en-GB");
  const button = createHtml("button", { type: "button", class: "link" }, time);
  button.addEventListener("click", onOpen);
  const isGood = call.status !== undefined && call.status < 400;
  const [task = "", model = ""] = taskAndModel(call.path);
  return createHtml(
    "tr",
    {},
    createHtml("td", {}, button),
    createHtml("td", {}, `${task} ${model}`),
    createHtml("td", {}, call.region ?? "–"),
    createHtml("td", {}, `${call.durationMs.toFixed(0)} ms`),
    createHtml("td", { class: isGood ? "" : "bad" }, String(call.status ?? "no response")),
    createHtml("td", {}, createHtml("code", {}, call.requestId.slice(0, 8))),
  );
}

/** Of `/v1/classify/NAME`, or of `/v1/models/NAME:predict`. */
function taskAndModel(path: string): readonly string[] {
  const [, task, model] = /^\/v1\/(\w+)\/([^/?]+)/.exec(path) ?? [];
  if (task === undefined || model === undefined) return [path, ""];
  const name = decodeURIComponent(model);
  return task === "models" ? name.split(":").toReversed() : [task, name];
}

function open(dialog: HTMLDialogElement, call: RecordedCall): void {
  const { method, path, sent, status, durationMs, headers, text } = call;
  element("log-title").textContent = `${method} ${path}`;
  element("log-request").textContent = `${sent.contentType}, ${sent.bytes} bytes`;
  const lines = headers.map(([name, value]) => `${name}: ${value}`);
  element("log-response").textContent = [
    `${status ?? "no response"} after ${durationMs.toFixed(1)} ms`,
    ...lines,
    "",
    readableBody(text),
  ].join("\n");
  dialog.showModal();
}
