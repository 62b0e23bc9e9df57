import { assertEquals, assertThrows } from "@std/assert";
import { type Flag, parseFlags, UsageError } from "../../src/cli/flags.ts";

const flags: Flag[] = [
  { name: "validators", short: "n", value: "N", summary: "" },
  { name: "mode", value: "exact|classic", summary: "" },
  { name: "peer", value: "URL", many: true, summary: "" },
  { name: "json", summary: "" },
];

Deno.test("parseFlags() reads switches, values, repeats and positional arguments", () => {
  const parsed = parseFlags(["-n", "27", "--mode=exact", "--peer", "a", "x", "--peer=b", "--json"], flags, 1);
  assertEquals(parsed.integer("validators", 1, 1000), 27);
  assertEquals(parsed.choice("mode", ["exact", "classic"]), "exact");
  assertEquals(parsed.values("peer"), ["a", "b"]);
  assertEquals(parsed.has("json"), true);
  assertEquals(parsed.positional, ["x"]);
});

Deno.test("parseFlags() tells what was not given", () => {
  const parsed = parseFlags([], flags);
  assertEquals(parsed.integer("validators", 1, 9), undefined);
  assertEquals(parsed.choice("mode", ["exact"]), undefined);
  assertEquals([parsed.value("mode"), parsed.values("peer"), parsed.has("json")], [undefined, [], false]);
});

Deno.test("parseFlags() keeps digits in positional arguments as text", () => {
  assertEquals(parseFlags(["0012", "1e3"], [], 2).positional, ["0012", "1e3"]);
});

Deno.test("parseFlags() rejects what a command does not take, with what it does take", () => {
  const cases: [() => unknown, string][] = [
    [() => parseFlags(["--validator", "9"], flags), 'Unknown flag "--validator"; did you mean "--validators"?'],
    [() => parseFlags(["-z"], flags), 'Unknown flag "-z"'],
    [() => parseFlags(["--mode"], flags), 'Flag "--mode" takes a value: --mode exact|classic'],
    [() => parseFlags(["--mode", "--json"], flags), 'Flag "--mode" takes a value'],
    [() => parseFlags(["--mode="], flags), 'Flag "--mode" takes a value'],
    [() => parseFlags(["--mode", "-"], flags, 1), 'Flag "--mode" takes a value'],
    [() => parseFlags(["--mode", "exact", "--mode=exact"], flags), 'Flag "--mode" is given twice'],
    [() => parseFlags(["-n", "1", "--validators", "2"], flags), 'Flag "--validators" is given twice'],
    [() => parseFlags(["--json=maybe"], flags), '"--json" is "maybe", it takes nothing, or true or false'],
    [
      () => parseFlags(["--validators", "-5"], flags).integer("validators", 1, 99),
      '"--validators" is "-5", it takes a whole number from 1 to 99',
    ],
    [() => parseFlags(["-5"], flags), 'Unexpected argument "-5"'],
    [() => parseFlags(["a", "b"], flags, 1), 'Unexpected argument "b"'],
    [
      () => parseFlags(["-n", "x"], flags).integer("validators", 1, 99),
      '"--validators" is "x", it takes a whole number from 1 to 99',
    ],
    [() => parseFlags(["-n", "100"], flags).integer("validators", 1, 99), '"--validators" is "100"'],
    [() => parseFlags(["-n", "1.5"], flags).integer("validators", 1, 99), '"--validators" is "1.5"'],
    [
      () => parseFlags(["--mode=exat"], flags).choice("mode", ["exact", "classic"]),
      '"--mode" is "exat", it takes one of "exact", "classic"; did you mean "exact"?',
    ],
  ];
  for (const [parse, message] of cases) assertThrows(parse, UsageError, message);
});

Deno.test("parseFlags() takes an empty value only where it means something", () => {
  const empty = [{ name: "store", value: "FILE", summary: "", mayBeEmpty: true }];
  for (const args of [["--store", ""], ["--store="]]) assertEquals(parseFlags(args, empty).value("store"), "");
  assertThrows(() => parseFlags(["--store"], empty), UsageError, "takes a value");
});

Deno.test("parseFlags() takes everything behind -- as it is, and - and -5 as arguments", () => {
  assertEquals(parseFlags(["-", "-5", "--", "--json", "--"], flags, 9).positional, ["-", "-5", "--json", "--"]);
  assertEquals(parseFlags(["--json=false"], flags).has("json"), false);
  assertEquals(parseFlags(["--peer=a=b"], flags).values("peer"), ["a=b"]);
});
