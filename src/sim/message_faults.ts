import type { Random } from "../base/random.ts";
import { ByteWriter } from "../codec/byte_writer.ts";
import { FrameDecoder, MORE, writeFrame } from "../codec/frame.ts";
import { MESSAGE_COST, readControlFrame, writeControlFrame } from "../transport/control_frame.ts";
import { CONTROL_CHANNEL } from "../transport/framed_connection.ts";
import type { LinkProfile } from "./link_profile.ts";

/** Of the first credit of a channel this much is kept back, a quarter of it at most: second copies are paid from it. */
const RESERVE_BYTES = 64 * 1024;

interface Account {
  /** What the reserve is filled up to. */
  readonly limit: number;
  /** What second copies may cost now. */
  reserve: number;
  /** What lost messages cost their sender. */
  owed: number;
}

/** One direction of a connection, as {@link MessageFaults} sees it. */
export interface FaultyWay {
  /** What it is like now. */
  profile(): LinkProfile;
  /** Channels of which every message vanishes. */
  readonly muted: ReadonlySet<number>;
}

/** Counts for both directions. */
export interface MessageFaultCounts {
  /** Messages that vanished. */
  messagesLost: number;
  /** Messages that came twice. */
  messagesDuplicated: number;
}

/**
 * Loses and doubles messages within one direction of a connection, unseen by both ends: the credit that a lost message took comes back, and a
 * second copy is paid from credit that was kept back, so that neither a stall nor a breach of the protocol follows.
 */
export class MessageFaults {
  readonly #way: FaultyWay;
  readonly #random: Random;
  readonly #counts: MessageFaultCounts;
  readonly #accounts = new Map<number, Account>();
  /** Channels in the middle of a message, and whether it is being lost. */
  readonly #underWay = new Map<number, boolean>();
  readonly #out = new ByteWriter(256);
  readonly #decoder = new FrameDecoder((channel, flags, body) => this.#frame(channel, flags, body));
  #back!: MessageFaults;
  #greeted = false;

  private constructor(way: FaultyWay, random: Random, counts: MessageFaultCounts) {
    this.#way = way;
    this.#random = random;
    this.#counts = counts;
  }

  /** Both directions of one connection: credit for the one travels on the other. */
  static pair(
    there: FaultyWay,
    back: FaultyWay,
    random: Random,
    counts: MessageFaultCounts,
  ): [MessageFaults, MessageFaults] {
    const faults: [MessageFaults, MessageFaults] = [
      new MessageFaults(there, random, counts),
      new MessageFaults(back, random, counts),
    ];
    [faults[0].#back, faults[1].#back] = [faults[1], faults[0]];
    return faults;
  }

  /** What becomes of whole frames; the result is the receiver's own. */
  apply(frames: Uint8Array): Uint8Array {
    this.#out.clear();
    this.#decoder.push(frames);
    return this.#out.bytes().slice();
  }

  /**
   * The credit that a sender is owed where the receiver will hardly give it back: it hears nothing on the channel. Whole frames for the sender, `undefined`
   * while it is owed little.
   */
  refund(): Uint8Array | undefined {
    const out = new ByteWriter(16);
    for (const [channel, account] of this.#accounts) {
      if (account.owed === 0 || account.owed < account.limit) continue;
      writeControlFrame(out, { type: "credit", channel, bytes: account.owed });
      account.owed = 0;
    }
    return out.length === 0 ? undefined : out.bytes();
  }

  #frame(channel: number, flags: number, body: Uint8Array): void {
    if (channel === CONTROL_CHANNEL) return this.#control(flags, body);
    const { messageLoss, duplicates } = this.#way.profile();
    const known = this.#underWay.get(channel);
    const lost = known ?? (this.#way.muted.has(channel) || (messageLoss > 0 && this.#random.next() < messageLoss));
    const last = (flags & MORE) === 0;
    if (last) this.#underWay.delete(channel);
    else this.#underWay.set(channel, lost);
    if (lost) return this.#lose(channel, body.length, last);
    writeFrame(this.#out, channel, flags, body);
    const whole = last && known === undefined;
    if (whole && duplicates > 0 && this.#random.next() < duplicates) this.#double(channel, body);
  }

  #lose(channel: number, bytes: number, last: boolean): void {
    const account = this.#accounts.get(channel);
    if (account !== undefined) account.owed += bytes + (last ? MESSAGE_COST : 0);
    if (last) this.#counts.messagesLost++;
  }

  #double(channel: number, body: Uint8Array): void {
    const account = this.#accounts.get(channel);
    const cost = body.length + MESSAGE_COST;
    if (account === undefined || account.reserve < cost) return;
    account.reserve -= cost;
    this.#counts.messagesDuplicated++;
    writeFrame(this.#out, channel, 0, body);
  }

  #control(flags: number, body: Uint8Array): void {
    const frame = this.#greeted ? readControlFrame(body) : undefined;
    this.#greeted = true; // the first is the node info
    if (frame?.type !== "credit") return writeFrame(this.#out, CONTROL_CHANNEL, flags, body);
    writeControlFrame(this.#out, { ...frame, bytes: this.#back.#granted(frame.channel, frame.bytes) });
  }

  /** The receiver gives credit for our direction: what of it the sender gets. */
  #granted(channel: number, bytes: number): number {
    const account = this.#accounts.get(channel);
    if (account === undefined) {
      const limit = Math.min(RESERVE_BYTES, bytes >> 2);
      this.#accounts.set(channel, { limit, reserve: limit, owed: 0 });
      return bytes - limit;
    }
    const whole = bytes + account.owed;
    const kept = Math.min(account.limit - account.reserve, whole);
    account.owed = 0;
    account.reserve += kept;
    return whole - kept;
  }
}
