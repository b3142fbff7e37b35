import { type ClusterTools, kubectlJson } from "./cluster-tools.ts";
import { eventList, isPodReady, isPodRunning, podList } from "./kubernetes-objects.ts";

export const serviceSelector = (service: string): readonly string[] => [
  "-l",
  `app.kubernetes.io/instance=${service}`,
];

/** Most lines of a container's log that are shown. */
const maxLogLines = 5;
/** Most warnings of a pod that are shown. */
const maxWarnings = 3;

/** Says why pods of a service are not ready: their states, warnings, and the last lines of their logs. */
export async function failedPodLines(
  tools: ClusterTools,
  service: string,
): Promise<readonly string[]> {
  const pods = await kubectlJson(tools, ["get", "pods", ...serviceSelector(service)], podList);
  const warnings = await kubectlJson(tools, ["get", "events"], eventList);
  const lines: string[] = [];
  for (const pod of pods.items.filter((each) => isPodRunning(each) && !isPodReady(each))) {
    const { name } = pod.metadata;
    const containers = pod.status.containerStatuses.filter(({ ready }) => !ready);
    const why = containers.flatMap(({ state: { waiting, terminated } }) => {
      const found = waiting ?? terminated;
      return found?.reason ? [`${found.reason}${found.message ? `: ${found.message}` : ""}`] : [];
    });
    const unscheduled = pod.status.conditions.find(
      ({ type, status }) => type === "PodScheduled" && status === "False",
    );
    lines.push(`pod ${name}: ${why[0] ?? unscheduled?.message ?? pod.status.phase}`);
    const seen = warnings.items.filter(
      ({ type, involvedObject }) => type === "Warning" && involvedObject.name === name,
    );
    const texts = new Set(seen.map(({ reason, message }) => `${reason}: ${message}`));
    lines.push(...[...texts].slice(-maxWarnings).map((text) => `  ${text}`));
    if (containers.length === 0) continue;
    const args = ["logs", name, `--tail=${maxLogLines}`];
    // A container that has not started has no log.
    const { code, stdout } = await tools.kubectl(args, { accepted: [0, 1] });
    if (code === 0)
      lines.push(
        ...stdout
          .split("\n")
          .filter(Boolean)
          .map((line) => `  | ${line}`),
      );
  }
  return lines;
}
