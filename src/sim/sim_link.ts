import type { Cancel } from "../base/clock.ts";
import { asP2pError, P2pError } from "../base/errors.ts";
import type { Routines } from "../base/routines.ts";
import type { FrameLink, LinkHandler, ProvenIdentity } from "../transport/frame_link.ts";
import type { NodeInfo } from "../transport/node_info.ts";
import type { Direction, Endpoint, HandshakeOptions } from "../transport/transport.ts";
import { MessageFaults } from "./message_faults.ts";
import type { SimHost } from "./sim_host.ts";
import type { SimNetwork } from "./sim_network.ts";
import { type PipeEnds, SimPipe } from "./sim_pipe.ts";
import { TraceKind } from "./sim_trace.ts";

/** Bytes taken in one turn; less where the line is slow, so that what is urgent does not stand behind them. */
const TURN_BYTES = 256 * 1024;
const SLOW_TURN_BYTES = 16 * 1024;

/** What one end of a connection is made of. */
export interface SimEnd {
  /** Where it stands. */
  readonly host: SimHost;
  /** The place it calls its own. */
  readonly endpoint: Endpoint;
  /** Where its routines are counted. */
  readonly routines: Routines;
}

/** One end of a connection on a {@link SimNetwork}. Its two routines are turns that the network gives it, so they cost no promises. */
export class SimLink implements FrameLink {
  readonly direction: Direction;
  readonly localEndpoint: Endpoint;
  readonly remoteEndpoint: Endpoint;
  bytesRead = 0;
  bytesWritten = 0;
  readonly #network: SimNetwork;
  readonly #own: SimEnd;
  readonly #remote: SimEnd;
  #peer!: SimLink;
  #out!: SimPipe;
  #in!: SimPipe;
  #faults: MessageFaults | undefined;
  #handler: LinkHandler | undefined;
  /** What arrived before the handshake began: the other end's node info. */
  #early: Uint8Array[] = [];
  #finished = false;
  #closing = false;
  #reason: P2pError | undefined;
  #woken = false;
  #cancelWait: Cancel | undefined;
  readonly #ended = Promise.withResolvers<void>();
  #done: Promise<void> = Promise.resolve();

  private constructor(network: SimNetwork, own: SimEnd, remote: SimEnd, direction: Direction) {
    this.#network = network;
    this.#own = own;
    this.#remote = remote;
    this.direction = direction;
    this.localEndpoint = own.endpoint;
    this.remoteEndpoint = remote.endpoint;
    own.host.links.add(this);
  }

