import { abortable, type Clock, deadline } from "../base/clock.ts";
import { asError, P2pError } from "../base/errors.ts";
import type { FromGroup, GroupCall, GroupLink, OpenLink } from "./group_link.ts";
import type { GroupEvents, GroupSetup, GroupStop, Traffic, ValidatorGroup, ValidatorLook } from "./validator_group.ts";

/** How long a place may take to start its validators; a loaded machine takes seconds. */
const START_MS = 60_000;

/** How long a place may take to end once its validators have stopped. */
const CLOSE_MS = 1_000;

/** Validators in another place, over a {@link GroupLink}: they can be killed and frozen. */
export class RemoteGroup implements ValidatorGroup {
  /** Where they stand in the ring. */
  readonly positions: readonly number[];
  /** Resolves when the place is gone without having been told to, to what is known of it. */
  readonly died: Promise<P2pError>;
  readonly #setup: GroupSetup;
  readonly #clock: Clock;
  readonly #events: GroupEvents;
  readonly #open: OpenLink;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #died = Promise.withResolvers<P2pError>();
  #link: GroupLink | undefined;
  #gone: P2pError | undefined;
  #calls = 0;
  /** Whether it is to end, or has. */
  #ending = false;
  #killed = false;
  #frozen = false;

  /** Opens nothing yet. */
  constructor(setup: GroupSetup, events: GroupEvents, open: OpenLink, clock: Clock) {
    this.positions = setup.members.map(({ position }) => position);
    this.died = this.#died.promise;
    this.#setup = setup;
    this.#events = events;
    this.#open = open;
    this.#clock = clock;
  }

  /** The place, for people: `process 4711`; `undefined` before the start. */
  get place(): string | undefined {
    return this.#link?.name;
  }

  /** Opens the place and the validators. @throws {P2pError} `validators_died` if it ends meanwhile, `deadline`, what they fail with; the signal's reason. */
  async start(signal: AbortSignal): Promise<readonly string[]> {
    signal.throwIfAborted();
    const link = this.#link = this.#open((message) => this.#receive(message));
    void link.ended.then((how) => this.#end(link, how));
    using limit = deadline(this.#clock, START_MS, `Starting ${link.name}`, signal);
    const started = this.#call<string[]>({ call: "start", setup: this.#setup });
    return await abortable(started, limit.signal);
  }

  /** Tells them who is in the ring. */
  stake(urls: readonly string[]): Promise<void> {
    return this.#call({ call: "stake", urls });
  }

  /** How many have all their connections. */
  settled(): Promise<number> {
    return this.#call({ call: "settled" });
  }

  /** Makes a broadcast. */
  broadcast(position: number, number: number): Promise<void> {
    return this.#call({ call: "broadcast", position, number });
  }

  /** Messages read and written so far. */
  traffic(): Promise<Traffic> {
    return this.#call({ call: "traffic" });
  }

  /** Asks all targets of each. */
  probe(): Promise<void> {
    return this.#call({ call: "probe" });
  }

  /** Looks at each. */
  look(): Promise<ValidatorLook[]> {
    return this.#call({ call: "look" });
  }

  /** Kills the place as `kill -9` does: nobody is told. */
  kill(): void {
    this.#ending = this.#killed = true;
    this.#link?.kill();
  }

  /** Stops all code in the place. */
  freeze(): void {
    this.#frozen = true;
    this.#link?.freeze();
  }

  /** Lets it go on. */
  thaw(): void {
    this.#frozen = false;
    this.#link?.thaw();
  }

  /** Stops the validators, then ends the place, by force if it does not end by itself. */
  async stop(withinMs: number): Promise<GroupStop> {
    const link = this.#link;
    if (link === undefined) return { routines: 0, errors: [] };
    const died = this.#gone;
    this.#ending = true;
    if (this.#frozen) this.thaw();
    using limit = deadline(this.#clock, withinMs, `Stopping ${link.name}`);
    try {
      if (this.#killed) return { routines: 0, errors: [] };
      if (died !== undefined) return { routines: 0, errors: [died.message] };
      return await abortable(this.#call<GroupStop>({ call: "stop", withinMs }), limit.signal);
    } catch (caught) {
      return { routines: 0, errors: [asError(caught).message] };
    } finally {
      await link.close(limit.signal.aborted ? 0 : CLOSE_MS);
    }
  }

  #call<T>(call: GroupCall): Promise<T> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    const id = this.#calls++;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    this.#link!.send({ id, ...call });
    return answer.promise as Promise<T>;
  }

  #receive(message: FromGroup): void {
    if ("delivered" in message) return this.#events.delivered(...message.delivered);
    if ("started" in message) return this.#events.started();
    const answer = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (!("error" in message)) return answer?.resolve(message.value);
    const { code, message: text, hint } = message.error;
    answer?.reject(new P2pError(code, text, { hint }));
  }

  #end({ name }: GroupLink, how: string): void {
    const who = this.positions.length === 1 ? `validator ${this.positions[0]}` : `${this.positions.length} validators`;
    this.#gone = new P2pError("validators_died", `The ${name} of ${who} ended: ${how}`);
    for (const answer of this.#waiting.values()) answer.reject(this.#gone);
    this.#waiting.clear();
    if (!this.#ending) this.#died.resolve(this.#gone);
  }
}
