/**
 * Turns a row of buttons into a tab list: one tab is selected, arrow keys move between them.
 *
 * @param onChoice - called with the chosen tab
 * @see WAI-ARIA Authoring Practices, "Tabs with Automatic Activation"
 */
export function tabs(list: Element, onChoice: (tab: HTMLElement) => void): void {
  const all = () => [...list.querySelectorAll<HTMLElement>("[role=tab]")];

  function choose(chosen: HTMLElement): void {
    for (const tab of all()) {
      const isChosen = tab === chosen;
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      const panel = document.getElementById(tab.getAttribute("aria-controls") ?? "");
      if (panel && panel.getAttribute("aria-labelledby") === tab.id) panel.hidden = !isChosen;
    }
    onChoice(chosen);
  }

  for (const tab of all()) {
    tab.tabIndex = tab.getAttribute("aria-selected") === "true" ? 0 : -1;
    tab.addEventListener("click", () => choose(tab));
  }
  list.addEventListener("keydown", (event) => {
    const steps: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1 };
    const step = steps[(event as KeyboardEvent).key];
    const tabsNow = all();
    const at = tabsNow.indexOf(document.activeElement as HTMLElement);
    if (step === undefined || at === -1) return;
    const next = tabsNow.at((at + step) % tabsNow.length);
    next?.focus();
    if (next) choose(next);
  });
}
