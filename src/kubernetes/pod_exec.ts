import { Writable } from "node:stream";
import { type Clock, deadline } from "../base/clock.ts";
import { asError, P2pError } from "../base/errors.ts";
import type { Cluster } from "./connect.ts";

/** Where and what is run. */
export interface PodCommand {
  /** Namespace of the pod. */
  readonly namespace: string;
  /** Name of the pod. */
  readonly pod: string;
  /** Container of the pod. */
  readonly container: string;
  /** The program and its arguments. */
  readonly command: readonly string[];
}

/** Bytes of output that are kept; the rest is dropped. */
const OUTPUT_MAX = 65_536;

/** How long a command may take, milliseconds. */
const EXEC_MS = 20_000;

/**
 * Runs a command in a container, and resolves to what it wrote when it has ended with 0.
 *
 * @throws {P2pError} `exec_failed` where it ended otherwise, where the container does not run, and where the connection ended first; `deadline`
 */
export async function podExec(cluster: Cluster, where: PodCommand, clock: Clock): Promise<string> {
  const { namespace, pod, container, command } = where;
  using limit = deadline(clock, EXEC_MS, `A command in ${pod}`);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const failed = (why: string, cause?: unknown) => {
    reject(new P2pError("exec_failed", `Cannot run ${command[0]} in ${namespace}/${pod}: ${why}`, { cause }));
  };
  limit.signal.addEventListener("abort", () => reject(limit.signal.reason), { once: true });
  let output = "";
  const sink = () =>
    new Writable({
      write(chunk, _encoding, done) {
        output = (output + chunk).slice(0, OUTPUT_MAX);
        done();
      },
    });
  const exec = new cluster.client.Exec(cluster.config);
  const opening = exec.exec(
    namespace,
    pod,
    container,
    [...command],
    sink(),
    sink(),
    null,
    false,
    ({ status, message }) => status === "Success" ? resolve() : failed(`${message ?? status} ${output}`.trim()),
  );
  try {
    const socket = await opening.catch((cause) => {
      throw new P2pError("exec_failed", `Cannot run ${command[0]} in ${namespace}/${pod}: ${why(cause)}`, { cause });
    });
    try {
      // After the status, where there was one: then it is of no account.
      socket.onclose = () => failed("the connection ended before the command did");
      socket.onerror = ({ message, error }: { message: string; error: unknown }) => failed(message, error);
      await promise;
      return output;
    } finally {
      socket.close();
    }
  } finally {
    promise.catch(() => undefined); // told already
  }
}

/** The client rejects with the event of its WebSocket. */
function why(cause: unknown): string {
  const { message } = cause as { message?: unknown };
  return typeof message === "string" ? message : asError(cause).message;
}
