import { P2pError, ProtocolError } from "../base/errors.ts";
import { decodeBase32 } from "../codec/base32.ts";
import { decodeBase58, encodeBase58 } from "../codec/base58.ts";
import { ProtoReader, ProtoWriter } from "../codec/proto.ts";
import { type Address, addressOf } from "./address.ts";

/**
 * Who a libp2p node is, as text: the base58btc of a multihash of its protobuf-encoded public key. `12D3KooW...` for an Ed25519
 * key, which stands in it as a whole; `Qm...` or `16Uiu2...` for other kinds. (libp2p peer ID specification)
 */
export type PeerId = string;

/** Bytes of an Ed25519 public key. */
export const PUBLIC_KEY_BYTES = 32;

/** What stands before an Ed25519 key in its protobuf `PublicKey`: type 1 as field 1, 32 bytes as field 2. */
const ED25519_PROTO_HEADER = Uint8Array.of(0x08, 0x01, 0x12, PUBLIC_KEY_BYTES);

const KEY_TYPE_ED25519 = 1;
const IDENTITY = 0x00;
const IDENTITY_BYTES_MAX = 42;
const SHA2_256 = 0x12;
const SHA2_256_BYTES = 32;
const CID_VERSION = 0x01;
const CID_LIBP2P_KEY = 0x72;

/** An Ed25519 public key (32 bytes) as libp2p's protobuf `PublicKey { Type = 1; Data = 2 }`. */
export function publicKeyToProto(publicKey: Uint8Array): Uint8Array {
  return new ProtoWriter().uint(1, KEY_TYPE_ED25519).bytes(2, publicKey).finish();
}

/**
 * The 32 bytes of the Ed25519 key in libp2p's protobuf `PublicKey`.
 *
 * @throws {ProtocolError} `key_not_ed25519` for another kind, `key_malformed` for another length, or a protobuf error.
 */
export function publicKeyFromProto(encoded: Uint8Array): Uint8Array {
  let type = 0;
  let data: Uint8Array | undefined;
  const reader = new ProtoReader(encoded);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) type = reader.uint();
    else if (field === 2) data = reader.bytes();
  }
  if (data === undefined) throw new ProtocolError("key_malformed", "Public key has no data");
  if (type !== KEY_TYPE_ED25519) {
    throw new ProtocolError("key_not_ed25519", `Public key is of type ${type}, wanted ${KEY_TYPE_ED25519} (Ed25519)`);
  }
  if (data.length !== PUBLIC_KEY_BYTES) {
    throw new ProtocolError("key_malformed", `Ed25519 key has ${data.length} bytes, it takes ${PUBLIC_KEY_BYTES}`);
  }
  return data.slice();
}

/** The peer ID of an Ed25519 public key (32 bytes). */
export function peerIdOf(publicKey: Uint8Array): PeerId {
  const proto = publicKeyToProto(publicKey);
  return encodeBase58(Uint8Array.of(IDENTITY, proto.length, ...proto));
}

/**
 * Reads a peer ID as text, base58btc (`12D3KooW...`, `Qm...`) or CIDv1 in base32 (`bafz...`), and returns it as base58btc.
 *
 * @throws {P2pError} `peer_id_malformed`
 */
export function parsePeerId(text: string): PeerId {
  try {
    if (!text.startsWith("b")) return peerIdFromBytes(decodeBase58(text));
    if (text.length > 128) throw malformed(`has ${text.length} characters`);
    const cid = decodeBase32(text.slice(1));
    if (cid[0] !== CID_VERSION || cid[1] !== CID_LIBP2P_KEY) throw malformed("is a CID of something else than a key");
    return peerIdFromBytes(cid.subarray(2));
  } catch (cause) {
    throw new P2pError("peer_id_malformed", `Cannot read "${text.slice(0, 128)}" as a peer ID`, {
      cause,
      hint: "A peer ID starts with 12D3KooW, 16Uiu2, Qm or bafz",
    });
  }
}

/** Whether `text` is a peer ID in its base58btc form. */
export function isPeerId(text: string): text is PeerId {
  try {
    return parsePeerId(text) === text;
  } catch (error) {
    if (error instanceof P2pError) return false;
    throw error;
  }
}

/** The multihash that a peer ID is the text of; 38 bytes for an Ed25519 key. @throws {P2pError} `peer_id_malformed` */
export function peerIdToBytes(peerId: PeerId): Uint8Array {
  return decodeBase58(parsePeerId(peerId));
}

/** The peer ID of a multihash: an identity of at most 42 bytes, or SHA2-256. @throws {ProtocolError} `peer_id_malformed` */
export function peerIdFromBytes(multihash: Uint8Array): PeerId {
  const [code, length] = multihash;
  if (multihash.length < 2 || multihash.length !== 2 + length) throw malformed("is no whole multihash");
  const known = (code === IDENTITY && length <= IDENTITY_BYTES_MAX) || (code === SHA2_256 && length === SHA2_256_BYTES);
  if (!known) throw malformed(`is a multihash of code ${code} and ${length} bytes`);
  return encodeBase58(multihash);
}

/**
 * The Ed25519 public key (32 bytes) that stands in a peer ID.
 *
 * @throws {P2pError} `peer_id_malformed`, or `peer_id_not_ed25519` where the key is of another kind or only its hash is known.
 */
export function publicKeyOfPeerId(peerId: PeerId): Uint8Array {
  const multihash = peerIdToBytes(peerId);
  const start = 2 + ED25519_PROTO_HEADER.length;
  const fits = multihash[0] === IDENTITY && multihash.length === start + PUBLIC_KEY_BYTES &&
    ED25519_PROTO_HEADER.every((byte, i) => multihash[2 + i] === byte);
  if (fits) return multihash.slice(start);
  throw new P2pError("peer_id_not_ed25519", `Peer ID "${peerId}" holds no Ed25519 key, so it has no address`, {
    hint: "Only nodes with an Ed25519 key can be validators",
  });
}

/** The address of the node whose peer ID this is. @throws {P2pError} `peer_id_malformed`, `peer_id_not_ed25519` */
export function addressOfPeerId(peerId: PeerId): Address {
  return addressOf(publicKeyOfPeerId(peerId));
}

function malformed(what: string): ProtocolError {
  return new ProtocolError("peer_id_malformed", `Peer ID ${what}`);
}
