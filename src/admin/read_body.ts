import { abortable } from "../base/clock.ts";
import { asError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import type { Address } from "../identity/address.ts";
import type { Content } from "../module/bus.ts";
import { AdminError } from "./admin_error.ts";

/** The body of a request that sends something. */
export interface SendBody extends Content {
  /** To whom. */
  readonly to?: Address;
  /** Whether, and how, who got it is to be told. */
  readonly receipt?: true | "signed";
  /** How long an answer is waited for, milliseconds. */
  readonly deadlineMs?: number;
}

/** Most bytes of a body: a value of 4 MiB in base64 and the rest. */
export const BODY_BYTES_MAX = Math.ceil(4 * 1024 * 1024 / 3) * 4 + 64 * 1024;

/** How the fields of a body may be named. */
type BodyField = "to" | "typeUrl" | "value" | "receipt" | "deadlineMs";

/**
 * Reads the JSON body of a request: `typeUrl` (text), `value` (base64, may be missing), and of `to`, `receipt` and `deadlineMs` those that `also` names.
 *
 * @throws {AdminError} 400 `body_malformed`, 413 `body_too_large`, 415 `body_not_json`; the signal's reason.
 */
export async function readSendBody(
  request: Request,
  also: readonly BodyField[],
  signal: AbortSignal,
): Promise<SendBody> {
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new AdminError(415, "body_not_json", `Body has content type "${type}", wanted application/json`);
  }
  let body: unknown;
  try {
    body = JSON.parse(await readText(request, signal));
  } catch (caught) {
    if (caught instanceof SyntaxError) throw malformed(`Body is no JSON: ${caught.message}`);
    if (caught instanceof TypeError) throw malformed(`Body is no UTF-8: ${caught.message}`);
    throw caught;
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw malformed("Body is no JSON object");
  const fields: readonly BodyField[] = ["typeUrl", "value", ...also];
  for (const name of Object.keys(body)) {
    if ((fields as readonly string[]).includes(name)) continue;
    throw malformed(`"${name}" is not a field${didYouMean(name, fields)}; wanted ${fields.join(", ")}`);
  }
  const { typeUrl, value = "", to, receipt = false, deadlineMs } = body as Record<BodyField, unknown>;
  if (typeof typeUrl !== "string" || typeUrl === "") throw wrong("typeUrl", typeUrl, "a type URL as text");
  if (also.includes("to") && typeof to !== "string") throw wrong("to", to, "an address of 40 hex digits");
  if (receipt !== true && receipt !== false && receipt !== "signed") {
    throw wrong("receipt", receipt, 'true, false or "signed"');
  }
  if (deadlineMs !== undefined && !(typeof deadlineMs === "number" && deadlineMs > 0 && deadlineMs <= 60_000)) {
    throw wrong("deadlineMs", deadlineMs, "a number above 0, at most 60000");
  }
  return { typeUrl, value: readValue(value), to: to as Address, receipt: receipt || undefined, deadlineMs };
}

function readValue(value: unknown): Uint8Array {
  if (typeof value !== "string") throw wrong("value", value, "base64 as text");
  try {
    return Uint8Array.fromBase64(value);
  } catch (caught) {
    throw malformed(`value is no base64: ${asError(caught).message}`);
  }
}

async function readText(request: Request, signal: AbortSignal): Promise<string> {
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > BODY_BYTES_MAX) throw tooLarge();
  const reader = request.body?.getReader();
  if (reader === undefined) return "";
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await abortable(reader.read(), signal);
      if (done) return text + decoder.decode();
      bytes += value.length;
      if (bytes > BODY_BYTES_MAX) throw tooLarge();
      text += decoder.decode(value, { stream: true });
    }
  } finally {
    // Ends what is still coming; a stream that broke says so here again.
    await reader.cancel().catch(asError);
  }
}

function tooLarge(): AdminError {
  return new AdminError(413, "body_too_large", `Body is larger than ${BODY_BYTES_MAX} bytes`, {
    hint: "A value has at most 4 MiB",
  });
}

function wrong(name: BodyField, value: unknown, wanted: string): AdminError {
  const given = value === undefined ? "missing" : JSON.stringify(value).slice(0, 80);
  return malformed(`${name} is ${given}, wanted ${wanted}`);
}

function malformed(message: string): AdminError {
  return new AdminError(400, "body_malformed", message, { hint: "docs/admin.md has an example" });
}
