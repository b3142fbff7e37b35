import type { DetectorOptions, DetectorPresetName, FieldName } from "./detector-format.ts";
import { detectorPresets } from "./presets.ts";

/** Describes a detector of a preset by its own outputs; those that have the preset's names are left out. */
export function named(
  preset: DetectorPresetName,
  outputs: Readonly<Partial<Record<FieldName, string>>>,
): DetectorOptions {
  const usual = detectorPresets.get(preset)?.format;
  const differing = Object.entries(outputs).filter(
    ([field, output]) => usual?.[field as FieldName]?.output !== output,
  );
  return {
    preset,
    ...Object.fromEntries(differing.map(([field, output]) => [field, { output }])),
  };
}
