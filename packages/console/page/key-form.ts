import { element } from "./elements.ts";
import { useKey } from "./gateway.ts";

/** Asks for a key, says why, and calls `onKey` when it is entered. */
export function askForKey(onKey: () => void): void {
  const form = element<HTMLFormElement>("key-form");
  const input = element<HTMLInputElement>("key");
  form.hidden = false;
  form.onsubmit = (event) => {
    event.preventDefault();
    useKey(input.value.trim());
    onKey();
  };
  input.focus();
}
