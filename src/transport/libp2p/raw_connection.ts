import type { P2pError } from "../../base/errors.ts";
import type { Direction, Endpoint } from "../transport.ts";
import type { TcpSocket } from "./tcp_socket.ts";

/** A TCP connection that is not secured yet. Pass it to {@link Libp2pHost.secure} or close it; the host closes it at its handshake deadline. */
export class RawConnection {
  /** Who opened it. */
  readonly direction: Direction;
  /** This end. */
  readonly localEndpoint: Endpoint;
  /** The other end. */
  readonly remoteEndpoint: Endpoint;
  readonly #socket: TcpSocket;
  readonly #settled: () => void;
  #reason: P2pError | undefined;
  #over = false;

  /**
   * Made by {@link Libp2pHost}. `settled` is called once, when it was closed or secured.
   *
   * @internal
   */
  constructor(socket: TcpSocket, direction: Direction, settled: () => void) {
    this.#socket = socket;
    this.#settled = settled;
    this.direction = direction;
    this.localEndpoint = socket.local;
    this.remoteEndpoint = socket.remote;
  }

  /** Why the host or the caller closed it. */
  get reason(): P2pError | undefined {
    return this.#reason;
  }

  /**
   * The handshake is over, the socket belongs to a connection now. Called by the host.
   *
   * @internal
   */
  secured(): void {
    this.#settle();
  }

  /** Closes the socket; a handshake under way fails with `reason`. Idempotent. */
  close(reason?: P2pError): void {
    if (this.#over) return;
    this.#reason ??= reason;
    this.#socket.close();
    this.#settle();
  }

  #settle(): void {
    if (this.#over) return;
    this.#over = true;
    this.#settled();
  }
}
