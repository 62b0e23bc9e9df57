import type { Clock } from "../../src/base/clock.ts";
import { asP2pError, P2pError } from "../../src/base/errors.ts";
import { Routines } from "../../src/base/routines.ts";
import type { ByteWriter } from "../../src/codec/byte_writer.ts";
import type { NodeAddress } from "../../src/identity/node_address.ts";
import type { NodeKey } from "../../src/identity/node_key.ts";
import type { FrameLink, LinkHandler, ProvenIdentity } from "../../src/transport/frame_link.ts";
import { FramedConnection } from "../../src/transport/framed_connection.ts";
import { MemoryLink, type MemoryLinkOptions } from "../../src/transport/memory/memory_link.ts";
import type { NodeInfo } from "../../src/transport/node_info.ts";
import type { Connection, Endpoint, HandshakeOptions, Transport } from "../../src/transport/transport.ts";

/** Places of a {@link LaggedTransport} that may be dialled. */
export type LaggedPlaces = Map<string, { own: MemoryLinkOptions; accept: (link: FrameLink) => void }>;

/** A memory transport on which bytes take their time: `lagMs` is asked for each direction of each connection. */
export class LaggedTransport implements Transport {
  readonly protocols = ["memory"];
  readonly #places: LaggedPlaces;
  readonly #clock: Clock;
  readonly #lagMs: () => number;
  readonly #own: MemoryLinkOptions;

  constructor(places: LaggedPlaces, clock: Clock, key: NodeKey, lagMs: () => number) {
    this.#places = places;
    this.#clock = clock;
    this.#lagMs = lagMs;
    this.#own = { endpoint: { protocol: "memory", path: key.address }, identity: key, routines: new Routines() };
  }

  endpoints(): Endpoint[] {
    return [];
  }

  listen(endpoint: Endpoint, accept: (connection: Connection) => void): Promise<Endpoint> {
    const { identity } = this.#own;
    this.#places.set(identity.address, {
      own: this.#own,
      accept: (link) => accept(new FramedConnection(new LaggedLink(link, this.#clock, this.#lagMs()))),
    });
    return Promise.resolve(endpoint);
  }

  dial({ id }: NodeAddress): Promise<Connection> {
    const place = this.#places.get(id);
    if (place === undefined) return Promise.reject(new P2pError("dial_refused", "No one listens there"));
    const [outbound, inbound] = MemoryLink.pair(this.#own, place.own);
    place.accept(inbound);
    return Promise.resolve(new FramedConnection(new LaggedLink(outbound, this.#clock, this.#lagMs())));
  }

  close(): Promise<void> {
    this.#places.delete(this.#own.identity.address);
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** A link whose incoming bytes, and whose end, arrive late. */
class LaggedLink implements FrameLink {
  readonly #link: FrameLink;
  readonly #clock: Clock;
  readonly #lagMs: number;

  constructor(link: FrameLink, clock: Clock, lagMs: number) {
    this.#link = link;
    this.#clock = clock;
    this.#lagMs = lagMs;
  }

  get direction() {
    return this.#link.direction;
  }
  get localEndpoint() {
    return this.#link.localEndpoint;
  }
  get remoteEndpoint() {
    return this.#link.remoteEndpoint;
  }
  get bytesRead() {
    return this.#link.bytesRead;
  }
  get bytesWritten() {
    return this.#link.bytesWritten;
  }

  secure(handler: LinkHandler, info: NodeInfo, options: HandshakeOptions): Promise<ProvenIdentity> {
    return this.#link.secure(
      {
        data: (chunk) => {
          this.#clock.after(this.#lagMs, () => {
            try {
              handler.data(chunk);
            } catch (caught) {
              void this.#link.close(asP2pError("receive_failed", caught));
            }
          });
          return true;
        },
        take: (out: ByteWriter, budget: number) => handler.take(out, budget),
        ended: (reason) => void this.#clock.after(this.#lagMs, () => handler.ended(reason)),
      },
      info,
      options,
    );
  }

  wake(): void {
    this.#link.wake();
  }

  close(reason?: P2pError): Promise<void> {
    return this.#link.close(reason);
  }
}
