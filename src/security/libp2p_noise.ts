import { ProtocolError } from "../base/errors.ts";
import { ByteWriter } from "../codec/byte_writer.ts";
import { concat } from "../codec/concat.ts";
import { ProtoReader, ProtoWriter } from "../codec/proto.ts";
import { type Address, addressOf } from "../identity/address.ts";
import { NodeKey } from "../identity/node_key.ts";
import { type PeerId, peerIdOf, publicKeyFromProto, publicKeyToProto } from "../identity/peer_id.ts";
import { NoiseHandshake, type NoiseRole } from "./noise_handshake.ts";
import { RecordOpener } from "./record_opener.ts";
import { LENGTH_BYTES, RecordSealer } from "./record_sealer.ts";
import { X25519Key } from "./x25519.ts";

const SIGNATURE_PREFIX = new TextEncoder().encode("noise-libp2p-static-key:");

const EMPTY = new Uint8Array();

/** Muxers a remote may name; what it names beyond is not looked at. */
const MUXERS_MAX = 32;

/** What a host brings to every handshake: its static Noise key and the proof that its node key vouches for it. Made once, never stored. */
export class NoiseKeys {
  /** The static Noise key. */
  readonly staticKey: X25519Key;
  /** Fields 1 and 2 of the handshake payload: the node's public key and its signature over the static key. */
  readonly identity: Uint8Array;

  private constructor(nodeKey: NodeKey) {
    this.staticKey = X25519Key.generate();
    this.identity = new ProtoWriter()
      .bytes(1, publicKeyToProto(nodeKey.publicKey))
      .bytes(2, nodeKey.sign(signed(this.staticKey.publicKey)))
      .finish();
  }

  /** A new static key, signed with `nodeKey`. */
  static generate(nodeKey: NodeKey): NoiseKeys {
    return new NoiseKeys(nodeKey);
  }
}

/** What a {@link Libp2pHandshake} begins with. */
export interface Libp2pHandshakeOptions {
  /** `initiator` for the side that dialled. */
  role: NoiseRole;
  /** This host's keys. */
  keys: NoiseKeys;
  /** Who must answer; anybody else fails with `noise_wrong_identity`. @default {anyone} */
  expected?: Address;
  /** The stream muxers this side offers, the preferred one first, such as `/yamux/1.0.0`. @default {none, to be negotiated later} */
  muxers?: readonly string[];
}

/** Who a handshake proved the remote to be. */
export interface RemoteIdentity {
  /** Its Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Its address. */
  readonly address: Address;
  /** Its peer ID. */
  readonly peerId: PeerId;
}

/** A {@link RemoteIdentity} whose peer ID is worked out when somebody asks: base58 costs as much as a hundred look-ups. */
class ProvenRemote implements RemoteIdentity {
  readonly publicKey: Uint8Array;
  readonly address: Address;
  #peerId: PeerId | undefined;

  constructor(publicKey: Uint8Array, address: Address) {
    this.publicKey = publicKey;
    this.address = address;
  }

  get peerId(): PeerId {
    return this.#peerId ??= peerIdOf(this.publicKey);
  }
}

/** What a finished {@link Libp2pHandshake} leaves. */
export interface SecuredChannel {
  /** Seals what this side writes. */
  readonly sealer: RecordSealer;
  /** Opens what this side reads, beginning with the first byte behind the last handshake message. */
  readonly opener: RecordOpener;
  /** Who the remote proved to be. */
  readonly remote: RemoteIdentity;
  /** The muxer that both sides named, first in the initiator's order; absent where none is common or the remote named none. */
  readonly muxer: string | undefined;
}

/**
 * libp2p's Noise handshake, bytes in and bytes out, no I/O: {@link NoiseHandshake} with payloads that prove the node keys and name
 * the stream muxers. (libp2p specification "noise".) Drive it by {@link next}:
 *
 * ```text
 * while next is not "done":
 *   "write" → send write()
 *   "read"  → receive 2 bytes, their noiseMessageLength() more, read(those)
 * finish()
 * ```
 *
 * After an error the handshake is over and the connection is to be closed.
 */
export class Libp2pHandshake {
  readonly #noise: NoiseHandshake;
  readonly #role: NoiseRole;
  readonly #keys: NoiseKeys;
  readonly #expected: Address | undefined;
  readonly #muxers: readonly string[];
  #remote: RemoteIdentity | undefined;
  #remoteMuxers: string[] = [];
  #failed = false;

