import { type Clock, sleep } from "../base/clock.ts";
import { asError, P2pError } from "../base/errors.ts";
import { type Logger, logger } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import { backoffMs } from "../peer/backoff.ts";
import type { EndpointSlice, EndpointsView } from "./endpoints_view.ts";

/** One message of a watch: a slice that is there, one that is gone, or only how far the watch has come. */
export interface EndpointEvent {
  /** `present` for new and changed ones; of a `bookmark` only the version counts. */
  readonly type: "present" | "gone" | "bookmark";
  /** As it is, or was. */
  readonly slice: EndpointSlice;
}

/** The slices of one Service. */
export interface EndpointSource {
  /** All of them, and the version from which to watch. @throws what the cluster refuses; the signal's reason */
  list(signal: AbortSignal): Promise<{ readonly slices: readonly EndpointSlice[]; readonly version: string }>;
  /**
   * Tells what changes after `version`. Resolves when the API server ends it in order, which it does every minute or so.
   *
   * @throws {P2pError} `kubernetes_gone` where the server no longer knows what came after that version; what else ends it; the signal's reason
   */
  watch(version: string, onEvent: (event: EndpointEvent) => void, signal: AbortSignal): Promise<void>;
}

/** What an {@link EndpointsWatch} is made of. */
export interface EndpointsWatchOptions {
  /** Where the slices come from. */
  source: EndpointSource;
  /** What they are put into. */
  view: EndpointsView;
  /** Called after the first list, and whenever the height of the view has changed: once for a burst of changes. */
  onChange: () => void;
  /** Time. */
  clock: Clock;
  /** Randomness of back-off. */
  random: Random;
}

/** Changes within this time are one, milliseconds: a scaling or a rolling update comes as many. */
const BURST_MS = 50;

/** A server that ends a watch sooner is not well: asking it again at once would run it down. */
const WATCH_MS_MIN = 1_000;

/** Waits between attempts: an API server that returns is found soon, and is not run down by those who wait for it. */
const BACKOFF = { minMs: 250, maxMs: 15_000 };

/**
 * Keeps a view in step with the slices of a cluster: lists, watches from there, watches on when the server ends the watch, lists again when the
 * watch fails. While the API server is away the view stays as it is.
 */
export class EndpointsWatch implements AsyncDisposable {
  readonly #options: EndpointsWatchOptions;
  readonly #log: Logger = logger("kubernetes");
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #cancelBurst: (() => void) | undefined;
  #listed = false;

  private constructor(options: EndpointsWatchOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** Begins. Runs until it is closed. */
  static start(options: EndpointsWatchOptions): EndpointsWatch {
    return new EndpointsWatch(options);
  }

  /** Ends, and resolves when it has. Idempotent. */
  async close(): Promise<void> {
    this.#stop.abort(new P2pError("watch_closed", "The watch is closed"));
    this.#cancelBurst?.();
    await this.#running;
  }

  /** The same as {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #run(): Promise<void> {
    const { source, clock, random } = this.#options;
    const { signal } = this.#stop;
    let version: string | undefined;
    let failures = 0;
    const heard = () => {
      if (failures > 0) this.#log.info("the API server answers again");
      failures = 0;
    };
    while (!signal.aborted) {
      try {
        if (version === undefined) {
          const listed = await source.list(signal);
          version = listed.version;
          this.#listAgain(listed.slices);
          // Not yet well: a server may list and refuse to be watched.
        }
        const began = clock.now();
        await source.watch(version, (event) => {
          heard();
          version = event.slice.metadata?.resourceVersion ?? version;
          this.#take(event);
        }, signal);
        if (clock.now() - began < WATCH_MS_MIN) throw new P2pError("kubernetes_refused", "The watch was ended at once");
        heard();
      } catch (error) {
        if (signal.aborted) return;
        version = undefined;
        failures++;
        this.#tell(asError(error), failures);
        // Too old a version is no fault of the server's: it is asked at once, the first time.
        if (failures === 1 && error instanceof P2pError && error.code === "kubernetes_gone") continue;
        await sleep(clock, backoffMs(failures, BACKOFF, random), signal).catch(asError);
      }
    }
  }

  /** Once for people to see, then for those who look for a fault. */
  #tell(error: Error, failures: number): void {
    const template = "the staked set is not watched, it stays as it is: {error}";
    if (failures === 2) this.#log.warn(template, { error: error.message });
    else this.#log.debug(template, { error: error.message, failures });
  }

  #listAgain(slices: readonly EndpointSlice[]): void {
    const changed = this.#options.view.replace(slices);
    if (this.#listed) return changed ? this.#changed() : undefined;
    this.#listed = true;
    this.#options.onChange();
  }

  #take({ type, slice }: EndpointEvent): void {
    const { view } = this.#options;
    if (type === "bookmark" || this.#stop.signal.aborted) return;
    if (type === "gone" ? view.remove(slice) : view.set(slice)) this.#changed();
  }

  #changed(): void {
    this.#cancelBurst ??= this.#options.clock.after(BURST_MS, () => {
      this.#cancelBurst = undefined;
      this.#options.onChange();
    });
  }
}
