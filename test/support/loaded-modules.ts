// Imported before a program: sends its parent the modules that the program has loaded, whenever that asks and at the end.
import { registerHooks } from "node:module";

const urls: string[] = [];
registerHooks({
  load: (url, context, nextLoad) => {
    urls.push(url);
    return nextLoad(url, context);
  },
});
// Node's own modules by their names: "NativeModule http2".
const { moduleLoadList } = process as unknown as { readonly moduleLoadList: readonly string[] };
const send = () => process.send?.([...urls, ...moduleLoadList]);
process.on("message", send);
process.once("exit", send);
process.channel?.unref();
