import { assertEquals, assertFalse, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { abortError, asError, asP2pError, P2pError, ProtocolError } from "../../src/base/errors.ts";

Deno.test("P2pError carries code, message, hint and cause", () => {
  const cause = new Error("refused");
  const error = new P2pError("dial_refused", "Cannot dial", { cause, hint: "Start the peer" });
  assertEquals([error.name, error.code, error.message, error.hint, error.cause], [
    "P2pError",
    "dial_refused",
    "Cannot dial",
    "Start the peer",
    cause,
  ]);
  assertFalse("cause" in new P2pError("x", "y"));
  assertInstanceOf(new ProtocolError("frame_too_long", "Too long"), P2pError);
});

Deno.test("asP2pError() keeps ours and wraps the rest with its text and cause", () => {
  const ours = new ProtocolError("frame_too_long", "Too long");
  assertStrictEquals(asP2pError("other", ours), ours);
  const thrown = new TypeError("odd");
  const wrapped = asP2pError("write_failed", thrown);
  assertEquals([wrapped.code, wrapped.message, wrapped.cause], ["write_failed", "odd", thrown]);
  assertEquals(asP2pError("write_failed", "text").message, "text");
  assertStrictEquals(asError(thrown), thrown);
});

Deno.test("abortError() keeps a signal's own P2pError and names what was given up otherwise", () => {
  const ours = new P2pError("evicted", "A better peer came");
  assertStrictEquals(abortError(AbortSignal.abort(ours), "The ping"), ours);
  const cause = new TypeError("odd");
  const wrapped = abortError(AbortSignal.abort(cause), "The ping");
  assertEquals([wrapped.code, wrapped.message, wrapped.cause], ["aborted", "The ping was given up", cause]);
});
