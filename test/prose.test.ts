import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

/** A phrase that hides the subject, the verb or the field's term, and what to write. */
interface Phrase {
  readonly pattern: RegExp;
  readonly write: string;
  readonly planted: string;
}

const phrases: readonly Phrase[] = [
  { pattern: /\bwhoever\b/i, write: "the subject", planted: "Whoever runs a gateway" },
  {
    pattern: /\b(no|some|any|every)body('s)?\b/i,
    write: "the subject: no caller, a client, all users",
    planted: "nobody is asked for a key",
  },
  {
    pattern: /\b(is|are|was|were|be|been|being) told\b/i,
    write: "gets, is logged, is reported",
    planted: "a caller is told when to retry",
  },
  {
    pattern: /\btells? of\b|\btelling\b/i,
    write: "reports",
    planted: "`onEvent` tells of attempts",
  },
  { pattern: /\banew\b/i, write: "again, a new one", planted: "connections are made anew" },
  {
    pattern: /\bat once\b/i,
    write: "immediately, or at the same time",
    planted: "the gateway answers at once",
  },
  { pattern: /\bfor ever\b/i, write: "forever, without limit", planted: "it waits for ever" },
  {
    pattern: /\b(what it (was|is) at|such a one)\b/i,
    write: "the noun",
    planted: "what it was at is repeated",
  },
  {
    pattern: /\bof (its|their|his|our|one's) own\b/i,
    write: "its own",
    planted: "a model of one's own",
  },
  {
    pattern: /\b(forgiv|praise|gladly|mercy|hopeful)\w*/i,
    write: "what the code does",
    planted: "a late clock is forgiven",
  },
  {
    pattern: /\b(turned|turns|turn) (\w+ )?away\b/i,
    write: "rejects",
    planted: "or turns them away",
  },
  { pattern: /\bleft alone\b/i, write: "ejected, not used", planted: "the replica is left alone" },
  {
    pattern: /\bin the place of\b/i,
    write: "instead of",
    planted: "a gateway in the place of replicas",
  },
  { pattern: /\blearnt\b/i, write: "measured, estimated", planted: "the limit is learnt" },
  {
    pattern:
      /\b(waiting )?lines? (that|which) grows?\b|\bstand(s|ing)? in line\b|\bwaits? in line\b/i,
    write: "queue",
    planted: "calls that wait in line",
  },
  {
    pattern: /\bto come again\b|\bcomes? again\b/i,
    write: "retry",
    planted: "says when to come again",
  },
  {
    pattern: /\bno (words?|news) of\b|\bunasked\b|\bin a hurry\b/i,
    write: "what is missing",
    planted: "what `curl` says unasked",
  },
];

/** Of a changelog, what readers read next: what is released stays as it was. */
const newest = (page: string) => page.split(/^## /m).slice(0, 2).join("## ");

/** Sentences of a page: its code, and what the glossary says not to write, are no prose. */
const proseOf = (page: string) =>
  page
    .replace(/^```[\s\S]*?^```/gm, "")
    .replace(/^\| \*\*.*\*\*.*\|$/gm, (row) => row.split("|").slice(0, -2).join("|"))
    .replace(/`[^`\n]+`/g, "code");

const broken = (page: string) =>
  proseOf(page)
    .split("\n")
    .flatMap((line) => phrases.filter(({ pattern }) => pattern.test(line)).map(explain(line)));

const explain =
  (line: string) =>
  ({ pattern, write }: Phrase): string =>
    `${pattern.exec(line)?.[0]} (write ${write}): ${line}`;

const pages = globSync(
  [
    ...[
      "*.md",
      "docs/{,tutorials/,how-to/,reference/,explanation/}*.md",
      "{packages/*,proto}/README.md",
      "Dockerfile",
    ],
    ...["proto/tensorgate/v1/*.proto", "deploy/*/*.{yaml,service}", "examples/*/*.{py,go,ts,tsx}"],
    "examples/README.md",
  ],
  { cwd: root },
);

test.each(pages)("%s names the subject and uses its verb", (name) => {
  const page = readFileSync(`${root}${name}`, "utf8");

  expect(broken(name === "CHANGELOG.md" ? newest(page) : page)).toEqual([]);
});

/** Comments of sources, and the titles of tests. */
const commentsOf = (source: string) =>
  (source.match(/\/\*\*[\s\S]*?\*\/|\/\/ .*$/gm) ?? []).join("\n").replaceAll(/^ *\* /gm, "");
const titlesOf = (source: string) =>
  [...source.matchAll(/^ *(?:test|describe)(?:\.\w+\(.*\))?\(\s*(["'`])(.*?)\1,/gm)]
    .map(([, , title]) => title)
    .join("\n");

const sources = globSync("packages/*/{src,simulation,page}/**/*.ts", { cwd: root });
const tests = globSync("{packages,test}/**/*.test.ts", {
  cwd: root,
  exclude: (path) => /(^|\/)(node_modules|dist)(\/|$)/.test(path),
});

test("the comments of sources and the titles of tests do so, too", () => {
  const read = (name: string) => readFileSync(`${root}${name}`, "utf8");
  const published = sources.filter((name) => !name.endsWith(".test.ts"));
  expect(published.length).toBeGreaterThan(500);
  expect(tests.length).toBeGreaterThan(300);

  expect(published.flatMap((name) => broken(commentsOf(read(name))))).toEqual([]);
  expect(tests.flatMap((name) => broken(titlesOf(read(name))))).toEqual([]);
});

test.each([
  ["a comment", commentsOf("/** Ends it at once. */\nconst a = 1; // It is told.")],
  ["a title", titlesOf('test("a call ends at once", () => {});\ntest.each([1])("%d is told", f);')],
])("%s is read", (_, text) => {
  expect(broken(text)).toHaveLength(2);
});

describe("a planted violation is found", () => {
  test.each(phrases)("$planted", ({ planted, write }) => {
    expect(broken(`A page.\n\n* ${planted}.`)).toEqual([expect.stringContaining(write)]);
  });
});

test.each([
  "`at once` in code",
  "```\nat once\n```",
  "| **retry** | a further attempt | A6 | come again |",
])("%s is no prose", (page) => {
  expect(broken(page)).toEqual([]);
});

test("what was released before the newest section of the changelog stays as it was", () => {
  expect(broken(newest("# Changelog\n\n## Unreleased\n\n## 0.1\n\n* for ever"))).toEqual([]);
  expect(broken(newest("# Changelog\n\n## Unreleased\n\n* for ever\n\n## 0.1"))).toHaveLength(1);
});
