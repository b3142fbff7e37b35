import { CommandError } from "../command-error.ts";

/**
 * Calls a route of the admin port of a gateway.
 *
 * @param body - posted as JSON; without it the route is got
 * @throws CommandError for every failure
 */
export async function adminJson<Answer>(
  adminUrl: string,
  path: string,
  body?: object,
): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(new URL(path, adminUrl), {
      redirect: "error",
      ...(body && {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      }),
    });
  } catch {
    throw new CommandError(
      `no gateway answers at ${adminUrl}; set --admin-url to its admin port (--admin-port of serve)`,
    );
  }
  const answer: unknown = await response.json().catch(() => undefined);
  if (response.ok && answer !== undefined) return answer as Answer;
  const hasError = typeof answer === "object" && answer !== null && "error" in answer;
  throw new CommandError(
    hasError && typeof answer.error === "string"
      ? answer.error
      : `the server at ${adminUrl} is not a gateway with rollouts (HTTP ${response.status})`,
  );
}
