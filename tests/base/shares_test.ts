import { assertEquals } from "@std/assert";
import { Shares } from "../../src/base/shares.ts";

/** Takes the room if there is any. */
function took(shares: Shares<string>, holder: string, bytes: number): boolean {
  const fits = shares.fits(holder, bytes);
  if (fits) shares.take(holder, bytes);
  return fits;
}

Deno.test("Shares.fits() bounds pieces and bytes, of each holder and of all, and Shares.give() makes room again", () => {
  const shares = new Shares<string>({ each: { count: 3, bytes: 100 }, all: { count: 5, bytes: 150 } });
  const take = (...wanted: [string, number][]) => wanted.map(([holder, bytes]) => took(shares, holder, bytes));
  assertEquals(take(["a", 1], ["a", 1], ["a", 1], ["a", 1]), [true, true, true, false]);
  assertEquals(shares.of("a"), { count: 3, bytes: 3 });
  assertEquals(take(["b", 60], ["b", 41], ["b", 40]), [true, false, true]);
  assertEquals(take(["c", 1]), [false], "five pieces are held");
  shares.give("a", 1);
  assertEquals(take(["c", 49], ["c", 48]), [false, true], "150 bytes are held");
  shares.give("b", 60);
  shares.give("b", 40);
  assertEquals([shares.of("b"), take(["b", 101])], [{ count: 0, bytes: 0 }, [false]]);
});

Deno.test("Shares.fits() lets a first piece of any size in, so that it is not kept out for ever", () => {
  const shares = new Shares<string>({ each: { count: 3, bytes: 100 }, all: { count: 5, bytes: 1_000 } });
  assertEquals([took(shares, "a", 900), took(shares, "a", 1), took(shares, "b", 101)], [true, false, false]);
  shares.give("a", 900);
  assertEquals(took(shares, "b", 5_000), true);
});
