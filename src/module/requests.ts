import { type Cancel, type Clock } from "../base/clock.ts";
import { asError, P2pError, ProtocolError } from "../base/errors.ts";
import { Shares } from "../base/shares.ts";
import { ByteWriter } from "../codec/byte_writer.ts";
import { ProtoReader, ProtoWriter } from "../codec/proto.ts";
import type { Address } from "../identity/address.ts";
import { ACCEPTED, type Channel, type SendOptions } from "../router/channel.ts";
import type { MessageCodec } from "../router/codec.ts";
import type { Content } from "./bus.ts";

/**
 * A request or its answer: `uint32 id = 1; bool answer = 2; string error = 3; string type_url = 4; bytes value = 5`. The answer has the
 * request's ID, which the asking node chose.
 */
interface RequestMessage extends Content {
  readonly id: number;
  readonly answer: boolean;
  readonly error: string;
}

/** Codec of the request channel. */
export const requestCodec: MessageCodec<RequestMessage> = {
  encode({ id, answer, error, typeUrl, value }) {
    // Room for everything from the start: growing would copy it all again.
    const out = new ByteWriter(32 + 3 * (error.length + typeUrl.length) + value.length);
    return new ProtoWriter(out).uint(1, id).bool(2, answer).string(3, error).string(4, typeUrl).bytes(5, value)
      .finish();
  },
  decode(bytes) {
    let id = 0;
    let answer = false;
    let error = "";
    let typeUrl = "";
    let value = bytes.subarray(bytes.length);
    const reader = new ProtoReader(bytes);
    for (let field = reader.next(); field !== 0; field = reader.next()) {
      if (field === 1) id = reader.uint();
      else if (field === 2) answer = reader.bool();
      else if (field === 3) error = reader.string();
      else if (field === 4) typeUrl = reader.string();
      else if (field === 5) value = reader.bytes();
    }
    if (id === 0) throw new ProtocolError("request_no_id", "Request has ID 0");
    return { id, answer, error, typeUrl, value };
  },
};

/** Answers a request; what it throws goes back as `request_failed` with its message. */
export type RequestHandler = (content: Content, from: Address) => Content | Promise<Content>;

/** Options of {@link Requests.ask}. */
export interface RequestOptions {
  /** How long the answer may take, milliseconds. @default {the module's request timeout} */
  timeoutMs?: number;
  /** Ends the wait. */
  signal?: AbortSignal;
}

interface Pending {
  readonly to: Address;
  readonly deadlineMs: number;
  resolve(content: Content): void;
  reject(error: P2pError): void;
}

/** Requests under way at once; one more fails with `requests_full`. */
const PENDING_MAX = 65_536;

/** Requests being answered at once, for one peer and for all; one more is refused with an error. */
const ANSWERING = {
  each: { count: 1_024, bytes: 16 * 1024 * 1024 },
  all: { count: 4_096, bytes: 64 * 1024 * 1024 },
};

/** An answer dials nobody: where the asker, who has left, says that it listens is only its word. */
const ANSWER: SendOptions = { connect: false };

/** How often overdue requests are looked for; a request may wait this much longer than it asked for. */
const SWEEP_MS = 50;

/** Request and response over one channel, matched by ID, in a bounded map with deadlines. One timer serves all requests. */
export class Requests {
  readonly #channel: Channel<RequestMessage>;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #pending = new Map<number, Pending>();
  #handler: RequestHandler | undefined;
  readonly #answering = new Shares<Address>(ANSWERING);
  #id = 0;
  #cancelSweep: Cancel | undefined;
  #closed = false;

  /** Takes over the channel's receiving side. */
  constructor(channel: Channel<RequestMessage>, clock: Clock, timeoutMs: number) {
    this.#channel = channel;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    channel.handle((message, from) => message.answer ? this.#answered(message, from) : this.#asked(message, from));
  }

  /** Requests under way. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Answers what others ask from now on. */
  onRequest(handler: RequestHandler | undefined): void {
    this.#handler = handler;
  }

