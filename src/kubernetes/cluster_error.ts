import { asError, P2pError } from "../base/errors.ts";

/** The HTTP status with which the API server refused; `undefined` where it did not answer. */
export function statusOf(error: unknown): number | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === "number" ? code : undefined;
}

/**
 * What the API server refused, as an error of ours: `kubernetes_unreachable` where it does not answer, `kubernetes_forbidden` where it is not allowed,
 * otherwise `kubernetes_refused`. `what` says what was to be done: `read Secret x in namespace y`; `allowed` what the Role has to allow.
 */
export function clusterError(what: string, cause: unknown, allowed?: string): P2pError {
  if (cause instanceof P2pError) return cause;
  const status = statusOf(cause);
  if (status === undefined) {
    return new P2pError("kubernetes_unreachable", `Cannot ${what}: ${asError(cause).message}`, {
      cause,
      hint: "Check the current context, and that its API server runs",
    });
  }
  const forbidden = status === 401 || status === 403;
  return new P2pError(
    forbidden ? "kubernetes_forbidden" : "kubernetes_refused",
    `Cannot ${what}: ${messageOf(cause)}`,
    { cause, hint: status === 403 ? allowed : undefined },
  );
}

/** What the API server says. The message of the client would have the whole answer, headers and all. */
function messageOf(error: unknown): string {
  const { body } = error as { body?: unknown };
  try {
    const status = typeof body === "string" ? JSON.parse(body) : body;
    if (typeof status?.message === "string") return status.message;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
  }
  return `HTTP status ${statusOf(error)}`;
}
