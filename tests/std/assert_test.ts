import * as standIn from "@std/assert";
import { AssertionError } from "@std/assert";

/** Every assertion of the stand-in, once where it must pass and once where it must fail: one that never fails would hide every bug. */
const cases: [name: string, passes: () => unknown, fails: () => unknown][] = [
  ["assert", () => standIn.assert(1), () => standIn.assert(0)],
  ["assertFalse", () => standIn.assertFalse(""), () => standIn.assertFalse("x")],
  [
    "assertEquals",
    () => standIn.assertEquals([{ a: 1 }], [{ a: 1 }]),
    () => standIn.assertEquals([{ a: 1 }], [{ a: 2 }]),
  ],
  [
    "assertEquals on bytes",
    () => standIn.assertEquals(new Uint8Array([1, 2]), new Uint8Array([1, 2])),
    () => standIn.assertEquals(new Uint8Array([1, 2]), new Uint8Array([1, 3])),
  ],
  ["assertNotEquals", () => standIn.assertNotEquals({ a: 1 }, { a: 2 }), () => standIn.assertNotEquals([1], [1])],
  ["assertStrictEquals", () => standIn.assertStrictEquals(1, 1), () => standIn.assertStrictEquals([], [])],
  ["assertNotStrictEquals", () => standIn.assertNotStrictEquals([], []), () => standIn.assertNotStrictEquals(1, 1)],
  ["assertExists", () => standIn.assertExists(0), () => standIn.assertExists(undefined)],
  ["assertInstanceOf", () => standIn.assertInstanceOf([], Array), () => standIn.assertInstanceOf({}, Array)],
  ["assertMatch", () => standIn.assertMatch("abc", /b/), () => standIn.assertMatch("abc", /x/)],
  ["assertNotMatch", () => standIn.assertNotMatch("abc", /x/), () => standIn.assertNotMatch("abc", /b/)],
  [
    "assertStringIncludes",
    () => standIn.assertStringIncludes("abc", "bc"),
    () => standIn.assertStringIncludes("abc", "cb"),
  ],
  [
    "assertArrayIncludes",
    () => standIn.assertArrayIncludes([1, 2, 3], [3, 1]),
    () => standIn.assertArrayIncludes([1, 2, 3], [4]),
  ],
  [
    "assertObjectMatch",
    () => standIn.assertObjectMatch({ a: { b: 1, c: 2 } }, { a: { b: 1 } }),
    () => standIn.assertObjectMatch({ a: { b: 1 } }, { a: { b: 2 } }),
  ],
  ["assertAlmostEquals", () => standIn.assertAlmostEquals(1, 1.01, 0.1), () => standIn.assertAlmostEquals(1, 1.2, 0.1)],
  ["assertAlmostEquals on NaN", () => standIn.assertAlmostEquals(1, 1), () => standIn.assertAlmostEquals(NaN, 1, 9)],
  ["assertGreater", () => standIn.assertGreater(2, 1), () => standIn.assertGreater(1, 1)],
  ["assertGreaterOrEqual", () => standIn.assertGreaterOrEqual(1, 1), () => standIn.assertGreaterOrEqual(0, 1)],
  ["assertLess", () => standIn.assertLess(1, 2), () => standIn.assertLess(1, 1)],
  ["assertLessOrEqual", () => standIn.assertLessOrEqual(1, 1), () => standIn.assertLessOrEqual(2, 1)],
  [
    "assertIsError",
    () => standIn.assertIsError(new TypeError("no"), TypeError, "no"),
    () => standIn.assertIsError("no"),
  ],
  ["assertThrows", () => standIn.assertThrows(thrower), () => standIn.assertThrows(() => 1)],
  [
    "assertThrows by class",
    () => standIn.assertThrows(thrower, TypeError, "wrong"),
    () => standIn.assertThrows(thrower, RangeError),
  ],
  [
    "assertThrows by message",
    () => standIn.assertThrows(thrower, Error, "wrong"),
    () => standIn.assertThrows(thrower, Error, "right"),
  ],
  ["assertRejects", () => standIn.assertRejects(rejecter), () => standIn.assertRejects(() => Promise.resolve(1))],
  [
    "assertRejects by class",
    () => standIn.assertRejects(rejecter, TypeError, "wrong"),
    () => standIn.assertRejects(rejecter, RangeError),
  ],
  ["assertRejects on a throw", () => standIn.assertRejects(rejecter), () => standIn.assertRejects(thrower as never)],
  ["fail", () => 0, () => standIn.fail("on purpose")],
  ["unreachable", () => 0, () => standIn.unreachable()],
];

function thrower(): void {
  throw new TypeError("wrong kind");
}

function rejecter(): Promise<never> {
  return Promise.reject(new TypeError("wrong kind"));
}

for (const [name, passes, fails] of cases) {
  Deno.test(`${name}() passes and fails where it must`, async () => {
    await passes();
    let thrown: unknown;
    try {
      await fails();
    } catch (error) {
      thrown = error;
    }
    if (!(thrown instanceof AssertionError)) throw new Error(`${name} let a wrong value through: ${thrown}`);
  });
}
