import { Writable } from "node:stream";
import { abortable, type Clock, deadline } from "../base/clock.ts";
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
 * @throws {P2pError} `exec_failed` where it ended otherwise, where the container does not run, and where the connection ended first; `deadline` after 20 s;
 * the signal's reason
 */
export async function podExec(
  cluster: Cluster,
  where: PodCommand,
  clock: Clock,
  signal?: AbortSignal,
): Promise<string> {
  const { namespace, pod, container, command } = where;
  using limit = deadline(clock, EXEC_MS, `A command in ${pod}`, signal);
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  const failed = (why: string, cause?: unknown) => {
    reject(new P2pError("exec_failed", `Cannot run ${command[0]} in ${namespace}/${pod}: ${why}`, { cause }));
  };
  // It may fail before it is waited for, and when it is not any more.
  ended.catch(asError);
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
    const socket = await abortable(opening, limit.signal).catch((cause) => {
      limit.signal.throwIfAborted();
      throw new P2pError("exec_failed", `Cannot run ${command[0]} in ${namespace}/${pod}: ${why(cause)}`, { cause });
    });
    // After the status, where there was one: then it is of no account.
    socket.onclose = () => failed("the connection ended before the command did");
    socket.onerror = ({ message, error }: { message: string; error: unknown }) => failed(message, error);
    await abortable(ended, limit.signal);
    return output;
  } finally {
    // Also where it opens only later: nothing stays open.
    opening.then((socket) => socket.close(), asError);
  }
}

/** The client rejects with the event of its WebSocket. */
function why(cause: unknown): string {
  const { message } = cause as { message?: unknown };
  return typeof message === "string" ? message : asError(cause).message;
}
