/**
 * The thread that a `WorkerLink` starts: runs validators and serves what comes by messages.
 *
 * @module
 */
import type { FromGroup, ToGroup } from "./group_link.ts";
import { systemIo } from "./io.ts";
import { GroupServer } from "./serve_group.ts";
import type { Gate } from "./worker_link.ts";

/** What a worker's global scope has and a window's has not. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<ToGroup | Gate>) => void) | null;
  postMessage(message: FromGroup): void;
}

function isWorker(scope: object): scope is WorkerScope {
  return "WorkerGlobalScope" in scope;
}

const scope: object = globalThis;
if (isWorker(scope)) {
  const server = new GroupServer(systemIo(new AbortController()), (message) => scope.postMessage(message));
  scope.onmessage = ({ data }) => {
    if ("gate" in data) sleepWhileShut(new Int32Array(data.gate));
    else void server.handle(data);
  };
}

/** Whatever the thread was about to do waits, the sockets are the system's. */
function sleepWhileShut(gate: Int32Array): void {
  while (Atomics.load(gate, 0) === 1) Atomics.wait(gate, 0, 1);
}
