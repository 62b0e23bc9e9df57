import { assert, assertEquals } from "@std/assert";

/** Lowest first. A file imports from its own floor and from those below. */
const FLOORS = [
  "std",
  "base",
  "codec",
  "identity",
  "security",
  "transport",
  "socket",
  "peer",
  "router",
  "discovery",
  "raintree",
  "module",
  "admin",
  "kubernetes",
  "sim",
  "localnet",
  "cluster",
  "cli",
];

const LINES_MAX = 400;

/** Foreign peers to test against; the product does without them. */
const FOREIGN = /^(libp2p|@libp2p\/.*|@multiformats\/.*|fast-check|@std\/assert)$/;

interface SourceFile {
  /** Relative to the project: `src/base/clock.ts`. */
  path: string;
  floor: string;
  /** As written. */
  text: string;
  /** Without comments. */
  code: string;
}

const root = new URL("../", import.meta.url);
const imports: Record<string, string> = JSON.parse(await Deno.readTextFile(new URL("deno.json", root))).imports;
const files: SourceFile[] = [];
await readFolder("src/");

async function readFolder(folder: string): Promise<void> {
  for await (const path of scripts(folder)) {
    const text = await Deno.readTextFile(new URL(path, root));
    files.push({ path, floor: path.split("/")[1], text, code: withoutComments(text) });
  }
}

/** The paths of all TypeScript files in a folder and those below. */
async function* scripts(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(new URL(folder, root))) {
    const path = folder + entry.name;
    if (entry.isDirectory) yield* scripts(`${path}/`);
    else if (path.endsWith(".ts")) yield path;
  }
}

/** Blanks comments out; strings and templates stay, so that a `//` in a URL is none. */
function withoutComments(text: string): string {
  return text.replace(
    /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\/[^\n]*|\/\*[\s\S]*?\*\//g,
    (_match, kept) => kept ?? "",
  );
}

/** The comments of a file, strings that look like one left out. */
function comments(text: string): string[] {
  const found = text.matchAll(
    /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|(\/\/[^\n]*|\/\*[\s\S]*?\*\/)/g,
  );
  return [...found].flatMap(([, comment]) => comment ?? []);
}

