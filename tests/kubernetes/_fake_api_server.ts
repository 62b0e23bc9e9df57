import type { EndpointSlice } from "../../src/kubernetes/endpoints_view.ts";

/** An object with data, as the API server keeps it. */
interface DataObject {
  metadata: { name: string; labels?: Record<string, string> };
  data?: Record<string, string>;
  stringData?: Record<string, string>;
}

/** As much of an API server as raintree asks: EndpointSlices with watches, Secrets, ConfigMaps. One namespace, `test`. */
export class FakeApiServer implements AsyncDisposable {
  /** `list`, `watch VERSION`, `POST secrets`, in order. */
  readonly asked: string[] = [];
  /** By `secrets/name`. */
  readonly objects = new Map<string, DataObject>();
  /** Query of the last list or watch. */
  query = new URLSearchParams();
  /** Status with which everything is refused. */
  refusal: number | undefined;
  /** Watches from before this version get 410. */
  oldest = 0;
  readonly #slices = new Map<string, EndpointSlice>();
  readonly #events: { version: number; line: string }[] = [];
  readonly #watchers = new Set<ReadableStreamDefaultController<Uint8Array>>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  #asking = Promise.withResolvers<void>();
  #version = 0;

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#answer(request),
    );
  }

  /** Where it listens. */
  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** A kubeconfig for it. */
  get kubeconfig(): string {
    return JSON.stringify({
      "apiVersion": "v1",
      "kind": "Config",
      "current-context": "fake",
      "clusters": [{ name: "fake", cluster: { "server": this.url, "insecure-skip-tls-verify": true } }],
      "users": [{ name: "fake", user: { token: "secret" } }],
      "contexts": [{ name: "fake", context: { cluster: "fake", user: "fake", namespace: "test" } }],
    });
  }

  /** Resolves when so many requests have come in all. */
  async hasAsked(count: number): Promise<void> {
    while (this.asked.length < count) await this.#asking.promise;
  }

  /** A slice is new or has changed. */
  put(slice: EndpointSlice): void {
    const type = this.#slices.has(slice.metadata!.name!) ? "MODIFIED" : "ADDED";
    const kept = { ...slice, metadata: { ...slice.metadata, resourceVersion: `${++this.#version}` } };
    this.#slices.set(slice.metadata!.name!, kept);
    this.#tell(type, kept);
  }

  /** A slice is deleted. */
  remove(name: string): void {
    const slice = this.#slices.get(name)!;
    this.#slices.delete(name);
    this.#tell("DELETED", { ...slice, metadata: { ...slice.metadata, resourceVersion: `${++this.#version}` } });
  }

  /** Says something of its own to all watchers: an ERROR. */
  say(type: string, object: unknown): void {
    const line = new TextEncoder().encode(`${JSON.stringify({ type, object })}\n`);
    for (const watcher of this.#watchers) watcher.enqueue(line);
  }

  /** Ends all watches in order. */
  endWatches(): void {
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers.clear();
  }

  /** Watches that are open. */
  get watches(): number {
    return this.#watchers.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.endWatches();
    await this.#server.shutdown();
  }

  #tell(type: string, object: EndpointSlice): void {
    this.#events.push({ version: this.#version, line: `${JSON.stringify({ type, object })}\n` });
    this.say(type, object);
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const watch = searchParams.get("watch") === "true";
    const [, kind, name] = /\/namespaces\/test\/(\w+)(?:\/([\w-]+))?$/.exec(pathname) ?? [];
    const body = request.body === null ? undefined : await request.json();
    this.asked.push(
      kind === "endpointslices"
        ? watch ? `watch ${searchParams.get("resourceVersion")}` : "list"
        : `${request.method} ${kind}`,
    );
    this.#asking.resolve();
    this.#asking = Promise.withResolvers();
    if (this.refusal !== undefined) return status(this.refusal, "not now");
    if (request.headers.get("authorization") !== "Bearer secret") return status(401, "Unauthorized");
    if (kind === "endpointslices") {
      this.query = searchParams;
      return watch ? this.#watch(Number(searchParams.get("resourceVersion"))) : this.#list();
    }
    if (kind === "secrets" || kind === "configmaps") return this.#data(kind, name, body as DataObject | undefined);
    return status(404, `namespace of ${pathname} not found`);
  }

  #list(): Response {
    const items = [...this.#slices.values()];
    const metadata = { resourceVersion: `${this.#version}` };
    return Response.json({ kind: "EndpointSliceList", apiVersion: "discovery.k8s.io/v1", metadata, items });
  }

  #watch(from: number): Response {
    if (from < this.oldest) return status(410, "too old resource version");
    let mine: ReadableStreamDefaultController<Uint8Array>;
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        mine = controller;
        this.#watchers.add(controller);
        const missed = this.#events.filter(({ version }) => version > from).map(({ line }) => line).join("");
        // Bytes at once, so that the answer begins.
        controller.enqueue(new TextEncoder().encode(missed === "" ? "\n" : missed));
      },
      cancel: () => void this.#watchers.delete(mine),
    });
    return new Response(stream, { headers: { "content-type": "application/json" } });
  }

  #data(kind: string, name: string | undefined, body: DataObject | undefined): Response {
    if (body === undefined) {
      const found = this.objects.get(`${kind}/${name}`);
      return found === undefined ? status(404, `${kind} "${name}" not found`) : Response.json(found);
    }
    const key = `${kind}/${body.metadata.name}`;
    if (this.objects.has(key)) return status(409, `${key} already exists`);
    const encoded = Object.entries(body.stringData ?? {}).map(([name, text]) => [name, btoa(text)]);
    this.objects.set(key, { metadata: body.metadata, data: { ...body.data, ...Object.fromEntries(encoded) } });
    return Response.json(this.objects.get(key), { status: 201 });
  }
}

function status(code: number, message: string): Response {
  return Response.json({ kind: "Status", apiVersion: "v1", status: "Failure", code, message }, { status: code });
}
