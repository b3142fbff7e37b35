export * from "./loops.ts";
export * from "./saved-model.ts";
