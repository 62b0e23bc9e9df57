// Stand-in for jsr:@std/assert: the same names and signatures over Node's own comparison, for networks that cannot reach JSR.
// `deno.jsr.json` swaps it for the original, so tests use only what both offer (ADR 0001).
import { deepStrictEqual } from "node:assert";
import { isDeepStrictEqual } from "node:util";

/** What a failed assertion throws. */
export class AssertionError extends Error {
  override name = "AssertionError";
  /** The message says what differs. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** A constructor of `T`, abstract ones included. */
// deno-lint-ignore no-explicit-any
type Constructor<T> = abstract new (...args: any[]) => T;

function failure(message: string, msg: string | undefined): AssertionError {
  return new AssertionError(msg ? `${message}: ${msg}` : message);
}

function show(value: unknown): string {
  return Deno.inspect(value, { depth: 6, iterableLimit: 200, strAbbreviateSize: 2000 });
}

/** Deep equality, prototypes included. */
export function equal(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a, b);
}

/** Fails unless `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** A value that counts as false. */
export type Falsy = false | 0 | 0n | "" | null | undefined;

/** Fails unless `expr` is falsy. */
export function assertFalse(expr: unknown, msg = ""): asserts expr is Falsy {
  if (expr) throw new AssertionError(msg);
}

/** Fails unless both are deeply equal; the message shows the difference. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  try {
    deepStrictEqual(actual, expected);
  } catch (difference) {
    throw failure(`Values are not equal\n${(difference as Error).message}`, msg);
  }
}

/** Fails if both are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) throw failure(`Expected values to differ, both are ${show(actual)}`, msg);
}

/** Fails unless both are the same by `Object.is`. */
export function assertStrictEquals<T>(actual: unknown, expected: T, msg?: string): asserts actual is T {
  if (!Object.is(actual, expected)) {
    throw failure(`Values are not strictly equal: got ${show(actual)}, expected ${show(expected)}`, msg);
  }
}

/** Fails if both are the same by `Object.is`. */
export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void {
  if (Object.is(actual, expected)) throw failure(`Expected two different values, both are ${show(actual)}`, msg);
}

/** Fails if `actual` is null or undefined. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) throw failure(`Expected a value, got ${actual}`, msg);
}

/** Fails unless `actual` is an instance of `expectedType`. */
// deno-lint-ignore no-explicit-any
export function assertInstanceOf<T extends Constructor<any>>(
  actual: unknown,
  expectedType: T,
  msg?: string,
): asserts actual is InstanceType<T> {
  if (!(actual instanceof expectedType)) {
    throw failure(`Expected an instance of ${expectedType.name}, got ${show(actual)}`, msg);
  }
}

/** Fails unless `actual` matches `expected`. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (!expected.test(actual)) throw failure(`Expected ${show(actual)} to match ${expected}`, msg);
}

/** Fails if `actual` matches `expected`. */
export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void {
  if (expected.test(actual)) throw failure(`Expected ${show(actual)} not to match ${expected}`, msg);
}

/** Fails unless `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (!actual.includes(expected)) throw failure(`Expected ${show(actual)} to contain ${show(expected)}`, msg);
}

/** An array, or a value with a length and indexes. */
export type ArrayLikeArg<T> = ArrayLike<T> & object;

/** Fails unless every element of `expected` is in `actual`. */
export function assertArrayIncludes<T>(actual: ArrayLikeArg<T>, expected: ArrayLikeArg<T>, msg?: string): void {
  const present = Array.from(actual);
  const missing = Array.from(expected).filter((wanted) => !present.some((element) => equal(wanted, element)));
  if (missing.length > 0) throw failure(`Expected ${show(actual)} to include ${show(missing)}`, msg);
}

