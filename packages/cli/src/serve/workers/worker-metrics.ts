/** Metrics of one worker, in Prometheus' text format. */
export interface WorkerMetrics {
  readonly number: number;
  readonly text: string;
}

/**
 * Joins the metrics of several workers: each sample gets the label `worker`, and the samples of a metric stay together.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function joinedMetrics(workers: readonly WorkerMetrics[]): string {
  const families = new Map<string, { readonly about: string[]; readonly samples: string[] }>();
  for (const { number, text } of workers) {
    let family = { about: [] as string[], samples: [] as string[] };
    for (const line of text.split("\n")) {
      if (line === "") continue;
      const name = /^# (?:HELP|TYPE|UNIT) (\S+)/.exec(line)?.[1];
      if (name === undefined) {
        if (!line.startsWith("#")) family.samples.push(labelled(line, number));
        continue;
      }
      family = families.get(name) ?? { about: [], samples: [] };
      families.set(name, family);
      if (!family.about.includes(line)) family.about.push(line);
    }
  }
  return [...families.values()]
    .flatMap(({ about, samples }) => [...about, ...samples, ""])
    .join("\n");
}

/** Adds the label to `name{labels} value` or `name value`. */
function labelled(sample: string, number: number): string {
  const label = `worker="${number}"`;
  const [, name = "", labels, rest = ""] = /^([^\s{]+)(?:\{(.*)\})?(\s.*)$/.exec(sample) ?? [];
  return `${name}{${[label, labels].filter(Boolean).join(",")}}${rest}`;
}