/** Every module a file names: static, dynamic and type imports, re-exports, `import("...")` in types. */
function specifiers(code: string): string[] {
  const found = code.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)(["'])([^"'\n]+)\1/g);
  return [...found].map((match) => match[2]);
}

function withoutStrings(code: string): string {
  return code.replace(/"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g, '""');
}

Deno.test("floors: every folder of src is a floor", () => {
  const unknown = files.filter((file) => !FLOORS.includes(file.floor)).map((file) => file.path);
  assertEquals(unknown, []);
  assert(files.length > 10, `only ${files.length} files were read`);
});

Deno.test("floors: imports point down, also dynamic ones and those of types", () => {
  const wrong: string[] = [];
  let checked = 0;
  for (const { path, floor, code } of files) {
    for (const specifier of specifiers(code)) {
      if (!specifier.startsWith(".")) {
        if (FOREIGN.test(specifier)) wrong.push(`${path} imports "${specifier}", which only tests and benchmarks may`);
        if (specifier.startsWith("@std/") || specifier.startsWith("node:") || specifier in imports) continue;
        wrong.push(`${path} imports "${specifier}", which deno.json does not name`);
        continue;
      }
      checked++;
      const target = new URL(specifier, new URL(path, root)).href.slice(root.href.length);
      if (target === "deno.json") continue;
      const [folder, below] = target.split("/");
      if (folder !== "src") wrong.push(`${path} imports ${target}, which is above all floors`);
      else if (FLOORS.indexOf(below) > FLOORS.indexOf(floor)) wrong.push(`${path} imports up, ${target}`);
    }
  }
  assertEquals(wrong, []);
  assert(checked > 10, `only ${checked} imports were found`);
});

Deno.test("floors: the import finder sees every form of import", () => {
  const code = withoutComments(`
    import a from "./a.ts";
    import type { B } from './b.ts';
    import "./c.ts";
    export * from "./d.ts";
    export { e } from "./e.ts";
    const f = await import("./f.ts");
    let g: import("./g.ts").G;
    import {
      h,
    } from "./h.ts";
    // import "./no.ts";
    /* import "./no.ts"; */
    const url = "https://example.org"; import "./i.ts";
  `);
  assertEquals(specifiers(code), "abcdefghi".split("").map((letter) => `./${letter}.ts`));
});

Deno.test("floors: one file names Deno's listen and connect, one its HTTP server", () => {
  const naming = (pattern: RegExp) => files.filter(({ code }) => pattern.test(code)).map((file) => file.path);
  assertEquals(naming(/\bDeno\s*\.\s*(listen|connect)/), ["src/transport/libp2p/tcp_socket.ts"]);
  assertEquals(naming(/\bDeno\s*\.\s*serve/), ["src/admin/admin_server.ts"]);
});

Deno.test("floors: protocol code takes time and randomness as arguments", () => {
  const exempt = (path: string) =>
    path === "src/base/clock.ts" || path === "src/base/random.ts" || /^src\/(cli|sim|std)\//.test(path);
  const forbidden =
    /\b(Date\.now|performance\.now|setTimeout|setInterval|Math\.random|AbortSignal\.timeout|crypto\.getRandomValues|crypto\.randomUUID)\b|\bnew Date\(\)/;
  const wrong = files.filter(({ path }) => !exempt(path)).flatMap(({ path, code }) => {
    const found = forbidden.exec(withoutStrings(code));
    return found ? [`${path} calls ${found[0]}`] : [];
  });
  assertEquals(wrong, []);
});

Deno.test(`floors: no file is longer than ${LINES_MAX} lines`, () => {
  const long = files.map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }))
    .filter(({ lines }) => lines > LINES_MAX);
  assertEquals(long, []);
});

Deno.test("floors: a file that a comment names is in the project", async () => {
  const wrong: string[] = [];
  for (const folder of ["src/", "tests/", "bench/", "examples/"]) {
    for await (const path of scripts(folder)) {
      const text = comments(await Deno.readTextFile(new URL(path, root))).join("\n");
      const named = text.matchAll(
        /(?<![\w./:@-])(?:src|tests|bench|examples|docs|seeds|spec|shared|vectors)\/[\w./-]*\w/g,
      );
      for (const [name] of named) {
        const found = await Deno.stat(new URL(name, root)).catch(() => undefined);
        if (found === undefined) wrong.push(`${path} names ${name}`);
      }
    }
  }
  assertEquals(wrong, []);
});

Deno.test("floors: mod.ts files only re-export", () => {
  const wrong = files.filter(({ path }) => path.endsWith("/mod.ts")).filter(({ code }) => {
    const rest = code.replace(/export\s+(type\s+)?(\*(\s+as\s+\w+)?|\{[^}]*\})\s*from\s*"[^"]+";/g, "");
    return rest.trim() !== "";
  });
  assertEquals(wrong.map((file) => file.path), []);
});

Deno.test("deno.jsr.json is deno.json with the originals for the stand-ins", async () => {
  const ours = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  const theirs = JSON.parse(await Deno.readTextFile(new URL("deno.jsr.json", root)));
  for (const [name, specifier] of Object.entries<string>(theirs.imports)) {
    if (name.startsWith("@std/")) assertEquals(specifier.replace(/@\^[\d.]+$/, ""), `jsr:${name}`);
  }
  for (const config of [ours, theirs]) {
    config.imports = Object.fromEntries(
      Object.entries<string>(config.imports).map((
        [name, specifier],
      ) => [name, name.startsWith("@std/") ? "" : specifier]),
    );
  }
  assertEquals(theirs.publish.exclude, ["src/std"]);
  delete theirs.publish.exclude;
  assertEquals(theirs, ours);
});
