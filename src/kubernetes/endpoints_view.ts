/** What is looked at in an EndpointSlice of `discovery.k8s.io/v1`. */
export interface EndpointSlice {
  /** Which one, and how often it has changed. */
  readonly metadata?: { readonly name?: string; readonly generation?: number; readonly resourceVersion?: string };
  /** `IPv4`, `IPv6` or `FQDN`. */
  readonly addressType?: string;
  /** The pods. */
  readonly endpoints?: readonly {
    /** IP addresses, the first counts. */
    readonly addresses?: readonly string[];
    /** Name of a pod that has a name in DNS. */
    readonly hostname?: string;
    /** The pod. */
    readonly targetRef?: { readonly kind?: string; readonly name?: string };
    /** How it is. */
    readonly conditions?: { readonly terminating?: boolean };
  }[];
}

/** What of a slice counts. */
interface Slice {
  readonly generation: number;
  readonly isIp4: boolean;
  /** IP addresses by pod. */
  readonly places: ReadonlyMap<string, string>;
}

/**
 * The pods behind a Service and their IP addresses, put together from its EndpointSlices, and a height that grows whenever they change: the sum of
 * the generations of the slices, which every observer of the same slices finds. A pod counts from when it has an IP address, ready or not, until
 * it is told to end. Pure: who watches feeds it.
 */
export class EndpointsView {
  readonly #slices = new Map<string, Slice>();
  #height = 0;
  #places: ReadonlyMap<string, string> = new Map();

  /** Never falls. When slices vanish (a Service made anew), and until the sum has caught up, it grows by one for each change of the pods. */
  get height(): number {
    return this.#height;
  }

  /** IP addresses by name of pod. The same object as long as nothing changes. */
  get places(): ReadonlyMap<string, string> {
    return this.#places;
  }

  /** These are all slices. Returns whether the height changed. */
  replace(slices: Iterable<EndpointSlice>): boolean {
    this.#slices.clear();
    for (const slice of slices) this.#slices.set(slice.metadata?.name ?? "", read(slice));
    return this.#update();
  }

  /** A slice is new or has changed. Returns whether the height changed. */
  set(slice: EndpointSlice): boolean {
    this.#slices.set(slice.metadata?.name ?? "", read(slice));
    return this.#update();
  }

  /** A slice is gone. Returns whether the height changed. */
  remove(slice: EndpointSlice): boolean {
    this.#slices.delete(slice.metadata?.name ?? "");
    return this.#update();
  }

  #update(): boolean {
    const places = new Map<string, string>();
    let sum = 0;
    // A pod with addresses of both families is reached by the older one.
    for (const slice of [...this.#slices.values()].sort((a, b) => Number(a.isIp4) - Number(b.isIp4))) {
      sum += slice.generation;
      for (const [pod, ip] of slice.places) places.set(pod, ip);
    }
    const changed = !same(places, this.#places);
    const before = this.#height;
    if (sum > before) this.#height = sum;
    else if (changed) this.#height = before + 1;
    if (changed) this.#places = places;
    return this.#height !== before;
  }
}

function read({ metadata, addressType, endpoints }: EndpointSlice): Slice {
  const places = new Map<string, string>();
  for (const { addresses, hostname, targetRef, conditions } of endpoints ?? []) {
    const pod = targetRef?.kind === "Pod" ? targetRef.name : hostname;
    const [ip] = addresses ?? [];
    if (pod !== undefined && ip !== undefined && conditions?.terminating !== true) places.set(pod, ip);
  }
  // What is no number would make the height one that no view can have, and it never falls.
  const generation = Number.isSafeInteger(metadata?.generation) ? Math.max(0, metadata!.generation!) : 0;
  return { generation, isIp4: addressType === "IPv4", places };
}

function same(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([pod, ip]) => b.get(pod) === ip);
}
