import type { Cancel, Clock } from "../../base/clock.ts";
import { P2pError } from "../../base/errors.ts";
import { RawConnection } from "./raw_connection.ts";
import type { TcpSocket } from "./tcp_socket.ts";

/** Limits of {@link PendingConnections}. */
export interface PendingLimits {
  /** For the deadline. */
  clock: Clock;
  /** How long a connection may stay unsecured. */
  handshakeMs: number;
  /** Inbound connections at once. */
  pendingInboundMax: number;
  /** The same, of one IP address. */
  pendingInboundPerIpMax: number;
}

/** The connections that are not secured yet: counts inbound ones against the limits and closes each at its deadline. */
export class PendingConnections {
  readonly #limits: PendingLimits;
  readonly #timers = new Map<RawConnection, Cancel>();
  readonly #perIp = new Map<string, number>();
  #inbound = 0;
  /** Connections that were closed at once because of a limit. */
  refused = 0;

  /** See {@link PendingLimits}. */
  constructor(limits: PendingLimits) {
    this.#limits = limits;
  }

  /** Takes in what a listener accepted; `undefined` if a limit had it closed. */
  accept(socket: TcpSocket): RawConnection | undefined {
    const { pendingInboundMax, pendingInboundPerIpMax } = this.#limits;
    const ip = socket.remote.host!;
    const ofIp = this.#perIp.get(ip) ?? 0;
    if (this.#inbound >= pendingInboundMax || ofIp >= pendingInboundPerIpMax) {
      this.refused++;
      socket.close();
      return undefined;
    }
    this.#inbound++;
    this.#perIp.set(ip, ofIp + 1);
    return this.#add(new RawConnection(socket, "inbound", (raw) => this.#remove(raw)));
  }

  /** Takes in what we dialled. */
  dialled(socket: TcpSocket): RawConnection {
    return this.#add(new RawConnection(socket, "outbound", (raw) => this.#remove(raw)));
  }

  /** Closes all of them with `reason`. */
  close(reason: P2pError): void {
    for (const raw of [...this.#timers.keys()]) raw.close(reason);
  }

  #add(raw: RawConnection): RawConnection {
    const { clock, handshakeMs } = this.#limits;
    const expire = () => raw.close(new P2pError("handshake_timeout", `Handshake was not over after ${handshakeMs} ms`));
    this.#timers.set(raw, clock.after(handshakeMs, expire));
    return raw;
  }

  #remove(raw: RawConnection): void {
    this.#timers.get(raw)?.();
    this.#timers.delete(raw);
    if (raw.direction === "outbound") return;
    this.#inbound--;
    const ip = raw.remoteEndpoint.host!;
    const left = this.#perIp.get(ip)! - 1;
    if (left === 0) this.#perIp.delete(ip);
    else this.#perIp.set(ip, left);
  }
}
