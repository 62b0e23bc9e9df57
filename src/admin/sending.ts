import { abortable, type Clock, deadline } from "../base/clock.ts";
import { logger } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import { type Address, parseAddress } from "../identity/address.ts";
import type { P2PModule } from "../module/p2p_module.ts";
import { randomNonce } from "../raintree/envelope.ts";
import { AdminError } from "./admin_error.ts";
import { requireBearer } from "./bearer.ts";
import { readSendBody, type SendBody } from "./read_body.ts";

/** Options of {@link Sending}. */
export interface SendingOptions {
  /** The node. */
  module: P2PModule;
  /** Bearer token of those who may send; empty: nobody may. */
  token: string;
  /** Whether the node is on its way out. */
  draining: () => boolean;
  /** Time. */
  clock: Clock;
  /** Randomness of nonces. */
  random: Random;
  /** How long a body may take to arrive, and a send or an answer where the request names no time, milliseconds. @default {10000} */
  timeoutMs?: number;
}

/** What a broadcast over the admin API resolves to. */
export interface BroadcastAnswer {
  /** Its number, decimal: what `/messages/:nonce` of every node knows it by. */
  readonly nonce: string;
  /** Who confirmed; absent where no receipt was asked for. */
  readonly receipt?: {
    /** Peers that confirmed. */
    readonly reached: number;
    /** Those that did not. */
    readonly missing: readonly Address[];
    /** Milliseconds that it took. */
    readonly elapsedMs: number;
  };
}

/** What a message to one peer resolves to. */
export interface SendAnswer {
  /** Its number, decimal: what `/messages/:nonce` of both nodes knows it by. */
  readonly nonce: string;
}

/** What a question to one peer resolves to. */
export interface RequestAnswer {
  /** What the answer's value is. */
  readonly typeUrl: string;
  /** The answer, base64. */
  readonly value: string;
  /** Milliseconds that it took. */
  readonly elapsedMs: number;
}

/** Requests at once; one more is refused with `admin_busy`. Each may hold a body and the payload in it: 10 MiB. */
const SENDING_MAX = 16;

/** The requests that make a node send something: for those who hold its token, bounded in number, size and time. */
export class Sending {
  readonly #options: SendingOptions;
  readonly #timeoutMs: number;
  readonly #log = logger("admin");
  #count = 0;

  /** Sends nothing yet. */
  constructor(options: SendingOptions) {
    const { timeoutMs = 10_000 } = options;
    this.#options = options;
    this.#timeoutMs = timeoutMs;
  }

  /** `POST /broadcast`. Without a receipt it resolves when the message is queued for each target. */
  broadcast(request: Request): Promise<BroadcastAnswer> {
    return this.#run(request, ["receipt", "deadlineMs"], async ({ receipt, deadlineMs, ...content }) => {
      const { module } = this.#options;
      const nonce = this.#nonce();
      this.#log.info("broadcast {nonce} of {bytes} bytes asked for over the admin API", {
        nonce: String(nonce),
        bytes: content.value.length,
      });
      if (receipt === undefined) {
        await this.#inTime(deadlineMs, "Broadcasting", () => module.broadcast(content, { nonce }));
        return { nonce: String(nonce) };
      }
      return { nonce: String(nonce), receipt: await module.broadcast(content, { nonce, receipt, deadlineMs }) };
    });
  }

  /** `POST /send`. Resolves when the message is queued for the peer. */
  send(request: Request): Promise<SendAnswer> {
    return this.#run(request, ["to", "deadlineMs"], async ({ to, deadlineMs, ...content }) => {
      const peer = parseAddress(to!);
      const nonce = this.#nonce();
      await this.#inTime(
        deadlineMs,
        `Sending to ${peer}`,
        () => this.#options.module.send(peer, content, { nonce }),
      );
      return { nonce: String(nonce) };
    });
  }

  /** `POST /request`. Resolves with the peer's answer. */
  request(request: Request): Promise<RequestAnswer> {
    return this.#run(request, ["to", "deadlineMs"], async ({ to, deadlineMs, ...content }) => {
      const { module, clock } = this.#options;
      const timeoutMs = deadlineMs ?? this.#timeoutMs;
      const startMs = clock.now();
      const { typeUrl, value } = await module.request(parseAddress(to!), content, { timeoutMs });
      return { typeUrl, value: value.toBase64(), elapsedMs: clock.now() - startMs };
    });
  }

  async #run<T>(
    request: Request,
    also: Parameters<typeof readSendBody>[1],
    work: (body: SendBody) => Promise<T>,
  ): Promise<T> {
    const { token, draining } = this.#options;
    // First of all: who may not send learns nothing else.
    requireBearer(request.headers, token);
    if (draining()) throw new AdminError(503, "draining", "The node is on its way out: it takes no more messages");
    if (this.#count >= SENDING_MAX) {
      throw new AdminError(503, "admin_busy", `${SENDING_MAX} messages are being sent already`, { hint: "Try again" });
    }
    this.#count++;
    try {
      return await work(await this.#read(request, also));
    } finally {
      this.#count--;
    }
  }

  async #read(request: Request, also: Parameters<typeof readSendBody>[1]): Promise<SendBody> {
    using limit = deadline(this.#options.clock, this.#timeoutMs, "Reading the body");
    return await readSendBody(request, also, limit.signal);
  }

  /** What is queued when the time is up stays so: the error says only that nobody waits any longer. */
  async #inTime(ms: number | undefined, what: string, work: () => Promise<void>): Promise<void> {
    using limit = deadline(this.#options.clock, ms ?? this.#timeoutMs, what);
    await abortable(work(), limit.signal);
  }

  #nonce(): bigint {
    return randomNonce(this.#options.random);
  }
}