  /**
   * Asks one peer.
   *
   * @throws {P2pError} (as a rejection) `request_timeout`, `request_failed` (the peer's error), `requests_full`, `requests_closed`, what
   * `Channel.send` rejects with, or the signal's reason.
   */
  ask(to: Address, content: Content, options: RequestOptions = {}): Promise<Content> {
    const { timeoutMs = this.#timeoutMs, signal } = options;
    if (this.#closed) return Promise.reject(closed());
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#pending.size >= PENDING_MAX) {
      return Promise.reject(new P2pError("requests_full", `${PENDING_MAX} requests are under way already`));
    }
    const id = this.#nextId();
    const answer = new Promise<Content>((resolve, reject) => {
      this.#pending.set(id, { to, deadlineMs: this.#clock.now() + timeoutMs, resolve, reject });
    });
    this.#cancelSweep ??= this.#clock.after(SWEEP_MS, () => this.#sweep());
    const sent = this.#channel.send(to, { id, answer: false, error: "", ...content }, { signal });
    if (sent !== ACCEPTED) sent.catch((error) => this.#settle(id)?.reject(error));
    if (signal === undefined) return answer;
    const abort = () => this.#settle(id)?.reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    return answer.finally(() => signal.removeEventListener("abort", abort));
  }

  /** Rejects what is under way with `requests_closed`. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#cancelSweep?.();
    for (const id of [...this.#pending.keys()]) this.#settle(id)!.reject(closed());
  }

  #nextId(): number {
    do this.#id = this.#id === 0xffffffff ? 1 : this.#id + 1; while (this.#pending.has(this.#id));
    return this.#id;
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #answered(message: RequestMessage, from: Address): void {
    // An answer that comes late, or from someone who was not asked, answers nothing.
    if (this.#pending.get(message.id)?.to !== from) return;
    const pending = this.#settle(message.id)!;
    if (message.error === "") pending.resolve({ typeUrl: message.typeUrl, value: message.value });
    else pending.reject(new P2pError("request_failed", `Peer ${from} answered: ${message.error}`));
  }

  #asked({ id, typeUrl, value }: RequestMessage, from: Address): void {
    if (this.#handler === undefined) return this.#refuse(from, id, "no handler for requests");
    if (!this.#answering.fits(from, value.length)) return this.#refuse(from, id, "too many requests under way");
    let answer: Content | Promise<Content>;
    try {
      answer = this.#handler({ typeUrl, value }, from);
    } catch (caught) {
      return this.#refuse(from, id, textOf(caught));
    }
    if (!(answer instanceof Promise)) return this.#answer(from, id, answer);
    this.#answering.take(from, value.length);
    answer.then(
      (content) => this.#answer(from, id, content),
      (caught) => this.#refuse(from, id, textOf(caught)),
    ).finally(() => this.#answering.give(from, value.length));
  }

  /** Sends what the application's handler made, whatever that is. */
  #answer(to: Address, id: number, content: Content): void {
    try {
      this.#reply(to, id, "", content);
    } catch (caught) {
      this.#refuse(to, id, textOf(caught));
    }
  }

  #refuse(to: Address, id: number, error: string): void {
    this.#reply(to, id, error, { typeUrl: "", value: new Uint8Array() });
  }

  #reply(to: Address, id: number, error: string, { typeUrl, value }: Content): void {
    const sent = this.#channel.send(to, { id, answer: true, error, typeUrl, value }, ANSWER);
    if (sent === ACCEPTED) return;
    sent.catch((caught) => {
      if (caught instanceof P2pError && caught.code === "message_too_large") this.#refuse(to, id, caught.message);
      // Otherwise the asker is gone, or its queue is full beyond the wait: its own deadline tells it, the channel has counted the drop.
    });
  }

  #sweep(): void {
    this.#cancelSweep = undefined;
    const now = this.#clock.now();
    for (const [id, pending] of this.#pending) {
      if (pending.deadlineMs > now) continue;
      this.#settle(id);
      pending.reject(new P2pError("request_timeout", `Peer ${pending.to} did not answer in time`));
    }
    if (this.#pending.size > 0) this.#cancelSweep = this.#clock.after(SWEEP_MS, () => this.#sweep());
  }
}

/** What an error says; never empty, since no text means no error on the wire. */
function textOf(caught: unknown): string {
  const { message, name } = asError(caught);
  return message || name || "unknown error";
}

function closed(): P2pError {
  return new P2pError("requests_closed", "The node stopped before the answer came");
}
