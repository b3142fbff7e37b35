import { writeFileSync } from "node:fs";
import type { RolloutReport } from "@tensorgate/gateway";
import { CommandError } from "../command-error.ts";
import { adminJson } from "./admin-json.ts";

/**
 * Writes a page with the worst pairs of a model's shadow. It needs no other file: the pictures, if they are kept, are in
 * it.
 *
 * @throws CommandError if the model has no shadow, or the file cannot be written
 */
export async function writeWorstPairs(
  model: string,
  file: string,
  adminUrl: string,
): Promise<void> {
  const { rollouts } = await adminJson<{ rollouts: readonly RolloutReport[] }>(
    adminUrl,
    "/rollouts",
  );
  const shadow = rollouts.find((each) => each.model === model)?.shadow;
  if (!shadow) {
    throw new CommandError(
      `${model} has no shadow; start one: tensorgate shadow ${model} --version VERSION`,
    );
  }
  const rows = await Promise.all(
    shadow.worst.map(async ({ requestId, answer, shadow: other, distance, hasPicture }) => {
      const picture = hasPicture && (await keptPicture({ model, requestId, adminUrl }));
      const cells = [answer, other, distance.toFixed(3), requestId].map((text) => escaped(text));
      return `<tr><td>${picture ? `<img alt="" src="${picture}">` : "not kept"}</td>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
    }),
  );
  const title = escaped(`${model}: worst pairs of version ${shadow.version}`);
  const head = ["picture", "answer", "shadow", "distance", "request"];
  const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${title}</title>
<style>body { font: 1rem sans-serif; margin: 2rem } td, th { padding: 0.4rem 1rem 0.4rem 0; text-align: left } img { max-width: 16rem; max-height: 12rem }</style>
<h1>${title}</h1>
<p>${shadow.compared} compared, ${shadow.failed} failed, ${shadow.dropped} dropped</p>
<table>
<tr>${head.map((name) => `<th>${name}</th>`).join("")}</tr>
${rows.join("\n")}
</table>
</html>
`;
  try {
    writeFileSync(file, page);
  } catch (thrown) {
    throw new CommandError(`${file} cannot be written: ${(thrown as Error).message}`);
  }
  process.stdout.write(
    `wrote ${file}: ${shadow.worst.length} ${shadow.worst.length === 1 ? "pair" : "pairs"}\n`,
  );
}

interface KeptPicture {
  readonly model: string;
  readonly requestId: string;
  readonly adminUrl: string;
}

/** @returns its `data:` address; undefined if the pair is no longer among the worst */
async function keptPicture({
  model,
  requestId,
  adminUrl,
}: KeptPicture): Promise<string | undefined> {
  const path = `/rollouts/${encodeURIComponent(model)}/worst/${encodeURIComponent(requestId)}`;
  const response = await fetch(new URL(path, adminUrl), { redirect: "error" });
  if (!response.ok) return undefined;
  const base64 = Buffer.from(await response.arrayBuffer()).toString("base64");
  // A browser finds out by itself which kind of picture it is.
  return `data:image/*;base64,${base64}`;
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => entities[character] ?? "");
}