  /** See {@link Libp2pHandshakeOptions}. */
  constructor({ role, keys, expected, muxers = [] }: Libp2pHandshakeOptions) {
    this.#noise = new NoiseHandshake({ role, staticKey: keys.staticKey });
    this.#role = role;
    this.#keys = keys;
    this.#expected = expected;
    this.#muxers = muxers;
  }

  /** What this side does next. */
  get next(): "write" | "read" | "done" {
    const next = this.#noise.next;
    return next === "split" ? "done" : next;
  }

  /** The next message with its two bytes of length before it, ready to be sent. */
  write(): Uint8Array {
    // The first message travels in clear, so it says nothing of this side.
    const first = this.#role === "initiator" && this.#remote === undefined;
    const message = this.#noise.write(first ? EMPTY : this.#payload());
    const out = new ByteWriter(LENGTH_BYTES + message.length);
    out.byte(message.length >> 8);
    out.byte(message.length & 0xff);
    out.push(message);
    return out.bytes();
  }

  /**
   * Takes the remote's next message, without its length.
   *
   * @throws {ProtocolError} `noise_bad_message` for bytes that are no such message, `noise_bad_signature`, `noise_wrong_identity`,
   * `noise_weak_key`, `key_not_ed25519` for a node key of a kind that has no address.
   */
  read(message: Uint8Array): void {
    if (this.#failed) throw new TypeError("Cannot read: the handshake has failed");
    this.#failed = true;
    const payload = this.#noise.read(message);
    // What a first message carries is neither secret nor proven: the specification has it ignored.
    if (this.#noise.remoteStatic.length > 0) this.#identify(payload);
    this.#failed = false;
  }

  /** The secured channel, once {@link next} is `done`; to be called once. */
  finish(): SecuredChannel {
    if (this.#remote === undefined || this.#failed) throw new TypeError("Cannot finish: the remote is not proven");
    const { send, receive } = this.#noise.split();
    const [preferring, other] = this.#role === "initiator"
      ? [this.#muxers, this.#remoteMuxers]
      : [this.#remoteMuxers, this.#muxers];
    return {
      sealer: new RecordSealer(send),
      opener: new RecordOpener(receive),
      remote: this.#remote,
      muxer: preferring.find((muxer) => other.includes(muxer)),
    };
  }

  #payload(): Uint8Array {
    const extensions = new ProtoWriter();
    for (const muxer of this.#muxers) extensions.string(2, muxer);
    const out = new ByteWriter(256);
    out.push(this.#keys.identity);
    new ProtoWriter(out).bytes(4, extensions.finish());
    return out.bytes();
  }

  #identify(payload: Uint8Array): void {
    const { key, signature, muxers } = readPayload(payload);
    const publicKey = publicKeyFromProto(key);
    if (!NodeKey.verify(publicKey, signed(this.#noise.remoteStatic), signature)) {
      throw new ProtocolError("noise_bad_signature", "Remote's node key did not sign its Noise key");
    }
    const address = addressOf(publicKey);
    if (this.#expected !== undefined && address !== this.#expected) {
      throw new ProtocolError("noise_wrong_identity", `Remote is "${address}", wanted "${this.#expected}"`, {
        hint: "Another node answers at that endpoint: check the address it is dialled by",
      });
    }
    this.#remote = new ProvenRemote(publicKey, address);
    this.#remoteMuxers = muxers;
  }
}

/** The length that two bytes before a Noise message tell. */
export function noiseMessageLength(header: Uint8Array): number {
  return (header[0] << 8) | header[1];
}

interface Payload {
  key: Uint8Array;
  signature: Uint8Array;
  muxers: string[];
}

/** Reads `NoiseHandshakePayload { identity_key = 1; identity_sig = 2; extensions = 4 { stream_muxers = 2 } }`. */
function readPayload(payload: Uint8Array): Payload {
  const read: Payload = { key: EMPTY, signature: EMPTY, muxers: [] };
  try {
    const reader = new ProtoReader(payload);
    for (let field = reader.next(); field !== 0; field = reader.next()) {
      if (field === 1) read.key = reader.bytes();
      else if (field === 2) read.signature = reader.bytes();
      else if (field === 4) {
        const extensions = new ProtoReader(reader.bytes());
        for (let field = extensions.next(); field !== 0; field = extensions.next()) {
          if (field === 2 && read.muxers.length < MUXERS_MAX) read.muxers.push(extensions.string());
        }
      }
    }
    return read;
  } catch (cause) {
    throw new ProtocolError("noise_bad_message", "Noise handshake payload is malformed", { cause });
  }
}

/** What the node key signs: a fixed text and the static Noise key. */
function signed(staticKey: Uint8Array): Uint8Array {
  return concat([SIGNATURE_PREFIX, staticKey]);
}
