import { type Clock, deadline } from "../../base/clock.ts";
import { P2pError, ProtocolError } from "../../base/errors.ts";
import { TokenBucket } from "../../base/token_bucket.ts";
import { publicKeyToProto } from "../../identity/peer_id.ts";
import type { HostConnection } from "./host_connection.ts";
import {
  decodeIdentify,
  encodeIdentify,
  IDENTIFY,
  IDENTIFY_BYTES_MAX,
  IDENTIFY_PUSH,
  type IdentifyInfo,
} from "./identify.ts";
import type { Libp2pStream } from "./libp2p_stream.ts";

/** Pushes of one connection that are read; one more is reset. */
const PUSHES = { burst: 16, perSecond: 1 };

/** What one connection pushes. */
interface Pushes {
  readonly allowance: TokenBucket;
  /** The push that is being read. */
  reading: Libp2pStream | undefined;
}

/** What {@link IdentifyService} needs of its host. */
export interface IdentifyOptions {
  /** The host's Ed25519 public key, 32 bytes. */
  publicKey: Uint8Array;
  /** For deadlines. */
  clock: Clock;
  /** How long a remote may take to say what it is. */
  deadlineMs: number;
  /** What the host says of itself over `connection`, at that moment. */
  describe: (connection: HostConnection) => IdentifyInfo;
}

/** Identify and identify push, both sides. */
export class IdentifyService {
  readonly #options: IdentifyOptions;
  readonly #publicKey: Uint8Array;
  readonly #pushes = new WeakMap<HostConnection, Pushes>();

  /** See {@link IdentifyOptions}. */
  constructor(options: IdentifyOptions) {
    this.#options = options;
    this.#publicKey = publicKeyToProto(options.publicKey);
  }

  /** The remote asks: says what we are and ends the stream. */
  answer(stream: Libp2pStream): void {
    this.#send(stream);
  }

  /** Asks the remote. @throws {P2pError} `protocol_unsupported`, `deadline`, `stream_too_long`, `proto_*`, or why the stream is gone. */
  async ask(connection: HostConnection): Promise<IdentifyInfo> {
    return await this.#receive(connection.newStream(IDENTIFY));
  }

  /** Tells the remote what we are now, if it wants to be told; it does not matter when it arrives. */
  push(connection: HostConnection): void {
    if (connection.info?.protocols.includes(IDENTIFY_PUSH)) this.#send(connection.newStream(IDENTIFY_PUSH));
  }

  /** The remote tells what it is now. One push of a connection is read at a time: a newer one takes the place of one that has not ended. */
  async accept(stream: Libp2pStream): Promise<void> {
    const { connection } = stream;
    const pushes = this.#pushesOf(connection);
    if (!pushes.allowance.take()) {
      throw new ProtocolError("identify_push_flood", "Remote says anew what it is faster than that can change");
    }
    pushes.reading?.reset(new P2pError("identify_push_outdated", "Remote says anew what it is"));
    pushes.reading = stream;
    try {
      connection.identified(await this.#receive(stream));
    } finally {
      if (pushes.reading === stream) pushes.reading = undefined;
    }
  }

  #pushesOf(connection: HostConnection): Pushes {
    let pushes = this.#pushes.get(connection);
    if (pushes === undefined) {
      pushes = { allowance: new TokenBucket(this.#options.clock, PUSHES), reading: undefined };
      this.#pushes.set(connection, pushes);
    }
    return pushes;
  }

  async #receive(stream: Libp2pStream): Promise<IdentifyInfo> {
    const { clock, deadlineMs } = this.#options;
    using limit = deadline(clock, deadlineMs, "Identify");
    const message = await stream.readAll(IDENTIFY_BYTES_MAX, limit.signal);
    stream.release();
    return decodeIdentify(message);
  }

  #send(stream: Libp2pStream): void {
    void stream.write(encodeIdentify(this.#options.describe(stream.connection), this.#publicKey));
    stream.release();
  }
}
