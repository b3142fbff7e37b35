// A decoder for tests: the first byte of the picture says what it does.
process.on("disconnect", () => process.exit());
process.on("message", ({ bytes }) => {
  const kind = String.fromCharCode(bytes[0]);
  if (kind === "q") process.kill(process.pid, "SIGKILL");
  else process.send({ kind: "taken" }, undefined, undefined, () => answer(kind));
});
process.send({ kind: "ready" });

function answer(kind) {
  switch (kind) {
    case "d":
      return process.kill(process.pid, "SIGSEGV");
    case "a":
      return process.abort();
    case "k":
      return process.kill(process.pid, "SIGKILL");
    case "t":
      return process.kill(process.pid, "SIGTERM");
    case "s":
      return undefined;
    case "e":
      return process.send({
        kind: "refused",
        error: {
          reason: "unsupported-media",
          message: Object.keys(process.env).join(","),
          hint: undefined,
        },
        heldBytes: 0,
      });
    default:
      return process.send({
        kind: "tensor",
        tensor: {
          dtype: "FP32",
          shape: [1],
          data: new Uint8Array(Float32Array.of(process.pid).buffer),
        },
        heldBytes: kind === "f" ? 2 ** 40 : 0,
      });
  }
}
