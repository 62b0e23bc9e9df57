import { type Clock, sleep } from "../base/clock.ts";
import { asError, P2pError } from "../base/errors.ts";
import { AdminClient } from "../localnet/admin_client.ts";
import type { Access, LocalNode } from "../localnet/backend.ts";

/** What a {@link NetworkWatch} needs. */
export interface NetworkWatchOptions {
  /** Who may be asked now: asked again and again, since nodes come, go, and come back elsewhere. */
  access: () => Promise<Access | undefined>;
  /** Time. */
  clock: Clock;
}

/** One run of a node: the same process. */
export interface NodeRun {
  /** What the node calls it. */
  readonly since: string;
  /** When it first answered, milliseconds. */
  readonly firstMs: number;
  /** When it answered last. */
  lastMs: number;
  /** Where to ask on. */
  next: number;
}

/** A broadcast at a node. */
export interface SeenBroadcast {
  /** When the answer that told it was there, by the clock of who looks, milliseconds. */
  readonly seenMs: number;
  /** When it came, by the node's clock, milliseconds since the Unix epoch. */
  readonly arrivedMs: number;
}

/** What was seen of one node. Times are those of the watcher, when an answer was there: never earlier than the truth. */
export interface WatchedNode {
  /** Its name. */
  readonly name: string;
  /** Its admin API where it is now, for who has time. */
  client: AdminClient;
  /** The same, for who looks. */
  looker: AdminClient;
  /** Whether it is of the network now. */
  isPresent: boolean;
  /** Its runs, in order. */
  readonly runs: NodeRun[];
  /** What it was seen with, by number. */
  readonly seen: Map<string, SeenBroadcast>;
  /** Arrivals that it had forgotten before it was asked: what is not seen then proves nothing. */
  forgotten: number;
  /** The longest that it did not answer within one run, milliseconds. */
  silentMs: number;
}

/** How often every node is asked, milliseconds. */
const LOOK_MS = 200;

/** How often it is asked who may be asked, milliseconds. */
const ACCESS_MS = 1_000;

/** How long an answer may take, milliseconds: one that is stopped never answers. */
const ANSWER_MS = 2_000;

/** How long a broadcast may take to be accepted, milliseconds. */
const BROADCAST_MS = 5_000;

/**
 * Sees what arrives at every node, from its start to its end: each is asked five times a second for what is new, so that what a node got before it died is known.
 * A node that does not answer is asked again.
 */
export class NetworkWatch implements AsyncDisposable {
  /** Every node that was ever there, by name. */
  readonly nodes: Map<string, WatchedNode> = new Map();
  readonly #access: () => Promise<Access | undefined>;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  /** Nodes whose answer is waited for: one question to each at a time. */
  readonly #asking = new Map<string, Promise<unknown>>();
  #accessMs = -Infinity;
  #loop: Promise<void> = Promise.resolve();

  private constructor({ access, clock }: NetworkWatchOptions) {
    this.#access = access;
    this.#clock = clock;
  }

  /** Watches from now on; every node that is there has been asked once. @throws {P2pError} `localnet_down` */
  static async start(options: NetworkWatchOptions): Promise<NetworkWatch> {
    const watch = new NetworkWatch(options);
    await watch.#refresh();
    if (watch.nodes.size === 0) throw new P2pError("localnet_down", "There is no node to watch");
    // What came before is not looked at: it may be more than is remembered.
    watch.#ask(Number.MAX_SAFE_INTEGER);
    await Promise.all(watch.#asking.values());
    watch.#loop = watch.#run();
    return watch;
  }

  /** The nodes that are of the network now. */
  get present(): WatchedNode[] {
    return [...this.nodes.values()].filter(({ isPresent }) => isPresent);
  }

  /** The clients of those that are of the network now and for which `wanted` holds. */
  clients(wanted: (name: string) => boolean = () => true): AdminClient[] {
    return this.present.filter(({ name }) => wanted(name)).map(({ client }) => client);
  }

  /** When a node was first seen with a broadcast. */
  seenMs(node: string, nonce: string): number | undefined {
    return this.nodes.get(node)?.seen.get(nonce)?.seenMs;
  }

  /** Ends when nothing is asked any more. Idempotent. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
    await Promise.all(this.#asking.values());
  }

  /** See {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      // Ends early, with the loop.
      await sleep(this.#clock, LOOK_MS, this.#stop.signal).catch(asError);
      if (this.#clock.now() - this.#accessMs >= ACCESS_MS) await this.#refresh().catch(asError);
      this.#ask();
    }
  }

  /** A node that is not named for a moment is not forgotten: what it has seen counts. */
  async #refresh(): Promise<void> {
    this.#accessMs = this.#clock.now();
    const { nodes = [], token = "" } = await this.#access() ?? {};
    for (const node of this.nodes.values()) node.isPresent = nodes.some(({ name }) => name === node.name);
    for (const node of nodes) {
      const { name } = node;
      const known = this.nodes.get(name);
      if (known !== undefined && isSame(known.client.node, node)) continue;
      const client = new AdminClient(node, { token, clock: this.#clock, timeoutMs: BROADCAST_MS });
      const looker = new AdminClient(node, { token, clock: this.#clock, timeoutMs: ANSWER_MS });
      if (known !== undefined) Object.assign(known, { client, looker });
      else {
        const watched = { name, runs: [], seen: new Map(), forgotten: 0, silentMs: 0, isPresent: true };
        this.nodes.set(name, { ...watched, client, looker });
      }
    }
  }

  /** Asks all that owe no answer; those never asked before from place `first` on. */
  #ask(first = 0): void {
    for (const node of this.present) {
      if (this.#asking.has(node.name)) continue;
      const asking = this.#look(node, first).catch(asError).finally(() => this.#asking.delete(node.name));
      this.#asking.set(node.name, asking);
    }
  }

  async #look(node: WatchedNode, first: number): Promise<void> {
    const known = node.runs.at(-1);
    const page = await node.looker.messagesAfter(known?.next ?? first);
    const nowMs = this.#clock.now();
    let run = known;
    if (run?.since !== page.since) {
      run = { since: page.since, firstMs: nowMs, lastMs: nowMs, next: 0 };
      node.runs.push(run);
      // The place was one of the run before: from the beginning, at the next look.
      if (known !== undefined && known.next > 0) return;
    }
    node.silentMs = Math.max(node.silentMs, nowMs - run.lastMs);
    run.lastMs = nowMs;
    run.next = page.next;
    node.forgotten += page.forgotten;
    for (const { nonce, atMs } of page.messages) {
      // The first time counts, also where a later run was given it once more.
      if (!node.seen.has(nonce)) node.seen.set(nonce, { seenMs: nowMs, arrivedMs: atMs });
    }
  }
}

function isSame(a: LocalNode, b: LocalNode): boolean {
  return a.adminUrl === b.adminUrl && a.address === b.address;
}