/** Fails unless everything in `expected` is in `actual`; `actual` may hold more. */
export function assertObjectMatch(
  // deno-lint-ignore no-explicit-any
  actual: Record<PropertyKey, any>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void {
  if (!matches(actual, expected)) throw failure(`Expected ${show(actual)} to match ${show(expected)}`, msg);
}

function matches(actual: unknown, expected: unknown): boolean {
  if (typeof expected !== "object" || expected === null) return Object.is(actual, expected);
  if (typeof actual !== "object" || actual === null) return false;
  if (Array.isArray(expected) !== Array.isArray(actual)) return false;
  const prototype = Object.getPrototypeOf(expected);
  if (!Array.isArray(expected) && prototype !== Object.prototype && prototype !== null) return equal(actual, expected);
  if (Array.isArray(expected) && (actual as unknown[]).length !== expected.length) return false;
  return Reflect.ownKeys(expected).every((key) =>
    key in actual &&
    matches((actual as Record<PropertyKey, unknown>)[key], (expected as Record<PropertyKey, unknown>)[key])
  );
}

/** Fails unless the two numbers differ by at most `tolerance`. @default {1e-7 of `expected`} */
export function assertAlmostEquals(actual: number, expected: number, tolerance?: number, msg?: string): void {
  if (Object.is(actual, expected)) return;
  const allowed = tolerance ?? (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  const delta = Math.abs(expected - actual);
  if (!(delta <= allowed)) {
    throw failure(`Expected ${actual} to be ${expected} within ${allowed}, off by ${delta}`, msg);
  }
}

/** Fails unless `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual > expected)) throw failure(`Expected ${show(actual)} > ${show(expected)}`, msg);
}

/** Fails unless `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual >= expected)) throw failure(`Expected ${show(actual)} >= ${show(expected)}`, msg);
}

/** Fails unless `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) throw failure(`Expected ${show(actual)} < ${show(expected)}`, msg);
}

/** Fails unless `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual <= expected)) throw failure(`Expected ${show(actual)} <= ${show(expected)}`, msg);
}

/** Fails unless `error` is an instance of `ErrorClass` (if given) whose message contains `msgIncludes` (if given). */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  ErrorClass?: Constructor<E>,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E {
  if (!(error instanceof Error)) throw failure(`Expected an Error, got ${show(error)}`, msg);
  if (ErrorClass && !(error instanceof ErrorClass)) {
    throw new AssertionError(`Expected ${ErrorClass.name}, got ${show(error)}${msg ? `: ${msg}` : ""}`, {
      cause: error,
    });
  }
  const matched = typeof msgMatches === "string" ? error.message.includes(msgMatches) : msgMatches?.test(error.message);
  if (matched === false) {
    throw failure(`Expected the error's message to contain ${show(msgMatches)}, got ${show(error.message)}`, msg);
  }
}

function checkThrown<E extends Error>(
  thrown: unknown,
  errorClassOrMsg: Constructor<E> | string | undefined,
  msgIncludesOrMsg: string | undefined,
  msg: string | undefined,
): unknown {
  if (typeof errorClassOrMsg === "function") assertIsError(thrown, errorClassOrMsg, msgIncludesOrMsg, msg);
  return thrown;
}

/** Fails unless `fn` throws; returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Fails unless `fn` throws an `ErrorClass` whose message contains `msgIncludes`; returns it. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: Constructor<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows<E extends Error>(
  fn: () => unknown,
  errorClassOrMsg?: Constructor<E> | string,
  msgIncludesOrMsg?: string,
  msg?: string,
): unknown {
  try {
    fn();
  } catch (thrown) {
    return checkThrown(thrown, errorClassOrMsg, msgIncludesOrMsg, msg);
  }
  throw failure("Expected function to throw", typeof errorClassOrMsg === "string" ? errorClassOrMsg : msg);
}

/** Fails unless the promise of `fn` rejects; resolves to the reason. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Fails unless the promise of `fn` rejects with an `ErrorClass` whose message contains `msgIncludes`; resolves to it. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: Constructor<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects<E extends Error>(
  fn: () => PromiseLike<unknown>,
  errorClassOrMsg?: Constructor<E> | string,
  msgIncludesOrMsg?: string,
  msg?: string,
): Promise<unknown> {
  let promise: PromiseLike<unknown>;
  const suffix = typeof errorClassOrMsg === "string" ? errorClassOrMsg : msg;
  try {
    promise = fn();
  } catch (thrown) {
    throw new AssertionError(`Function throws when expected to reject${suffix ? `: ${suffix}` : ""}`, {
      cause: thrown,
    });
  }
  try {
    await promise;
  } catch (thrown) {
    return checkThrown(thrown, errorClassOrMsg, msgIncludesOrMsg, msg);
  }
  throw failure("Expected function to reject", suffix);
}

/** Fails always. */
export function fail(msg?: string): never {
  throw failure("Failed assertion", msg);
}

/** Fails because this line must not be reached. */
export function unreachable(reason?: string): never {
  throw failure("Unreachable", reason);
}
