import { asP2pError, P2pError } from "../base/errors.ts";
import type { FromGroup, ToGroup } from "./group_link.ts";
import type { Io } from "./io.ts";
import { logTo } from "./logs.ts";
import { ValidatorsHere } from "./validators_here.ts";

/** The other end of a `RemoteGroup`: runs the validators in this place and does what it is asked. */
export class GroupServer {
  readonly #io: Io;
  readonly #send: (message: FromGroup) => void;
  #group: ValidatorsHere | undefined;

  /** Answers go to `send`, logs to `io`. */
  constructor(io: Io, send: (message: FromGroup) => void) {
    this.#io = io;
    this.#send = send;
  }

  /** Does what is asked, and answers. */
  async handle(message: ToGroup): Promise<void> {
    const { id } = message;
    try {
      this.#send({ id, value: await this.#answer(message) });
    } catch (caught) {
      const { code, message, hint } = asP2pError("validators_failed", caught);
      this.#send({ id, error: { code, message, hint } });
    }
  }

  /** Stops what runs. */
  async close(withinMs: number): Promise<void> {
    await this.#group?.stop(withinMs);
  }

  #answer(message: ToGroup): unknown {
    if (message.call === "start") {
      const { setup } = message;
      logTo(this.#io, setup.logLevel); // until the place ends
      this.#group = new ValidatorsHere(setup, {
        started: () => this.#send({ started: true }),
        delivered: (position, number) => this.#send({ delivered: [position, number] }),
      });
      return this.#group.start(this.#io.signal);
    }
    const group = this.#group;
    if (group === undefined) throw new P2pError("validators_failed", `Asked to ${message.call} before the start`);
    switch (message.call) {
      case "stake":
        return group.stake(message.urls);
      case "broadcast":
        return group.broadcast(message.position, message.number);
      case "stop":
        return group.stop(message.withinMs);
      default:
        return group[message.call]();
    }
  }
}
