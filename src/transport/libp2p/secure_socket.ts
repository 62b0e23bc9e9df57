import { P2pError, ProtocolError } from "../../base/errors.ts";
import { ByteWriter } from "../../codec/byte_writer.ts";
import { concat } from "../../codec/concat.ts";
import type { Address } from "../../identity/address.ts";
import {
  Libp2pHandshake,
  type NoiseKeys,
  noiseMessageLength,
  type RemoteIdentity,
} from "../../security/libp2p_noise.ts";
import type { RecordOpener } from "../../security/record_opener.ts";
import { LENGTH_BYTES, type RecordSealer } from "../../security/record_sealer.ts";
import type { Direction } from "../transport.ts";
import { MultistreamDialer, MultistreamListener } from "./multistream.ts";
import type { TcpSocket } from "./tcp_socket.ts";

/** The security protocol: the only one offered. */
const NOISE = "/noise";

/** The muxer: the only one offered. */
const YAMUX = "/yamux/1.0.0";

/** A handshake message of an honest node is a few hundred bytes long. */
const MESSAGE_BYTES_MAX = 8 * 1024;

const READ_BYTES = 2 * 1024;

/** What {@link secureSocket} needs beside the socket. */
export interface SecureOptions {
  /** Who opened the connection: the dialer speaks first. */
  direction: Direction;
  /** The node's keys. */
  keys: NoiseKeys;
  /** Who must answer. */
  expected?: Address;
}

/** A connection whose other end is proven and whose bytes are sealed; yamux comes next. */
export interface SecuredSocket {
  /** The connection. */
  readonly socket: TcpSocket;
  /** Seals what we write. */
  readonly sealer: RecordSealer;
  /** Opens what we read. */
  readonly opener: RecordOpener;
  /** Who is at the other end. */
  readonly remote: RemoteIdentity;
  /** Ciphertext that came behind the handshake. */
  readonly received: Uint8Array;
  /** Plaintext that came behind the negotiation of the muxer. */
  readonly session: Uint8Array;
}

/**
 * Secures a fresh connection: multistream-select `/noise`, Noise XX with early muxer negotiation, and where the remote knows
 * none, multistream-select `/yamux/1.0.0` inside. The dialer sends proposal and first message in one write, so that the
 * whole takes two round trips less than by the book. Closing the socket ends it from outside.
 *
 * @throws {P2pError} `handshake_cut_off`, `connection_lost`, `protocol_unsupported`
 * @throws {ProtocolError} `multistream_*`, `noise_*`, `key_not_ed25519`, `handshake_too_long`
 */
export async function secureSocket(socket: TcpSocket, options: SecureOptions): Promise<SecuredSocket> {
  const { direction, keys, expected } = options;
  const outbound = direction === "outbound";
  const plain = new Plain(socket);
  const handshake = new Libp2pHandshake({
    role: outbound ? "initiator" : "responder",
    keys,
    expected,
    muxers: [YAMUX],
  });
  if (outbound) {
    const dialer = new MultistreamDialer([NOISE]);
    plain.out.push(dialer.first());
    plain.out.push(handshake.write());
    await negotiate(plain, dialer);
    handshake.read(await readMessage(plain));
    plain.out.push(handshake.write());
    await plain.flush();
  } else {
    await negotiate(plain, new MultistreamListener(offer(NOISE)));
    handshake.read(await readMessage(plain));
    plain.out.push(handshake.write());
    handshake.read(await readMessage(plain));
  }
  const { sealer, opener, remote, muxer } = handshake.finish();
  if (muxer === YAMUX) {
    return { socket, sealer, opener, remote, received: plain.rest, session: new Uint8Array(0) };
  }
  const sealed = new Sealed(socket, sealer, opener, plain.rest);
  if (outbound) {
    const dialer = new MultistreamDialer([YAMUX]);
    sealed.out.push(dialer.first());
    await negotiate(sealed, dialer);
  } else {
    await negotiate(sealed, new MultistreamListener(offer(YAMUX)));
    await sealed.flush();
  }
  return { socket, sealer, opener, remote, received: new Uint8Array(0), session: sealed.rest };
}

