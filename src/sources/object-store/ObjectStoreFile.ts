/**
 * A local folder (or one file) as an object store. Nothing outside of it can be reached: keys with `..` and links that lead out are refused.
 */
import { createHash } from "node:crypto"
import { createReadStream, type Dirent, type Stats } from "node:fs"
import { opendir, readFile, realpath, stat } from "node:fs/promises"
import { basename, dirname, join, relative, resolve, sep } from "node:path"
import { pipeline } from "node:stream/promises"
import * as Effect from "effect/Effect"
import { SourceError } from "../SourceError.ts"
import {
  objectChanged,
  objectLimit,
  tooLarge,
  tooManyObjects,
  type ObjectStore,
  type StoredObject
} from "./ObjectStore.ts"

/** Files up to this size are told apart by their content, larger ones by size and time of change. */
const hashedLimitBytes = 64 * 1024 * 1024

/** Opens a folder, or a single file as a store of one object. Fails when there is no such path. */
export const open = Effect.fn("ObjectStoreFile.open")(function* (path: string) {
  const location = resolve(path)
  const root = yield* attempt(location, () => realpath(location))
  const isFile = (yield* attempt(location, () => stat(root))).isFile()
  const folder = isFile ? dirname(root) : root
  const prefix = isFile ? basename(root) : ""

  const inside = Effect.fnUntraced(function* (key: string) {
    const candidate = join(folder, key)
    const outside = new SourceError({
      kind: "permanent",
      code: "PATH_OUTSIDE",
      message: `${key} leads out of ${location}`,
      suggestedAction: "put the export's files into the folder itself"
    })
    if (key.split("/").includes("..") || key.startsWith("/") || key.includes("\0")) return yield* outside
    const real = yield* attempt(candidate, () => realpath(candidate))
    if (real !== folder && !real.startsWith(folder.endsWith(sep) ? folder : folder + sep)) return yield* outside
    return real
  })

  const describe = Effect.fnUntraced(function* (key: string) {
    const real = yield* inside(key)
    const stats = yield* attempt(real, () => stat(real))
    const etag = yield* etagOf(real, stats)
    return { key, size: stats.size, etag }
  })

  /** The object's real path, provided that it still is the one that was listed. */
  const unchanged = Effect.fnUntraced(function* (object: StoredObject, limitBytes: number) {
    if (object.size > limitBytes) return yield* tooLarge(join(folder, object.key), limitBytes)
    const now = yield* describe(object.key)
    if (now.etag !== object.etag || now.size !== object.size) return yield* objectChanged(join(folder, object.key))
    return yield* inside(object.key)
  })

  const list = Effect.gen(function* () {
    if (isFile) return [yield* describe(prefix)]
    const keys = yield* walk(folder, location)
    return yield* Effect.forEach(keys.sort(), describe, { concurrency: 4 })
  }).pipe(Effect.withSpan("ObjectStoreFile.list"))

  const store: ObjectStore = {
    location,
    prefix,
    list,
    uri: (key) => join(folder, key),
    read: (object, limitBytes) =>
      unchanged(object, limitBytes).pipe(Effect.flatMap((real) => attempt(real, () => readFile(real)))),
    localFile: unchanged
  }
  return store
})

/** The keys of all visible files below a folder. */
const walk = Effect.fnUntraced(function* (folder: string, location: string) {
  const keys: Array<string> = []
  const pending = [folder]
  for (let current = pending.pop(); current !== undefined; current = pending.pop()) {
    const here = current
    const entries = yield* attempt(here, async () => {
      const found: Array<Dirent> = []
      for await (const entry of await opendir(here)) {
        if (!entry.name.startsWith(".")) found.push(entry)
        if (found.length > objectLimit) break
      }
      return found
    })
    for (const entry of entries) {
      const path = join(here, entry.name)
      if (entry.isDirectory()) pending.push(path)
      else if (entry.isFile() || entry.isSymbolicLink()) keys.push(relative(folder, path).split(sep).join("/"))
    }
    if (keys.length + pending.length > objectLimit) return yield* tooManyObjects(location)
  }
  return keys
})

const etagOf = (path: string, stats: Stats) =>
  stats.size > hashedLimitBytes
    ? Effect.succeed(`${stats.size}-${Math.trunc(stats.mtimeMs)}`)
    : attempt(path, async () => {
        const hash = createHash("sha256")
        await pipeline(createReadStream(path), hash)
        return hash.digest("hex")
      })

const attempt = <A>(path: string, action: () => Promise<A>) =>
  Effect.tryPromise({
    try: action,
    catch: (cause) => {
      const code = cause instanceof Error && "code" in cause ? String(cause.code) : "UNREADABLE"
      return new SourceError({
        kind: "permanent",
        code: code === "ENOENT" ? "PATH_NOT_FOUND" : "PATH_UNREADABLE",
        message: `${path} cannot be read: ${code}`,
        suggestedAction: "check the path and its permissions"
      })
    }
  })
