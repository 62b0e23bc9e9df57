import { assertEquals } from "@std/assert";
import { Contested } from "../../src/raintree/contested.ts";

/** What is due in the next round. */
function due(contested: Contested): [sequence: number, first: boolean][] {
  const said: [number, boolean][] = [];
  contested.round((sequence, first) => said.push([sequence, first]));
  return said;
}

Deno.test("Contested: each is due for so many rounds, once in its life", () => {
  const contested = new Contested(2);
  assertEquals([contested.add(5), contested.add(5)], [true, false]);
  assertEquals(due(contested), [[5, true]]);
  assertEquals(contested.add(3), true);
  assertEquals(due(contested), [[5, false], [3, true]]);
  assertEquals([contested.open, contested.size], [1, 2]);
  assertEquals(due(contested), [[3, false]]);
  assertEquals([due(contested), contested.add(5), contested.add(3), contested.open], [[], false, false, 0]);
  contested.forgetBelow(5);
  assertEquals([contested.size, contested.add(3)], [1, true]);
  contested.forgetBelow(10);
  assertEquals(contested.size, 1, "3 is still due");
  contested.clear();
  assertEquals([contested.size, contested.open, due(contested)], [0, 0, []]);
});

Deno.test("Contested with no rounds contests nothing", () => {
  const contested = new Contested(0);
  assertEquals([contested.add(1), contested.size, due(contested)], [false, 0, []]);
});

Deno.test("Contested remembers 8,192, and 512 are due at once; the others follow", () => {
  const contested = new Contested(1);
  for (let sequence = 0; sequence < 8193; sequence++) contested.add(sequence);
  assertEquals([contested.size, contested.open], [8192, 8192]);
  const said: number[] = [];
  for (let round = 0; round < 16; round++) {
    const numbers = due(contested).map(([sequence]) => sequence);
    assertEquals(numbers.length, 512);
    said.push(...numbers);
  }
  assertEquals(said, Array.from({ length: 8192 }, (_, i) => i + 1));
  assertEquals([contested.open, due(contested)], [0, []]);
});
