import { assertEquals } from "@std/assert";
import { ProtocolError } from "../../src/base/errors.ts";
import { Grievances } from "../../src/raintree/grievances.ts";

Deno.test("Grievances.add() complains about every 32nd time, of each peer for itself", () => {
  const complaints: string[] = [];
  const grievances = new Grievances((peer) => complaints.push(peer));
  const error = () => new ProtocolError("repair_not_offered", "x");
  for (let i = 0; i < 31; i++) for (const peer of ["a", "b"]) grievances.add(peer, 1, error);
  assertEquals(complaints, []);
  grievances.add("a", 1, error);
  assertEquals(complaints, ["a"]);
  grievances.add("a", 1000, error);
  assertEquals(complaints, ["a", "a"]);
});
