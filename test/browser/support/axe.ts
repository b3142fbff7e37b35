import axe from "axe-core";
import type { Page } from "playwright-core";

/** Returns what axe finds wrong with a page for people who use it otherwise than by sight and mouse. */
export async function accessibilityFaults(page: Page): Promise<readonly string[]> {
  // Evaluated rather than added as a script, which the page's content security policy forbids.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: typeof axe }).axe.run(),
  );
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target.join(" ")}: ${failureSummary}`),
  );
}
