import { P2pError } from "../base/errors.ts";
import type { FromGroup, GroupLink, ToGroup } from "./group_link.ts";

/** What a worker is told beside calls: what to look at, and to look at it now. */
export interface Gate {
  /** One shared word; while it is 1 the worker's thread sleeps. */
  readonly gate: SharedArrayBuffer;
}

const ENTRY = import.meta.resolve("./validator_worker.ts");

/**
 * Checks, and where a person is there asks, that this process may read the code of a thread: the runtime asks for that where the code is a file.
 *
 * @throws {P2pError} `read_forbidden`
 */
export async function assertThreads(): Promise<void> {
  const url = new URL(ENTRY);
  if (url.protocol !== "file:") return;
  const { state } = await Deno.permissions.request({ name: "read", path: url });
  if (state === "granted") return;
  throw new P2pError("read_forbidden", "Not permitted to start the thread of those who are killed or frozen", {
    hint: "Run deno with --allow-read",
  });
}

/**
 * A group in a thread of this process. To kill it is to terminate the thread: the runtime closes its sockets, no code of its own runs any more, so that
 * nobody hears a goodbye. To freeze it is to let the thread sleep in the middle of a turn: neither sockets nor timers are served.
 */
export class WorkerLink implements GroupLink {
  readonly name = "thread";
  readonly ended: Promise<string>;
  readonly #end = Promise.withResolvers<string>();
  readonly #worker: Worker;
  readonly #gate = new Int32Array(new SharedArrayBuffer(4));

  /** Starts the thread. */
  constructor(receive: (message: FromGroup) => void) {
    this.ended = this.#end.promise;
    this.#worker = new Worker(ENTRY, { type: "module" });
    this.#worker.onmessage = ({ data }) => receive(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#terminate(event.message);
    };
  }

  /** Sends a call. */
  send(message: ToGroup): void {
    this.#worker.postMessage(message);
  }

  /** Terminates the thread. */
  kill(): void {
    this.#terminate("killed");
  }

  /** Puts the thread to sleep. */
  freeze(): void {
    Atomics.store(this.#gate, 0, 1);
    this.#worker.postMessage({ gate: this.#gate.buffer } as Gate);
  }

  /** Wakes it. */
  thaw(): void {
    Atomics.store(this.#gate, 0, 0);
    Atomics.notify(this.#gate, 0);
  }

  /** Terminates the thread: its validators have been stopped. */
  close(): Promise<void> {
    this.#terminate("closed");
    return Promise.resolve();
  }

  #terminate(how: string): void {
    this.thaw(); // a sleeping thread does not end
    this.#worker.terminate();
    this.#end.resolve(how);
  }
}
