/**
 * Switches off the telemetry of ONNX Runtime, which since 1.30 sends events to Microsoft on Linux as well. The engine reads
 * the variable from the process when it is loaded, and the variables of a thread are a copy, so this is done before a
 * thread that loads it is started. A variable that is set already stays.
 */
export function disableTelemetry(env: NodeJS.ProcessEnv = process.env): void {
  env["ORT_DISABLE_TELEMETRY"] ??= "1";
}
