import { assertEquals } from "@std/assert";
import { parseArgs } from "@std/cli";

Deno.test("parseArgs() reads flags, values, repeats, short names and positional arguments", () => {
  const args = parseArgs(["tree", "27", "--mode=exact", "-p", "3", "--peer", "a", "--peer=b", "--json", "--", "--x"], {
    boolean: ["json", "help"],
    string: ["mode", "port", "peer", "_"],
    collect: ["peer"],
    alias: { port: "p" },
  });
  assertEquals({ mode: args.mode, port: args.port, peer: args.peer, json: args.json, help: args.help, _: args._ }, {
    mode: "exact",
    port: "3",
    peer: ["a", "b"],
    json: true,
    help: false,
    _: ["tree", "27", "--x"],
  });
});

Deno.test("parseArgs() gives an empty text where a flag follows instead of a value", () => {
  const args = parseArgs(["--config", "--json", "--out"], { boolean: ["json"], string: ["config", "out"] });
  assertEquals([args.config, args.json, args.out], ["", true, ""]);
});

Deno.test("parseArgs() reports unknown flags by the name that was written", () => {
  const unknown: string[] = [];
  parseArgs(["a", "--prot=1", "-z"], {
    string: ["port", "_"],
    unknown: (_arg, key) => key === undefined || (unknown.push(key), false),
  });
  assertEquals(unknown, ["prot", "z"]);
});
