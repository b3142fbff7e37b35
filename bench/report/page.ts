import type { Results } from "./results.ts";
import { markdownTable, tableOf } from "./table.ts";

const block = /(<!-- results of ([\w-]+) -->\n)[\s\S]*?(<!-- end of results -->)/g;

/**
 * Writes results between the marks of a page: `<!-- results of GROUP -->` and `<!-- end of results -->`.
 *
 * @param resultsOf - the newest results of a group; undefined if there are none yet
 */
export function withResults(
  page: string,
  resultsOf: (group: string) => Results | undefined,
): string {
  return page.replace(block, (_, begin: string, group: string, end: string) => {
    const results = resultsOf(group);
    const text = results
      ? blockOf(results)
      : `Not measured yet: \`npm run bench -- --row ${group}\`.`;
    return `${begin}${text}\n${end}`;
  });
}

const reduced = ({ divisor = 1 }: Results["settings"]) =>
  divisor > 1 ? ` of 1/${divisor} of the requests` : "";

function blockOf(results: Results): string {
  const { group, machine, versions, settings, loadAverage, skipped, rows } = results;
  const [before, after] = loadAverage;
  const programs = Object.entries({ node: machine["node"], ...versions });
  const notes = Object.entries(skipped).map(
    ([subject, reason]) => `${subject} skipped: ${reason}.`,
  );
  return [
    `![${group}](performance/${group}.svg)`,
    "",
    markdownTable(tableOf(rows)),
    "",
    [
      `${String(machine["date"]).slice(0, 10)}, commit ${machine["commit"]},`,
      `${machine["cpu"]}, ${machine["cores"]} cores, Linux ${machine["kernel"]};`,
      `${programs.map(([name, version]) => `${name} ${version}`).join(", ")};`,
      `${settings["rounds"]} rounds${reduced(settings)}, load average ${before} before and ${after} after.`,
      ...notes,
    ].join(" "),
  ].join("\n");
}
