/** Calls `use` with each line of a stream of UTF-8, without its end; resolves at the end of the stream. Whoever writes it is trusted not to write one without end. */
export async function lines(stream: ReadableStream<Uint8Array>, use: (line: string) => void): Promise<void> {
  let begun = "";
  const decoder = new TextDecoder();
  const take = (text: string) => {
    const parts = text.split("\n");
    parts[0] = begun + parts[0];
    begun = parts.pop()!;
    parts.forEach(use);
  };
  for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
  if (begun !== "") use(begun);
}
