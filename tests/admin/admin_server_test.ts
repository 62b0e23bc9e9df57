import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { AdminServer } from "../../src/admin/admin_server.ts";
import { MessageLog } from "../../src/admin/message_log.ts";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { P2pError } from "../../src/base/errors.ts";
import { NodeKey } from "../../src/identity/node_key.ts";
import { P2PModule } from "../../src/module/p2p_module.ts";
import { AdminNetwork, ask, TOKEN } from "./_admin_network.ts";

const module = P2PModule.create({ private_key: NodeKey.generate() });
const messages = new MessageLog({ clock: systemClock });

Deno.test("AdminServer listens on the loopback unless it is told otherwise, and once only on a port", async () => {
  await using server = AdminServer.open({ module, messages });
  assertMatch(server.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  const port = Number(new URL(server.url).port);
  const taken = assertThrows(() => AdminServer.open({ module, messages, port }), P2pError);
  assertEquals(taken.code, "port_in_use");
  assertMatch(taken.hint!, /admin_port/);
  const nowhere = assertThrows(() => AdminServer.open({ module, messages, host: "203.0.113.7" }), P2pError);
  assertEquals(nowhere.code, "listen_failed");
});

Deno.test("AdminServer refuses what a page asks whose name was made to lead to the loopback", async () => {
  await using server = AdminServer.open({ module, messages });
  const { hostname, port } = new URL(server.url);
  for (const [host, status] of [["evil.example", 403], ["localhost", 200]] as const) {
    using connection = await Deno.connect({ hostname, port: Number(port) });
    const head = `GET /messages HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n\r\n`;
    await connection.write(new TextEncoder().encode(head));
    const answer = await new Response(connection.readable).text();
    assertMatch(answer, new RegExp(`^HTTP/1.1 ${status} `));
    assertEquals(answer.includes("admin_foreign_host"), status === 403);
  }
});

Deno.test("AdminServer survives that no file is left for one more connection, and listens again", {
  ignore: Deno.build.os === "windows",
}, async () => {
  const program = `
    import { AdminServer } from "./src/admin/admin_server.ts";
    import { MessageLog } from "./src/admin/message_log.ts";
    import { systemClock } from "./src/base/clock.ts";
    import { NodeKey } from "./src/identity/node_key.ts";
    import { P2PModule } from "./src/module/p2p_module.ts";
    const module = P2PModule.create({ private_key: NodeKey.generate() });
    console.log(AdminServer.open({ module, messages: new MessageLog({ clock: systemClock }) }).url);`;
  const few = new Deno.Command("/bin/sh", {
    args: ["-c", 'ulimit -n 100; exec "$2" eval --quiet "$1"', "sh", program, Deno.execPath()],
    cwd: new URL("../..", import.meta.url),
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const held: Deno.TcpConn[] = [];
  try {
    const output = few.stdout.getReader();
    const { value } = await output.read();
    const url = new TextDecoder().decode(value).trim();
    const { hostname, port } = new URL(url);
    // Until it accepts no more: 100 and what the system queues.
    const all = Array.from({ length: 150 }, () => Deno.connect({ hostname, port: Number(port) }));
    for (const { status, ...result } of await Promise.allSettled(all)) {
      if (status === "fulfilled") held.push((result as PromiseFulfilledResult<Deno.TcpConn>).value);
    }
    // The connections are closed, not by us.
    assertEquals(await held[0].read(new Uint8Array(1)).catch(() => null), null);
    const asked = async () => (await ask(`${url}/livez`).catch(() => undefined))?.status;
    let status: number | undefined;
    for (let tries = 0; status === undefined && tries < 500; tries++) {
      status = await asked();
      if (status === undefined) await sleep(systemClock, 20);
    }
    assertEquals(status, 200);
    await output.cancel();
  } finally {
    for (const connection of held) connection.close();
    few.kill("SIGKILL");
    await few.status;
  }
});

Deno.test("AdminServer.close() delivers answers under way, cuts off who sends nothing, and frees the port", async () => {
  const network = await AdminNetwork.ready({ nodes: 4 });
  await using _network = network;
  const { admin, module: node } = network.nodes[0];
  const { hostname, port } = new URL(admin.url);
  // Half a request, by somebody who never sends the rest.
  const idle = await Deno.connect({ hostname, port: Number(port) });
  await idle.write(new TextEncoder().encode("GET /livez HTTP/1.1\r\nHost: a\r\n"));
  // A question that waits for its answer while the server is told to close.
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  network.nodes[1].module.onRequest(async (content) => {
    asked.resolve();
    await answer.promise;
    return content;
  });
  const waiting = network.post(0, "/request", { to: network.nodes[1].module.address, typeUrl: "a/b" });
  await asked.promise;
  const closed = admin.close();
  answer.resolve();
  assertEquals((await waiting).status, 200);
  await closed;
  await admin.close();
  assert(node.started, "the node goes on");
  assertEquals(await idle.read(new Uint8Array(10)).catch(() => null), null);
  idle.close();
  await assertRejects(() => ask(`${admin.url}/livez`), TypeError);
  const again = AdminServer.open({ module, messages, port: Number(port), token: TOKEN });
  assertEquals((await ask(`${again.url}/livez`)).status, 200);
  await again.close();
});
