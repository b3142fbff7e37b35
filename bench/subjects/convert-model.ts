// Converts a SavedModel: convert-model.ts FROM TO. It ends when ONNX Runtime has run the result.
import { convertModel } from "@tensorgate/model-server";

const [from = "", to = ""] = process.argv.slice(2);
await convertModel({ from, to });