  /** Two connected ends. */
  static pair(network: SimNetwork, dialler: SimEnd, listener: SimEnd): [outbound: SimLink, inbound: SimLink] {
    const a = new SimLink(network, dialler, listener, "outbound");
    const b = new SimLink(network, listener, dialler, "inbound");
    const there = new SimPipe(network, dialler.host, listener.host, SimLink.#between(a, b));
    const back = new SimPipe(network, listener.host, dialler.host, SimLink.#between(b, a));
    [a.#out, a.#in, a.#peer] = [there, back, b];
    [b.#out, b.#in, b.#peer] = [back, there, a];
    const way = ({ host: from }: SimEnd, { host: to }: SimEnd) => {
      return { profile: () => network.profile(from, to), muted: from.muted };
    };
    if (network.losesMessages(dialler.host, listener.host)) {
      const { random, stats } = network;
      [a.#faults, b.#faults] = MessageFaults.pair(way(dialler, listener), way(listener, dialler), random, stats);
    }
    return [a, b];
  }

  static #between(from: SimLink, to: SimLink): PipeEnds {
    return {
      arrived: (bytes) => to.#arrived(bytes),
      finished: () => to.#finish(),
      refused: () => from.#own.host.run(() => from.break("Peer has restarted")),
      room: () => from.#own.host.run(() => from.wake()),
    };
  }

  /** The other end. */
  get peer(): SimLink {
    return this.#peer;
  }

  /** The machine it is on. */
  get host(): SimHost {
    return this.#own.host;
  }

  /** Serves `handler` from now on. The identity of the other end is that of its host. */
  secure(handler: LinkHandler, _info: NodeInfo, { signal, expected }: HandshakeOptions): Promise<ProvenIdentity> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const { identity } = this.#remote.host;
    if (expected !== undefined && expected !== identity.address) {
      const error = new P2pError("handshake_wrong_identity", `Expected ${expected}, ${identity.address} answered`);
      this.#end(error, true);
      return Promise.reject(error);
    }
    if (this.#closing) return Promise.reject(this.#reason ?? new P2pError("connection_closed", "Connection is closed"));
    this.#handler = handler;
    const { routines } = this.#own;
    this.#done = Promise.all([
      routines.start(`read ${identity.address}`, () => this.#ended.promise),
      routines.start(`write ${identity.address}`, () => this.#ended.promise),
    ]).then(() => handler.ended(this.#reason));
    const early = this.#early;
    this.#early = [];
    for (const bytes of early) this.#read(bytes);
    if (this.#finished) this.#end(undefined, true);
    return Promise.resolve(identity);
  }

  /** There is something to take: the network gives it a turn when what runs now has run. */
  wake(): void {
    if (this.#woken || this.#closing || this.#handler === undefined) return;
    this.#woken = true;
    this.#network.queueTurn(this);
  }

  /** Whether messages on it may be lost. */
  get faulty(): boolean {
    return this.#faults !== undefined;
  }

  /** For the network: one turn of the write routine. */
  turn(): void {
    const { host } = this.#own;
    if (!host.running) return host.run(() => this.turn());
    this.#woken = false;
    while (!this.#closing && this.#out.open) {
      const busyMs = this.#out.busyMs;
      if (busyMs > 0) return this.#wait(busyMs);
      const bytes = this.#take();
      if (bytes === undefined) return;
      this.bytesWritten += bytes.length;
      if (bytes.length > 0) this.#out.send(bytes);
    }
  }

  /** Ends both directions; with a reason without waiting for what is queued. */
  async close(reason?: P2pError): Promise<void> {
    this.#end(reason, true);
    await this.#done;
  }

  /** The other machine does not know this connection any more. */
  break(why: string): void {
    if (this.#closing) return;
    const { trace, clock } = this.#network;
    trace.add(TraceKind.reset, clock.now(), this.#remote.host.number, this.#own.host.number);
    this.#network.stats.resets++;
    this.#end(new P2pError("connection_reset", why), false);
  }

  /** The machine crashed: nobody is told anything. */
  abandon(): void {
    this.#closing = true;
    this.#cancelWait?.();
  }

  #take(): Uint8Array | undefined {
    const { scratch } = this.#network;
    const { host } = this.#own;
    const slow = this.#network.profile(host, this.#remote.host).bytesPerSecond < Infinity;
    scratch.clear();
    try {
      this.#handler!.take(scratch, slow ? SLOW_TURN_BYTES : TURN_BYTES);
    } catch (caught) {
      this.#end(asP2pError("write_failed", caught), true);
      return undefined;
    }
    if (scratch.length === 0) return undefined;
    const frames = scratch.bytes();
    this.#network.tapped(host, this.#remote.host, frames);
    if (this.#faults === undefined) return frames.slice();
    const kept = this.#faults.apply(frames);
    const refund = this.#faults.refund();
    if (refund !== undefined) this.#network.clock.after(0, () => host.run(() => this.#read(refund)));
    return kept;
  }

  #wait(ms: number): void {
    if (this.#cancelWait !== undefined) return;
    this.#cancelWait = this.#network.clock.after(ms, () => {
      this.#cancelWait = undefined;
      this.#own.host.run(() => this.wake());
    });
  }

  #arrived(bytes: Uint8Array): void {
    if (this.#closing) return;
    this.bytesRead += bytes.length;
    if (this.#handler === undefined) this.#early.push(bytes);
    else this.#read(bytes);
  }

  #read(bytes: Uint8Array): void {
    if (this.#closing) return;
    try {
      this.#handler!.data(bytes);
    } catch (caught) {
      this.#end(asP2pError("receive_failed", caught), true);
    }
  }

  #finish(): void {
    this.#finished = true;
    if (this.#handler !== undefined) this.#end(undefined, true);
  }

  #end(reason: P2pError | undefined, tellPeer: boolean): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#reason = reason;
    this.#early = [];
    this.#own.host.links.delete(this);
    this.#cancelWait?.();
    this.#in.abandon();
    if (tellPeer) this.#out.finish();
    else this.#out.abandon();
    this.#ended.resolve();
  }
}
