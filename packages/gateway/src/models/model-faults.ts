import { detectorPresets, families } from "@tensorgate/tf-serving";
import { detectorFaults } from "./detection/detector-faults.ts";
import type { InputOptions, ResizeOptions } from "./input-options.ts";
import { resizeKind } from "./picture-input.ts";
import type { ModelOptions } from "./release-options.ts";

export interface ModelFault {
  readonly path: readonly string[];
  readonly message: string;
}

/** Outputs of a detector's head: class logits and box offsets of six layers. */
const headOutputCount = 12;

/** What a model's description cannot mean, though each part of it is well formed. */
export function modelFaults(options: ModelOptions): readonly ModelFault[] {
  if (options.head) return headFaults(options);
  return [
    ...inputFaults(options),
    ...outputFaults(options),
    ...detectorFaults(options),
    ...labelFaults(options),
    ...taskFaults(options),
    ...goldenFaults(options),
    ...versionFaults(options),
    ...repetitionFaults(options),
  ];
}

/** Settings of a model that is a head: all others come from its backbone. */
const headSettings: ReadonlySet<string> = new Set(["name", "head", "residency"]);

function headFaults(options: ModelOptions): readonly ModelFault[] {
  const { head, name } = options;
  const faults = Object.keys(options)
    .filter((setting) => !headSettings.has(setting))
    .map((setting) => ({ path: [setting], message: "has no meaning beside head" }));
  if (head?.of !== name) return faults;
  return [
    ...faults,
    { path: ["head", "of"], message: "a head reads the features of another model" },
  ];
}

function inputFaults({ family, variant, input, detector }: ModelOptions): readonly ModelFault[] {
  const faults: ModelFault[] = [];
  if (variant !== undefined && family === undefined) {
    faults.push({ path: ["variant"], message: "variant requires family" });
  }
  const isEncoded = input !== undefined && input.kind !== "pixels";
  if (family === "ssd-vgg" && variant === "float" && isEncoded) {
    faults.push({
      path: ["input", "kind"],
      message: "the float variant of ssd-vgg requires kind: pixels",
    });
  }
  if (!input) return faults;
  if (family === undefined && input.tensor === undefined) {
    faults.push({ path: ["input", "tensor"], message: "required for a model without family" });
  }
  const usual = detector?.preset && detectorPresets.get(detector.preset)?.input;
  return [
    ...faults,
    ...resizeFaults(input, {
      hasFamily: family !== undefined,
      usual: input.kind === "pixels" ? usual : {},
    }),
  ];
}

interface UsualResize {
  /** A family says what is left out. */
  readonly hasFamily: boolean;
  /** What a detector's preset says. */
  readonly usual: ResizeOptions | undefined;
}

function resizeFaults(
  input: InputOptions,
  { hasFamily, usual }: UsualResize,
): readonly ModelFault[] {
  const { heightPx, widthPx, shorterSidePx, longerSidePx, padValue, padding } = input;
  const kind = resizeKind(input, usual);
  const faults: ModelFault[] = [];
  const add = (setting: string, message: string) =>
    faults.push({ path: ["input", setting], message });
  const needsSize = kind !== "fit" && (input.kind === "pixels" || kind !== "stretch");
  for (const [side, value] of Object.entries({ heightPx, widthPx })) {
    if (kind === "fit" && value !== undefined) {
      add(side, "has no meaning with resize: fit, where the input has the size of the picture");
    }
    if (needsSize && !hasFamily && value === undefined) {
      add(side, "required for a model without family");
    }
  }
  if (kind !== "letterbox") {
    for (const [setting, value] of Object.entries({ padValue, padding })) {
      if (value !== undefined) add(setting, "requires resize: letterbox");
    }
  }
  if (longerSidePx !== undefined && kind !== "fit") add("longerSidePx", "requires resize: fit");
  if (kind === "crop") faults.push(...cropFaults(input));
  else if (shorterSidePx !== undefined && kind !== "fit") {
    add("shorterSidePx", `has no meaning with resize: ${kind}`);
  }
  return faults;
}

function cropFaults({ shorterSidePx, heightPx = 0, widthPx = 0 }: InputOptions) {
  const path = ["input", "shorterSidePx"];
  if (shorterSidePx === undefined) return [{ path, message: "required with resize: crop" }];
  const longest = Math.max(heightPx, widthPx);
  if (longest <= shorterSidePx) return [];
  return [
    {
      path,
      message: `must be at least ${longest}, the longer side of the crop, got ${shorterSidePx}`,
    },
  ];
}

