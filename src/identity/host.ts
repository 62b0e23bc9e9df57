/**
 * A host as it stands in every kind of address: an IP address or a DNS name, in its one written form (lower case, IPv6 as RFC 5952 has it).
 */
export interface Host {
  /** What it is. */
  readonly kind: "ip4" | "ip6" | "dns";
  /** Without brackets. */
  readonly name: string;
}

const DNS_NAME_LENGTH_MAX = 253;
const DNS_LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const DECIMAL_BYTE = /^(?:0|[1-9][0-9]{0,2})$/;
const HEX_GROUP = /^[0-9a-f]{1,4}$/;

/**
 * Reads a host, IPv6 without brackets; `undefined` if it is none. Whatever ends in a number but is no IPv4 address is refused rather than taken for a name,
 * so are names outside ASCII (write their `xn--` form) and IPv6 zones, which mean something on one machine only.
 */
export function parseHost(text: string): Host | undefined {
  const name = text.toLowerCase();
  if (name.includes(":")) {
    const bytes = ip6ToBytes(name);
    return bytes && { kind: "ip6", name: ip6FromBytes(bytes) };
  }
  if (ip4ToBytes(name)) return { kind: "ip4", name };
  return isDnsName(name) ? { kind: "dns", name } : undefined;
}

/** A host as it stands before a colon and a port: IPv6 in brackets. */
export function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** The 4 bytes of an IPv4 address in dotted decimals without leading zeros; `undefined` for anything else. */
export function ip4ToBytes(text: string): Uint8Array | undefined {
  const parts = text.split(".", 5);
  if (parts.length !== 4 || !parts.every((part) => DECIMAL_BYTE.test(part) && Number(part) < 256)) return undefined;
  return Uint8Array.from(parts, Number);
}

/** The text of the 4 bytes of an IPv4 address. */
export function ip4FromBytes(bytes: Uint8Array): string {
  return bytes.join(".");
}

/** The 16 bytes of an IPv6 address in lower case, the last 32 bits of which may be an IPv4 address; `undefined` for anything else. */
export function ip6ToBytes(text: string): Uint8Array | undefined {
  const halves = text.split("::", 3);
  if (halves.length > 2) return undefined;
  const head = groups(halves[0], halves.length === 1);
  const tail = halves.length === 2 ? groups(halves[1], true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  // A double colon stands for one group or more.
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const bytes = new Uint8Array(16);
  [...head, ...new Array<number>(missing).fill(0), ...tail].forEach((group, i) => {
    bytes[2 * i] = group >> 8;
    bytes[2 * i + 1] = group & 0xff;
  });
  return bytes;
}

/** The text of the 16 bytes of an IPv6 address: RFC 5952, section 4, with every group in hex. */
export function ip6FromBytes(bytes: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, i) => (bytes[2 * i] << 8) | bytes[2 * i + 1]);
  let start = 0;
  let length = 0;
  for (let i = 0, run = 0; i < 8; i++) {
    run = words[i] === 0 ? run + 1 : 0;
    if (run > length) [start, length] = [i - run + 1, run];
  }
  const hex = words.map((word) => word.toString(16));
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

/** The 16-bit groups of a part of an IPv6 address; at its end it may turn into an IPv4 address. */
function groups(text: string, isEnd: boolean): number[] | undefined {
  if (text === "") return [];
  const read: number[] = [];
  const parts = text.split(":", 9);
  for (const [i, part] of parts.entries()) {
    if (HEX_GROUP.test(part)) {
      read.push(parseInt(part, 16));
      continue;
    }
    const ip4 = isEnd && i === parts.length - 1 ? ip4ToBytes(part) : undefined;
    if (ip4 === undefined) return undefined;
    read.push((ip4[0] << 8) | ip4[1], (ip4[2] << 8) | ip4[3]);
  }
  return read;
}

function isDnsName(name: string): boolean {
  // One dot at the end says that the name is complete; it belongs to the name.
  const relative = name.endsWith(".") ? name.slice(0, -1) : name;
  if (relative.length === 0 || relative.length > DNS_NAME_LENGTH_MAX) return false;
  const labels = relative.split(".");
  return labels.every((label) => DNS_LABEL.test(label)) && !/^[0-9]+$/.test(labels[labels.length - 1]);
}
