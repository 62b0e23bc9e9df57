import { P2pError } from "./errors.ts";

/** Stops a timer that has not fired; does nothing otherwise. */
export type Cancel = () => void;

/** Time as the node sees it. Production uses {@link systemClock}; tests and the simulator inject a virtual one. */
export interface Clock {
  /** Monotonic milliseconds, with fractions; only differences mean something. */
  now(): number;
  /** Milliseconds since the Unix epoch, for what is stored or shown. */
  wall(): number;
  /** Calls `fire` once, `ms` milliseconds from now, unless cancelled. */
  after(ms: number, fire: () => void): Cancel;
}

/** The longest that the runtime's timers wait; a longer one would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(ms, fire) {
    let timer: ReturnType<typeof setTimeout>;
    const arm = (leftMs: number) => {
      const partMs = Math.min(leftMs, TIMER_MS_MAX);
      timer = setTimeout(partMs === leftMs ? fire : () => arm(leftMs - partMs), partMs);
    };
    arm(Math.max(0, ms)); // the runtime warns of less
    return () => clearTimeout(timer);
  },
};

/** Resolves after `ms` milliseconds, or rejects with the signal's reason as soon as it aborts. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      cancel();
      reject(signal!.reason);
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** An abort signal with an end in time. Dispose of it when the work is over, so that no timer is left. */
export interface Deadline extends Disposable {
  /** Aborts with a {@link P2pError} of code `deadline` after the given time, or with the parent's reason. */
  readonly signal: AbortSignal;
}

/** A signal that aborts `ms` milliseconds from now, or when `parent` does, whichever is first. `what` names the work in the error. */
export function deadline(clock: Clock, ms: number, what: string, parent?: AbortSignal): Deadline {
  const controller = new AbortController();
  const follow = () => controller.abort(parent!.reason);
  const cancel = clock.after(ms, () => {
    controller.abort(new P2pError("deadline", `${what} took longer than ${ms} ms`));
  });
  if (parent?.aborted) follow();
  else parent?.addEventListener("abort", follow, { once: true });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      cancel();
      parent?.removeEventListener("abort", follow);
    },
  };
}

/** Settles as `work` does, or rejects with the signal's reason if that comes first. The work itself goes on: end it by its own means. */
export function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    // Also when aborted already: whatever the work still throws is then nobody's, not an unhandled rejection.
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