function outputFaults({ family, detector, output = {} }: ModelOptions): readonly ModelFault[] {
  const task = family === undefined ? undefined : families.get(family)?.task;
  const entries = Object.entries(output);
  const boxCount = entries.filter(([, { holds }]) => holds === "boxes").length;
  const faults = entries.flatMap(([key, { holds }], index): readonly ModelFault[] => {
    const path = ["output", key, "holds"];
    const role = roleOf(holds);
    const first = entries.findIndex(([, other]) => roleOf(other.holds) === role);
    if ((role === "class scores" || role === "features") && first !== index) {
      return [{ path, message: `two outputs hold ${role}; list one of them` }];
    }
    if (task === "classify" && role === "boxes") {
      return [{ path, message: `family ${family} has no boxes` }];
    }
    if (task === "detect" && role === "class scores") {
      return [{ path, message: `family ${family} has boxes, not class scores` }];
    }
    const isOfFamily =
      family === undefined || families.get(family)?.outputs.some(({ name }) => name === key);
    if (role === "boxes" && !isOfFamily) {
      return [{ path, message: `unknown output; family ${family} has out_0 to out_11` }];
    }
    return [];
  });
  if (family === undefined && !detector && boxCount > 0 && boxCount !== headOutputCount) {
    faults.push({
      path: ["output"],
      message: `set detector, or list the outputs of SSD-VGG: it requires ${headOutputCount} outputs with holds: boxes (class logits of six layers, then their offsets), got ${boxCount}`,
    });
  }
  return faults;
}

function roleOf(holds: string): string {
  return holds === "probabilities" || holds === "logits" ? "class scores" : holds;
}

function labelFaults(options: ModelOptions): readonly ModelFault[] {
  const { labels, classCount, family } = options;
  if (!labels || typeof labels === "string") return [];
  const isDetector = family !== undefined && families.get(family)?.task === "detect";
  const count = labels.length + (labels[0] === "background" ? 0 : 1);
  if (isDetector && count > 21) {
    return [
      {
        path: ["labels"],
        message: `${count} classes with the background exceed the 21 of the model`,
      },
    ];
  }
  const usual = usualClassCount(options);
  if (usual !== undefined && labels.length !== usual && labels.length !== usual + 1) {
    return [
      {
        path: ["labels"],
        message: `${labels.length} labels are listed, but ${family} has ${usual} scores; if this model differs, set classCount: ${labels.length}`,
      },
    ];
  }
  if (classCount === undefined || classCount === labels.length) return [];
  return [
    {
      path: ["labels"],
      message: `${labels.length} labels are listed, but classCount is ${classCount}`,
    },
  ];
}

/** @returns undefined if the family does not determine the number of scores */
function usualClassCount({ family, classCount, output = {} }: ModelOptions): number | undefined {
  const described = family === undefined ? undefined : families.get(family);
  const isOverridden = Object.values(output).some(({ holds }) => roleOf(holds) === "class scores");
  if (described?.task !== "classify" || classCount !== undefined || isOverridden) return undefined;
  return described.labels.length;
}

function repetitionFaults({ cache, hedge, idempotent }: ModelOptions): readonly ModelFault[] {
  if (idempotent !== false) return [];
  const cached = "a model that is not idempotent cannot be cached";
  const hedged = "a model that is not idempotent cannot be hedged";
  return [
    ...(cache ? [{ path: ["cache"], message: cached }] : []),
    ...(hedge ? [{ path: ["hedge"], message: hedged }] : []),
  ];
}

/** Faults of versions together with what they share with the model. */
function versionFaults({ versions = [], ...options }: ModelOptions): readonly ModelFault[] {
  return versions.flatMap(({ version, ...different }, index) => {
    const own = new Set(Object.keys(different));
    const isRepeated =
      versions.findIndex((each) => String(each.version) === String(version)) < index;
    const faults = modelFaults({ ...options, ...different }).filter(({ path: [setting = ""] }) =>
      own.has(setting),
    );
    return [
      ...faults,
      ...(isRepeated ? [{ path: ["version"], message: `version ${version} is listed twice` }] : []),
    ].map(({ path, message }) => ({ path: ["versions", String(index), ...path], message }));
  });
}

function goldenFaults({ golden, input, family }: ModelOptions): readonly ModelFault[] {
  if (!golden || input || family !== undefined) return [];
  return [
    { path: ["golden"], message: "requires a model that takes pictures; describe its input" },
  ];
}

function taskFaults({
  task,
  family,
  detector,
  input,
  output = {},
}: ModelOptions): readonly ModelFault[] {
  if (task === undefined || task === "predict") return [];
  const needed = { classify: "class scores", detect: "boxes", embed: "features" }[task];
  const ofFamily = family === undefined ? [] : (families.get(family)?.outputs ?? []);
  const roles = [...Object.values(output), ...ofFamily].map(({ holds }) => roleOf(holds));
  const takesPicture = input !== undefined || family !== undefined;
  const isDescribed = roles.includes(needed) || (task === "detect" && detector !== undefined);
  if (takesPicture && isDescribed) return [];
  const message = takesPicture
    ? `${task} requires an output that holds ${needed}`
    : `${task} requires a model that takes pictures; describe its input`;
  return [{ path: ["task"], message }];
}
