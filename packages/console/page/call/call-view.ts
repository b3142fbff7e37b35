import { createHtml, element } from "../elements.ts";
import { tabs } from "../tabs.ts";
import { type Language, languages, type SnippetCall, snippet } from "./snippets.ts";

export interface CallView {
  show(call: SnippetCall): void;
}

/** Shows the current call in several languages, to be copied. */
export function createCallView(): CallView {
  let language: Language = "curl";
  let shown: SnippetCall | undefined;
  const list = element("languages");
  list.append(
    ...languages.map((name) =>
      createHtml(
        "button",
        {
          role: "tab",
          type: "button",
          "aria-controls": "call-panel",
          "aria-selected": name === language ? "true" : "false",
        },
        name,
      ),
    ),
  );
  const refresh = () => {
    element("call").textContent = shown ? snippet(language, shown) : "";
  };
  tabs(list, ({ textContent }) => {
    language = textContent as Language;
    refresh();
  });
  const copy = element("copy");
  copy.addEventListener("click", async () => {
    const code = element("call");
    // A page loaded over plain http from another machine has no clipboard API: the code is selected instead.
    if (!navigator.clipboard) return getSelection()?.selectAllChildren(code);
    await navigator.clipboard.writeText(code.textContent ?? "");
    copy.textContent = "Copied";
    setTimeout(() => {
      copy.textContent = "Copy";
    }, 1_500);
  });
  return {
    show: (call) => {
      shown = call;
      refresh();
    },
  };
}
