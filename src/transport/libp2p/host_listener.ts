import { type Clock, sleep } from "../../base/clock.ts";
import { P2pError } from "../../base/errors.ts";
import type { Routines } from "../../base/routines.ts";
import { formatMultiaddr } from "../../identity/multiaddr.ts";
import type { PeerId } from "../../identity/peer_id.ts";
import type { Endpoint } from "../transport.ts";
import type { TcpListener, TcpSocket } from "./tcp_socket.ts";

/** What a {@link HostListener} is made of. */
export interface HostListenerOptions {
  /** The listening port. */
  listener: TcpListener;
  /** The host's peer ID, for {@link HostListener.multiaddr}. */
  peerId: PeerId;
  /** For the pause after a failed accept. */
  clock: Clock;
  /** Where the listening routine runs. */
  routines: Routines;
  /** Gets each connection, at once. */
  accepted: (socket: TcpSocket) => void;
  /** Accepting failed, for example because the process has no file descriptors left; listening goes on. */
  failed: (error: P2pError) => void;
  /** Listening has ended. */
  closed: () => void;
}

/** The pause after a failed accept, which would mostly fail again at once. */
const PAUSE_MS = 100;

/** A port at which a {@link Libp2pHost} listens: one routine. */
export class HostListener implements AsyncDisposable {
  /** Where it listens, with the port the system chose. */
  readonly endpoint: Endpoint;
  /** The same as a multiaddr with the host's peer ID. */
  readonly multiaddr: string;
  readonly #options: HostListenerOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  /** Starts the routine. */
  constructor(options: HostListenerOptions) {
    this.#options = options;
    this.endpoint = options.listener.endpoint;
    this.multiaddr = endpointMultiaddr(this.endpoint, options.peerId);
    const { host, port } = this.endpoint;
    this.#running = options.routines.start(`listen ${host}:${port}`, () => this.#accept().finally(options.closed));
  }

  /** Stops listening; accepted connections stay. Idempotent; resolves when the routine has ended. */
  close(): Promise<void> {
    this.#stop.abort();
    this.#options.listener.close();
    return this.#running;
  }

  /** Like {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #accept(): Promise<void> {
    const { listener, accepted, failed, clock } = this.#options;
    while (!this.#stop.signal.aborted) {
      try {
        const socket = await listener.accept();
        if (socket === undefined) return;
        accepted(socket);
      } catch (cause) {
        if (!(cause instanceof P2pError)) throw cause;
        failed(cause);
        // Ends early only because the listener is closed, which ends the loop.
        await sleep(clock, PAUSE_MS, this.#stop.signal).catch(() => {});
      }
    }
  }
}

/** The multiaddr of an IP endpoint, with `peerId` behind it if given. */
export function endpointMultiaddr(endpoint: Endpoint, peerId?: PeerId): string {
  const { host = "", port = 0 } = endpoint;
  return formatMultiaddr({ kind: host.includes(":") ? "ip6" : "ip4", host, port, peerId });
}
