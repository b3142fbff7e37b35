import {
  RolloutRefusedError,
  type Rollouts,
  rolloutRequestFromJson,
  shadowRequestFromJson,
} from "@tensorgate/gateway";
import { readJsonBody } from "../telemetry/admin-body.ts";
import { type AdminCall, type AdminRoute, jsonRoute, sendJson } from "../telemetry/admin-server.ts";

const statusOf = { invalid: 400, unknown: 404 } as const;

/** Longest request, in bytes. */
const maxBytes = 65_536;

/**
 * Returns the rollout routes of the admin port.
 *
 * @param log - called with every command that was carried out
 */
export function rolloutRoutes(
  rollouts: Rollouts,
  log: (text: string) => void,
): readonly AdminRoute[] {
  const route = (
    what: string,
    run: (model: string, body: unknown) => ReturnType<Rollouts["start"]>,
  ): AdminRoute => ({
    method: "POST",
    path: `/rollouts/:model/${what}`,
    isLocal: true,
    handle: async (call) => answer(call, what, run),
  });

  async function answer(
    { request, response, segments: [model = ""] }: AdminCall,
    what: string,
    run: (model: string, body: unknown) => ReturnType<Rollouts["start"]>,
  ): Promise<void> {
    try {
      const body = await readJsonBody(request, maxBytes);
      const report = run(model, body);
      log(`rollout of ${model}: ${what}; ${report.history.at(-1)?.text ?? "no change"}`);
      sendJson(response, 200, report);
    } catch (thrown) {
      if (thrown instanceof RolloutRefusedError) {
        sendJson(response, statusOf[thrown.reason], {
          reason: thrown.reason,
          error: thrown.message,
        });
      } else if (thrown instanceof SyntaxError || thrown instanceof RangeError) {
        sendJson(response, 400, { reason: "invalid", error: thrown.message });
      } else throw thrown;
    }
  }

  return [
    jsonRoute("/rollouts", () => ({ rollouts: rollouts.list() })),
    route("start", (model, body) => rollouts.start(model, rolloutRequestFromJson(body))),
    route("promote", (model) => rollouts.command(model, "promote")),
    route("abort", (model) => rollouts.command(model, "abort")),
    route("undo", (model) => rollouts.command(model, "undo")),
    {
      method: "GET",
      path: "/rollouts/:model/worst/:requestId",
      isLocal: true,
      handle: ({ response, segments: [model = "", requestId = ""] }) => {
        const picture = rollouts.worstPicture(model, requestId);
        if (!picture) return sendJson(response, 404, { error: "no such picture is kept" });
        response.writeHead(200, { "content-type": "application/octet-stream" });
        response.end(picture);
      },
    },
    route("shadow", (model, body) => rollouts.shadow(model, shadowRequestFromJson(body))),
  ];
}
