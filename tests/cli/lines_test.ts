import { assertEquals } from "@std/assert";
import { lines } from "../../src/cli/lines.ts";

Deno.test("lines() gives the same lines however the stream is cut", async () => {
  const bytes = new TextEncoder().encode("one\n\nzwölf\nlast");
  for (let size = 1; size <= bytes.length; size++) {
    const chunks = Array.from(
      { length: Math.ceil(bytes.length / size) },
      (_, i) => bytes.slice(i * size, (i + 1) * size),
    );
    const got: string[] = [];
    await lines(ReadableStream.from(chunks), (line) => got.push(line));
    assertEquals(got, ["one", "", "zwölf", "last"], `in pieces of ${size}`);
  }
});
