import type { RestRoute } from "../http-route.ts";
import { problemReply } from "./errors.ts";

/** Whether the gateway may get calls, and why not. */
export interface Readiness {
  readonly isReady: boolean;
  readonly because: string;
}

/** `GET /livez`: the process works. `GET /readyz`: some pool can serve, and it does not drain. */
export function healthRest(readiness: () => Readiness): readonly RestRoute[] {
  return [
    {
      method: "GET",
      path: "/livez",
      isPublic: true,
      errorReply: problemReply,
      answer: () => ({ contentType: "text/plain", body: "ok\n" }),
    },
    {
      method: "GET",
      path: "/readyz",
      isPublic: true,
      errorReply: problemReply,
      answer: () => {
        const { isReady, because } = readiness();
        return {
          status: isReady ? 200 : 503,
          contentType: "text/plain",
          body: `${isReady ? "ok" : "not ready"}: ${because}\n`,
        };
      },
    },
  ];
}
