import type { P2pError } from "../../src/base/errors.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";
import type { LaneOptions } from "../../src/socket/send_lane.ts";
import { Socket, type SocketOptions } from "../../src/socket/socket.ts";
import type { SocketState } from "../../src/socket/socket_state.ts";
import { TestNode, within } from "../transport/_nodes.ts";

export function lane(id: number, overrides: Partial<LaneOptions> = {}): LaneOptions {
  return {
    id,
    priority: 1,
    sendCapacity: 1 << 20,
    receiveCapacity: 1 << 20,
    messageBytesMax: 4 << 20,
    whenFull: "block",
    ...overrides,
  };
}

/** A socket and what it told. */
export class SocketTester {
  readonly socket: Socket;
  readonly node: TestNode;
  readonly clock: VirtualClock;
  readonly received: { channel: number; bytes: Uint8Array }[] = [];
  readonly states: SocketState[] = ["opening"];
  /** Whether a message is consumed at once. */
  consume = (_channel: number, _bytes: Uint8Array): boolean => true;
  closed = false;
  reason: P2pError | undefined;
  closedCalls = 0;
  readonly #lanes: LaneOptions[];

  constructor(node: TestNode, clock: VirtualClock, options: Partial<SocketOptions>) {
    this.node = node;
    this.clock = clock;
    this.#lanes = [...(options.lanes ?? [lane(1), lane(2)])];
    this.socket = new Socket({
      clock,
      strict: true,
      onMessage: (socket, channel, bytes) => {
        this.received.push({ channel, bytes });
        if (this.consume(channel, bytes)) socket.consumed(channel, bytes.length);
      },
      onClosed: (_socket, reason) => {
        this.closed = true;
        this.reason = reason;
        this.closedCalls++;
      },
      onState: (_socket, state) => void this.states.push(state),
      ...options,
      lanes: this.#lanes,
    });
  }

  async authenticate(signal: AbortSignal): Promise<void> {
    const channels = this.#lanes.map(({ id, receiveCapacity }) => ({ id, capacity: receiveCapacity }));
    await this.socket.authenticate(this.node.info({ channels }), signal);
  }

  open(): void {
    this.socket.admit();
    this.socket.open();
  }

  on(channel: number): Uint8Array[] {
    return this.received.filter((message) => message.channel === channel).map(({ bytes }) => bytes);
  }
}

export interface SocketPair extends AsyncDisposable {
  /** The dialling end. */
  readonly a: SocketTester;
  /** The accepting end. */
  readonly b: SocketTester;
  /** The time of both. */
  readonly clock: VirtualClock;
}

/** Two open sockets over the transports of two nodes, with channels 1 and 2 unless told otherwise. */
export async function socketPair(
  dialler: TestNode,
  listener: TestNode,
  options: Partial<SocketOptions> = {},
  listenerOptions: Partial<SocketOptions> = options,
): Promise<SocketPair> {
  const clock = new VirtualClock();
  const a = new SocketTester(dialler, clock, options);
  const b = new SocketTester(listener, clock, listenerOptions);
  const { signal } = new AbortController();
  const [known] = listener.transport.endpoints();
  const address = known === undefined ? await listener.listen() : { id: listener.address, ...known };
  await within("dial", a.socket.dial(dialler.transport, address, signal));
  b.socket.accept(await listener.accepted());
  await within("handshake", Promise.all([a.authenticate(signal), b.authenticate(signal)]));
  a.open();
  b.open();
  return {
    a,
    b,
    clock,
    async [Symbol.asyncDispose]() {
      await within("close", Promise.all([a.socket.close(), b.socket.close()]));
      if (clock.pending > 0) throw new Error(`${clock.pending} timers are left after both sockets closed`);
    },
  };
}
