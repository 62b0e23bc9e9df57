import { assert, assertEquals, assertMatch, assertNotMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { UsageError } from "../../src/cli/flags.ts";
import type { Io } from "../../src/cli/io.ts";
import { command } from "../../src/cli/tree_command.ts";
import vectors from "../vectors/raintree.json" with { type: "json" };

interface Looks {
  terminal?: boolean;
  noColor?: boolean;
}

/** What the command prints; it must exit with 0. */
async function tree(args: string, { terminal = false, noColor = false }: Looks = {}): Promise<string> {
  let printed = "";
  assertEquals(await command.run(args.split(" "), io((text) => printed += text, terminal, noColor)), 0);
  return printed;
}

function io(stdout: (text: string) => void, terminal: boolean, noColor: boolean): Io {
  return {
    stdout,
    stderr: () => {},
    stdin: () => Promise.resolve(""),
    env: (name) => name === "NO_COLOR" && noColor ? "1" : undefined,
    signal: new AbortController().signal,
    isTerminal: { stdout: terminal, stderr: terminal },
    columns: 80,
  };
}

function refusal(args: string[]): UsageError {
  return assertThrows(() => command.run(args, io(() => {}, false, false)), UsageError);
}

Deno.test("tree N --json prints every recorded network as recorded", async () => {
  for (const [n, network] of Object.entries(vectors.networks)) {
    const printed = JSON.parse(await tree(`${n} --json`));
    const { classic, exact } = printed;
    if (Number(n) > 100 && Number(n) <= 1000) {
      // We tell everything up to 1,000; the record holds totals from 101 on.
      assertEquals([classic.reads.length, classic.writes.length, exact.writes.length], new Array(3).fill(Number(n)));
      assertEquals(exact.sends.length, exact.messages);
      const totals = {
        classic: { levels: classic.levels, messages: classic.messages, missed: classic.missed.length },
        exact: { messages: exact.messages, depth: exact.depth },
      };
      assertEquals(totals, network as unknown);
    } else {
      assertEquals(printed, network);
    }
  }
});

Deno.test("tree N --json stays small for a million nodes, and ignores the mode", async () => {
  const printed = await tree("1000000 --json --mode classic");
  assert(printed.length < 200, printed);
  assertEquals(JSON.parse(printed).exact, { messages: 999_999, depth: 13 });
});

Deno.test("tree N --json --originator K turns every position", async () => {
  const { classic, exact } = JSON.parse(await tree("4 --json --originator 3"));
  assertEquals(exact, { messages: 3, depth: 1, writes: [0, 0, 0, 3], sends: [[3, 1, 1], [3, 2, 1], [3, 0, 1]] });
  assertEquals([classic.reads, classic.writes], [[2, 2, 1, 0], [1, 1, 0, 3]]);
  assertEquals(JSON.parse(await tree("8 --json --originator 5")).classic.missed, [1, 4]);
});

Deno.test("tree N draws the exact tree and the expected table", async () => {
  assertEquals(
    await tree("9"),
    `One exact broadcast over 9 nodes

0 originator
├─ 3 answers for 3: 3..5
│  └─ 4, 5
├─ 6 answers for 3: 6..8
│  └─ 7, 8
└─ 1, 2

Expected network reads and writes
node  reads  writes     node  reads  writes
   0      0       4        5      1       0
   1      1       0        6      1       2
   2      1       0        7      1       0
   3      1       2        8      1       0
   4      1       0

Totals
messages     8 for 8 deliveries
reached      9 of 9
hops         2
connections  4 to send on, whoever broadcasts: to ring offsets 1, 2, 3, 6
`,
  );
});

Deno.test("tree N --mode classic marks second copies and names the nodes it never reaches", async () => {
  const printed = await tree("24 --mode classic", { terminal: true });
  assertStringIncludes(printed, "9 of 24 nodes are never reached");
  assertStringIncludes(printed, "\x1b[31m1, 4, 7, 9, 12, 15, 17, 20, 23\x1b[39m");
  assertStringIncludes(printed, "\x1b[33m16=\x1b[39m, \x1b[33m19=\x1b[39m");
  assertNotMatch(await tree("27 --mode classic"), /never reached|=/);
});

Deno.test("tree N draws every node once in exact mode, the copies too in classic mode", async () => {
  for (const n of [1, 2, 5, 14, 27, 50, 100]) {
    const drawing = (await tree(`${n} --full`)).split("\n\n")[1];
    const nodes = drawing.replaceAll(/answers for .*/g, "").match(/\d+/g)!.map(Number).sort((a, b) => a - b);
    assertEquals(nodes, Array.from({ length: n }, (_, i) => i), `at ${n}`);
  }
  const { messages } = vectors.networks[30].classic;
  const drawing = (await tree("30 --full --mode classic")).split("\n\n")[1].split("= marks")[0];
  assertEquals(drawing.replaceAll(/level \d+/g, "").match(/\d+/g)!.length, messages + 1);
});

Deno.test("tree N draws part of a large tree and says so", async () => {
  for (const args of ["1000", "1000000", "1000000 --mode classic"]) {
    const printed = await tree(args);
    const lines = printed.split("\n");
    assert(lines.length < 110, `${args}: ${lines.length} lines`);
    assertMatch(printed, /--full draws everything/);
    assertMatch(printed, /and \d+ more; --full lists them/);
    const wide = lines.filter((line) => line.length > 120);
    assertEquals(wide, []);
  }
});

Deno.test("tree N --full lists everything: every row, every place never reached, every offset, every leaf", async () => {
  const printed = await tree("1000 --full --mode classic");
  assertEquals(printed.includes("..."), false, "something is left out");
  const { classic: { missed } } = JSON.parse(await tree("1000 --json"));
  assertStringIncludes(printed, `\n${missed.join(", ")}\n`);
  assertEquals((await tree("5000 --full")).includes("..."), false, "something is left out");
});

Deno.test("tree N counts as deliveries what is reached, and one of them in the singular", async () => {
  assertStringIncludes(await tree("24 --mode classic"), "messages     26 for 14 deliveries\nreached      15 of 24\n");
  assertStringIncludes(await tree("2"), "messages     1 for 1 delivery\n");
});

Deno.test("tree N draws leaves in ring order", async () => {
  assertStringIncludes(await tree("30"), "└─ 1, 2, 3\n");
});

Deno.test("tree colours only a terminal without NO_COLOR", async () => {
  assertStringIncludes(await tree("9", { terminal: true }), "\x1b[");
  assertEquals(await tree("9", { terminal: true, noColor: true }), await tree("9"));
  assert(!(await tree("9")).includes("\x1b"), "colours without a terminal");
});

Deno.test("tree refuses a wrong N, originator or mode as a usage error", () => {
  assertStringIncludes(refusal([]).message, "N is missing");
  for (const n of ["0", "-5", "1.5", "1e3", "nine", "1000001", ""]) {
    const { message, code } = refusal(["--", n]);
    assertEquals(code, "usage");
    assertStringIncludes(message, "from 1 to 1000000");
  }
  assertStringIncludes(refusal(["9", "--originator", "9"]).message, "from 0 to 8");
  assertStringIncludes(refusal(["9", "--mode", "exakt"]).message, '"exact"');
  assertStringIncludes(refusal(["9", "10"]).message, '"10"');
  assertStringIncludes(refusal(["9", "--jsn"]).message, "--json");
});
