import { assertEquals } from "@std/assert";
import { didYouMean, suggest } from "../../src/base/suggest.ts";

Deno.test("suggest() finds the word that was meant, and none where none is near", () => {
  const words = ["tree", "keys", "node", "persistent_peers", "port"];
  const cases: [string, string | undefined][] = [
    ["tere", "tree"], // letters swapped
    ["treee", "tree"], // one added
    ["kys", "keys"], // one missing
    ["mode", "node"], // one wrong
    ["PORT", "port"],
    ["persistant_peer", "persistent_peers"],
    ["help", undefined],
    ["x", undefined],
    ["", undefined],
  ];
  for (const [written, meant] of cases) assertEquals(suggest(written, words), meant, written);
});

Deno.test("didYouMean() is empty where no word is near", () => {
  assertEquals(didYouMean("prot", ["port"]), '; did you mean "port"?');
  assertEquals(didYouMean("something", ["port"]), "");
});
