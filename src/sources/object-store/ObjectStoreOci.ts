/**
 * A bucket of OCI Object Storage below one prefix as an object store, by its REST API.
 */
import { createHash } from "node:crypto"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { OciClient } from "../oci/OciClient.ts"
import { SourceError } from "../SourceError.ts"
import {
  objectChanged,
  objectLimit,
  tooLarge,
  tooManyObjects,
  type ObjectStore,
  type StoredObject
} from "./ObjectStore.ts"

/** A bucket to open. `endpoint` is the region's, without a slash at its end. `folder` exists and receives the downloads. */
export interface BucketLocation {
  readonly endpoint: string
  readonly namespace: string
  readonly bucket: string
  readonly prefix: string
  readonly folder: string
}

const pageSize = 1000
const pageLimit = 10_000
const pageLimitBytes = 16 * 1024 * 1024

const Listing = Schema.parseJson(
  Schema.Struct({
    objects: Schema.Array(
      Schema.Struct({
        name: Schema.NonEmptyString,
        size: Schema.Number.pipe(Schema.nonNegative()),
        etag: Schema.NonEmptyString,
        timeCreated: Schema.optional(Schema.String)
      })
    ),
    nextStartWith: Schema.optional(Schema.NullOr(Schema.String))
  })
)

/** Opens a bucket. Nothing is asked of OCI yet. */
export const open = (client: OciClient, location: BucketLocation): ObjectStore => {
  const { bucket, endpoint, folder, namespace, prefix } = location
  const place = `${endpoint}/n/${encodeURIComponent(namespace)}/b/${encodeURIComponent(bucket)}/o`
  const uri = (key: string) => `${place}/${key.split("/").map(encodeURIComponent).join("/")}`
  /** In a request the whole name is one part of the path. */
  const urlOf = (key: string) => `${place}/${encodeURIComponent(key)}`

  const page = Effect.fnUntraced(function* (start: string | undefined) {
    const query = new URLSearchParams({
      limit: String(pageSize),
      fields: "name,size,etag,timeCreated",
      ...(prefix === "" ? {} : { prefix }),
      ...(start === undefined ? {} : { start })
    })
    const request = HttpClientRequest.get(`${place}?${query.toString()}`)
    const { body } = yield* client.send({ request, target: place }, pageLimitBytes)
    return yield* Effect.mapError(Schema.decode(Listing)(new TextDecoder().decode(body)), () => unreadable(place))
  })

  const list = Effect.gen(function* () {
    const objects: Array<StoredObject> = []
    const starts = new Set<string>()
    let start: string | undefined
    for (let pages = 0; pages < pageLimit; pages++) {
      const answer = yield* page(start)
      for (const { etag, name, size, timeCreated } of answer.objects) {
        if (name.endsWith("/")) continue
        objects.push({ key: name, size, etag, ...(timeCreated === undefined ? {} : { lastModified: timeCreated }) })
      }
      if (objects.length > objectLimit) return yield* tooManyObjects(place)
      start = answer.nextStartWith ?? undefined
      if (start === undefined) return objects.sort((a, b) => (a.key < b.key ? -1 : 1))
      if (starts.has(start)) break
      starts.add(start)
    }
    return yield* unreadable(`${place}: the listing does not end`)
  }).pipe(Effect.withSpan("ObjectStoreOci.list"))

  const get = (object: StoredObject) => ({
    target: uri(object.key),
    request: HttpClientRequest.get(urlOf(object.key)).pipe(HttpClientRequest.setHeader("if-match", object.etag))
  })

  return {
    location: place,
    bucket,
    prefix,
    list,
    uri,
    read: (object, limitBytes) =>
      object.size > limitBytes
        ? Effect.fail(tooLarge(uri(object.key), limitBytes))
        : Effect.flatMap(client.send(get(object), limitBytes), ({ body }) =>
            body.length === object.size ? Effect.succeed(body) : Effect.fail(objectChanged(uri(object.key)))
          ),
    localFile: (object, limitBytes) =>
      Effect.gen(function* () {
        if (object.size > limitBytes) return yield* tooLarge(uri(object.key), limitBytes)
        const path = join(folder, createHash("sha256").update(uri(object.key)).digest("hex").slice(0, 32))
        yield* Effect.addFinalizer(() => Effect.promise(() => rm(path, { force: true })))
        yield* client.download(get(object), path, object.size)
        return path
      })
  }
}

const unreadable = (target: string) =>
  new SourceError({
    kind: "permanent",
    code: "OCI_ANSWER_UNREADABLE",
    message: `${target}: the answer is not what OCI's contract says`,
    suggestedAction: "check the endpoint of the credential"
  })
