import { ECHO_TYPE_URL } from "../admin/echo.ts";
import { sleep } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { AdminClient } from "../localnet/admin_client.ts";
import { type Assertion, type AssertionContext, outcome } from "./assertion.ts";

/** Bytes of the values, up to the most that the admin API takes. */
const SIZES: readonly number[] = [1, 1 << 10, 1 << 16, 1 << 20, 4 << 20];

/** Most bytes of a value sent alone: with its envelope (type, nonce) it is a message of 4 MiB, which is the limit. */
const SEND_BYTES_MAX = (4 << 20) - 256;

/** Pairs for each size. */
const PAIRS = 3;

/** How long a message to one peer may take to arrive, milliseconds. */
const WITHIN_MS = 10_000;

const LOOK_MS = 20;

/** Random pairs ask each other and send to each other, 1 B to 4 MiB: answers are what was asked, byte for byte, and what was sent arrives, with all its bytes, at its receiver. */
export const requestsAssertion: Assertion = async (context) => {
  const { clients, random, clock } = context;
  if (clients.length < 2) return outcome(["There is no pair: the network has one validator"], "", {});
  const wrong: string[] = [];
  const pairs = [];
  for (const bytes of SIZES) {
    for (let i = 0; i < PAIRS; i++) {
      const [from, to] = pick(clients, random);
      const value = random.fill(new Uint8Array(bytes));
      const what = `${bytes} B from ${from.node.name} to ${to.node.name}`;
      const startMs = clock.now();
      const answer = await from.request(to.node.address, { typeUrl: ECHO_TYPE_URL, value });
      const requestMs = clock.now() - startMs;
      if (answer.value !== value.toBase64()) wrong.push(`The answer to ${what} is not what was asked`);
      const sentMs = clock.now();
      const sent = value.subarray(0, SEND_BYTES_MAX);
      const { nonce } = await from.send(to.node.address, { typeUrl: ECHO_TYPE_URL, value: sent });
      const arrivedBytes = await arrival(to, nonce, from.node.address, context);
      const sendMs = clock.now() - sentMs;
      if (arrivedBytes === undefined) wrong.push(`Message ${nonce} of ${what} did not arrive`);
      else if (arrivedBytes < sent.length) wrong.push(`Message ${nonce} of ${what} arrived with ${arrivedBytes} bytes`);
      pairs.push({ from: from.node.name, to: to.node.name, bytes, requestMs, nonce, sendMs });
    }
  }
  const slowest = Math.max(...pairs.map(({ requestMs }) => requestMs));
  const holds = `${pairs.length} requests and ${pairs.length} messages between random pairs, ` +
    `1 B to 4 MiB, slowest answer ${Math.round(slowest)} ms`;
  return outcome(wrong, holds, { pairs });
};

function pick(clients: readonly AdminClient[], random: Random): [AdminClient, AdminClient] {
  const from = Math.floor(random.next() * clients.length);
  const to = (from + 1 + Math.floor(random.next() * (clients.length - 1))) % clients.length;
  return [clients[from], clients[to]];
}

/** The size with which a message came from a peer; `undefined` if it does not in time. */
async function arrival(
  to: AdminClient,
  nonce: string,
  from: string,
  { clock, signal }: AssertionContext,
): Promise<number | undefined> {
  const untilMs = clock.now() + WITHIN_MS;
  for (;;) {
    const view = await to.message(nonce);
    if (view?.arrivals.some((hop) => hop.from === from)) return view.bytes ?? 0;
    if (clock.now() >= untilMs) return undefined;
    await sleep(clock, LOOK_MS, signal);
  }
}
