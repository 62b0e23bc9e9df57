import { ByteWriter } from "../../codec/byte_writer.ts";
import { ProtoReader, ProtoWriter } from "../../codec/proto.ts";
import { readVarint } from "../../codec/varint.ts";
import { formatMultiaddr, multiaddrFromBytes, multiaddrToBytes, parseMultiaddr } from "../../identity/multiaddr.ts";
import { P2pError, ProtocolError } from "../../base/errors.ts";

/** The protocol by which a peer says what it is when asked. */
export const IDENTIFY = "/ipfs/id/1.0.0";

/** The protocol by which a peer says unasked what has changed. */
export const IDENTIFY_PUSH = "/ipfs/id/push/1.0.0";

/** The longest identify message that is read. */
export const IDENTIFY_BYTES_MAX = 64 * 1024;

/** Protocols of a remote that are kept; what it names beyond is not looked at. */
const PROTOCOLS_MAX = 1_000;

/** Addresses that are looked at, readable or not: one that is not costs more than one that is. */
const ADDRESSES_MAX = 100;

/** What a peer says of itself; nothing of it is proven but by the connection it came over. */
export interface IdentifyInfo {
  /** The protocols it serves. */
  readonly protocols: readonly string[];
  /** Multiaddrs at which it says it listens; those of an unknown kind are left out. */
  readonly listen: readonly string[];
  /** The multiaddr from which it sees us; absent if unknown. */
  readonly observed: string | undefined;
  /** Name and version of its software, such as `raintree/0.1.0`. */
  readonly agentVersion: string;
  /** The protocol family, `ipfs/0.1.0` for most. */
  readonly protocolVersion: string;
}

/** Encodes identify's protobuf message behind its length as a varint. `publicKey` is in libp2p's protobuf form. */
export function encodeIdentify(info: IdentifyInfo, publicKey: Uint8Array): Uint8Array {
  const out = new ProtoWriter();
  out.bytes(1, publicKey);
  for (const address of info.listen) out.message(2, multiaddrToBytes(parseMultiaddr(address)));
  for (const protocol of info.protocols) out.string(3, protocol);
  if (info.observed !== undefined) out.bytes(4, multiaddrToBytes(parseMultiaddr(info.observed)));
  out.string(5, info.protocolVersion);
  out.string(6, info.agentVersion);
  const message = out.finish();
  const framed = new ByteWriter(message.length + 4);
  framed.varint(message.length);
  framed.push(message);
  return framed.bytes();
}

/**
 * Decodes what a peer sent until the end of the stream: one protobuf message behind its length, or several that add up, as
 * go-libp2p sends a long one. The public key in it is not looked at: the handshake has proven one.
 *
 * @throws {ProtocolError} `identify_truncated`, `proto_*`, `varint_*`
 */
export function decodeIdentify(bytes: Uint8Array): IdentifyInfo {
  const info = { protocols: [], listen: [], observed: undefined, agentVersion: "", protocolVersion: "" };
  const addresses = { left: ADDRESSES_MAX };
  for (let at = 0; at < bytes.length;) {
    const length = readVarint(bytes, at);
    if (length === undefined || length.end + length.value > bytes.length) {
      throw new ProtocolError("identify_truncated", `Identify message ends after ${bytes.length} bytes, inside a part`);
    }
    at = length.end + length.value;
    readPart(bytes.subarray(length.end, at), info, addresses);
  }
  return info;
}

interface MutableInfo {
  protocols: string[];
  listen: string[];
  observed: string | undefined;
  agentVersion: string;
  protocolVersion: string;
}

function readPart(message: Uint8Array, info: MutableInfo, addresses: { left: number }): void {
  const reader = new ProtoReader(message);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if ((field === 2 || field === 4) && addresses.left-- > 0) {
      const address = readMultiaddr(reader.bytes());
      if (field === 4) info.observed = address;
      else if (address !== undefined) info.listen.push(address);
    } else if (field === 3 && info.protocols.length < PROTOCOLS_MAX) info.protocols.push(reader.string());
    else if (field === 5) info.protocolVersion = reader.string();
    else if (field === 6) info.agentVersion = reader.string();
  }
}

// Peers advertise kinds of addresses (QUIC, WebRTC, relays) that we do not dial and need not know.
function readMultiaddr(bytes: Uint8Array): string | undefined {
  try {
    return formatMultiaddr(multiaddrFromBytes(bytes));
  } catch (error) {
    if (error instanceof P2pError) return undefined;
    throw error;
  }
}