/** Bytes both ways with what was read too much kept for later, and what is written held back until something must be read. */
interface Duplex {
  readonly out: ByteWriter;
  rest: Uint8Array;
  /** Writes {@link out}, then waits for more and adds it to {@link rest}. */
  more(): Promise<void>;
  flush(): Promise<void>;
}

/** The socket as it is. */
class Plain implements Duplex {
  readonly out = new ByteWriter(256);
  rest: Uint8Array = new Uint8Array(0);
  readonly #socket: TcpSocket;

  constructor(socket: TcpSocket) {
    this.#socket = socket;
  }

  async more(): Promise<void> {
    await this.flush();
    this.rest = joined(this.rest, await readSome(this.#socket));
  }

  async flush(): Promise<void> {
    if (this.out.length === 0) return;
    await this.#socket.write(this.out.bytes());
    this.out.clear();
  }
}

/** The socket behind Noise. */
class Sealed implements Duplex {
  readonly out = new ByteWriter(256);
  rest: Uint8Array = new Uint8Array(0);
  readonly #socket: TcpSocket;
  readonly #sealer: RecordSealer;
  readonly #opener: RecordOpener;
  #received: Uint8Array;

  constructor(socket: TcpSocket, sealer: RecordSealer, opener: RecordOpener, received: Uint8Array) {
    this.#socket = socket;
    this.#sealer = sealer;
    this.#opener = opener;
    this.#received = received;
  }

  async more(): Promise<void> {
    await this.flush();
    const received = this.#received.length > 0 ? this.#received : await readSome(this.#socket);
    this.#received = new Uint8Array(0);
    this.#opener.push(received, (plaintext) => this.rest = joined(this.rest, plaintext));
  }

  async flush(): Promise<void> {
    if (this.out.length === 0) return;
    const sealed = new ByteWriter(this.out.length + 64);
    this.#sealer.seal(this.out.bytes(), sealed);
    this.out.clear();
    await this.#socket.write(sealed.bytes());
  }
}

async function negotiate(duplex: Duplex, negotiation: MultistreamDialer | MultistreamListener): Promise<void> {
  const send = (bytes: Uint8Array) => duplex.out.push(bytes);
  for (;;) {
    if (duplex.rest.length === 0) await duplex.more();
    const chunk = duplex.rest;
    duplex.rest = new Uint8Array(0);
    const rest = negotiation.receive(chunk, send);
    if (rest !== undefined) {
      duplex.rest = rest;
      return;
    }
  }
}

async function readMessage(duplex: Duplex): Promise<Uint8Array> {
  while (duplex.rest.length < LENGTH_BYTES) await duplex.more();
  const length = noiseMessageLength(duplex.rest);
  if (length > MESSAGE_BYTES_MAX) {
    throw new ProtocolError(
      "handshake_too_long",
      `Handshake message claims ${length} bytes, the limit is ${MESSAGE_BYTES_MAX}`,
    );
  }
  const end = LENGTH_BYTES + length;
  while (duplex.rest.length < end) await duplex.more();
  const message = duplex.rest.subarray(LENGTH_BYTES, end);
  duplex.rest = duplex.rest.subarray(end);
  return message;
}

async function readSome(socket: TcpSocket): Promise<Uint8Array> {
  const buffer = new Uint8Array(READ_BYTES);
  const count = await socket.read(buffer);
  if (count === null) throw new P2pError("handshake_cut_off", "The remote closed the connection during the handshake");
  return buffer.subarray(0, count);
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  return first.length === 0 ? second : concat([first, second]);
}

function offer(protocol: string): { supports(asked: string): boolean; list(): string[] } {
  return { supports: (asked) => asked === protocol, list: () => [protocol] };
}
