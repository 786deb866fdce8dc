/** A map that makes what it does not have and keeps only the `capacity` most recently used entries. */
export class RecentMap<V> {
  readonly #capacity: number
  readonly #make: () => V
  readonly #entries = new Map<string, V>()

  constructor(capacity: number, make: () => V) {
    this.#capacity = capacity
    this.#make = make
  }

  /** True while nothing was asked for. */
  get isEmpty(): boolean {
    return this.#entries.size === 0
  }

  /** What there is, without making it. */
  find(key: string): V | undefined {
    return this.#entries.get(key)
  }

  get(key: string): V {
    const value = this.#entries.get(key) ?? this.#make()
    this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size > this.#capacity) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest)
        break
      }
    }
    return value
  }
}
