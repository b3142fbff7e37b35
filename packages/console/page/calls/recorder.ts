/** A call of the page to the gateway, with its response as it came. */
export interface RecordedCall {
  readonly startedAt: Date;
  /** Of `performance.now()`, in milliseconds. */
  readonly endedMs: number;
  readonly durationMs: number;
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** Body of the request. */
  readonly sent: { readonly contentType: string; readonly bytes: number };
  /** HTTP status; undefined if there was no response. */
  readonly status: number | undefined;
  readonly requestId: string;
  readonly region: string | undefined;
  readonly headers: readonly (readonly [string, string])[];
  /** Body of the response, or why there was none. */
  readonly text: string;
}

export interface CallRecorder {
  /** Calls as `fetch` does, and records calls that have a body. */
  readonly fetch: typeof fetch;
  /** Calls the listener with each call as soon as its response is there. */
  onCall(listener: (call: RecordedCall) => void): void;
  /** Returns a recent call by its request id. */
  find(requestId: string): RecordedCall | undefined;
}

/** Number of calls that are kept. */
const keptCalls = 40;

/** Creates a recorder of calls, which shows what goes over the wire rather than what a client makes of it. */
export function createCallRecorder(): CallRecorder {
  const listeners: ((call: RecordedCall) => void)[] = [];
  const recent: RecordedCall[] = [];

  function add(call: RecordedCall): void {
    recent.unshift(call);
    recent.splice(keptCalls);
    for (const listener of listeners) listener(call);
  }

  return {
    onCall: (listener) => void listeners.push(listener),
    find: (requestId) => recent.find((call) => call.requestId === requestId),
    fetch: async (target, init = {}) => {
      const { body, method = "GET" } = init;
      if (!body) return fetch(target, init);
      const url = new URL(String(target), location.href);
      const sentHeaders = new Headers(init.headers);
      const bytes = body instanceof Blob ? body.size : new Blob([body as BlobPart]).size;
      const startedAt = new Date();
      const startMs = performance.now();
      const about = (status: number | undefined, text: string, headers = new Headers()) => {
        const endedMs = performance.now();
        add({
          startedAt,
          endedMs,
          durationMs: endedMs - startMs,
          method,
          path: url.pathname + url.search,
          sent: { contentType: sentHeaders.get("content-type") ?? "", bytes },
          status,
          requestId: headers.get("x-request-id") ?? sentHeaders.get("x-request-id") ?? "",
          region: headers.get("x-tensorgate-region") ?? undefined,
          headers: [...headers],
          text,
        });
      };
      let response: Response;
      let text: string;
      try {
        response = await fetch(target, init);
        text = await response.text();
      } catch (thrown) {
        about(undefined, thrown instanceof Error ? thrown.message : String(thrown));
        throw thrown;
      }
      const { status, statusText, headers } = response;
      about(status, text, headers);
      return new Response(text, { status, statusText, headers });
    },
  };
}

/** Longest text that is shown, in characters: a detector's tensors are millions. */
const maxShownCharacters = 50_000;

/** Returns a body for people: JSON with indents, other texts as they are. */
export function readableBody(text: string): string {
  let shown = text;
  try {
    if (text.length <= maxShownCharacters) shown = JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    // Not JSON: shown as it is.
  }
  if (shown.length <= maxShownCharacters) return shown;
  return `${shown.slice(0, maxShownCharacters)}\n… ${shown.length - maxShownCharacters} more characters`;
}
