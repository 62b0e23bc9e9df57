import { assertEquals, assertRejects } from "@std/assert";
import type { Writable } from "node:stream";
import { P2pError } from "../../src/base/errors.ts";
import type { Cluster } from "../../src/kubernetes/connect.ts";
import { podExec } from "../../src/kubernetes/pod_exec.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";

interface FakeSocket {
  onclose?: () => void;
  onerror?: (event: { message: string; error: unknown }) => void;
  closed: boolean;
  close(): void;
}

type OnStatus = (status: { status: string; message?: string }) => void;

const where = { namespace: "test", pod: "validator-0", container: "node", command: ["sh", "-c", "true"] };

/** A client whose sockets open when the test says so. */
class FakeExec {
  readonly opening = Promise.withResolvers<FakeSocket>();
  readonly socket: FakeSocket = { closed: false, close: () => void (this.socket.closed = true) };
  stdout!: Writable;
  onStatus!: OnStatus;

  get cluster(): Cluster {
    const exec = (...[, , , , stdout, , , , onStatus]: unknown[]) => {
      this.stdout = stdout as Writable;
      this.onStatus = onStatus as OnStatus;
      return this.opening.promise;
    };
    return {
      config: {},
      client: {
        Exec: class {
          exec = exec;
        },
      },
    } as unknown as Cluster;
  }
}

Deno.test("podExec() resolves to what the command wrote, and closes the socket", async () => {
  const fake = new FakeExec();
  const clock = new VirtualClock();
  const ran = podExec(fake.cluster, where, clock);
  fake.opening.resolve(fake.socket);
  fake.stdout.write("hello");
  fake.onStatus({ status: "Success" });
  assertEquals([await ran, clock.pending], ["hello", 0]);
  assertEquals(fake.socket.closed, true);
});

Deno.test("podExec() says what a command that failed wrote, also where the socket is not open yet", async () => {
  const fake = new FakeExec();
  const ran = podExec(fake.cluster, where, new VirtualClock());
  fake.stdout.write("no such thing");
  fake.onStatus({ status: "Failure", message: "exit code 1" });
  await Promise.resolve();
  fake.opening.resolve(fake.socket);
  const { code, message } = await assertRejects(() => ran, P2pError);
  assertEquals([code, message], ["exec_failed", "Cannot run sh in test/validator-0: exit code 1 no such thing"]);
});

Deno.test("podExec() fails when the socket closes before the command ends", async () => {
  const fake = new FakeExec();
  const ran = podExec(fake.cluster, where, new VirtualClock());
  fake.opening.resolve(fake.socket);
  while (fake.socket.onclose === undefined) await Promise.resolve();
  fake.socket.onclose();
  assertEquals((await assertRejects(() => ran, P2pError)).code, "exec_failed");
});

Deno.test("podExec() gives up a socket that does not open, in time or when told to, and closes it when it does", async () => {
  const clock = new VirtualClock();
  const late = new FakeExec();
  const ran = assertRejects(() => podExec(late.cluster, where, clock), P2pError);
  await clock.advance(20_000);
  assertEquals((await ran).code, "deadline");
  late.opening.resolve(late.socket);
  while (!late.socket.closed) await Promise.resolve();

  const stop = new AbortController();
  const given = assertRejects(() => podExec(new FakeExec().cluster, where, clock, stop.signal), P2pError);
  stop.abort(new P2pError("interrupted", "Interrupted"));
  assertEquals([(await given).code, clock.pending], ["interrupted", 0]);
});
