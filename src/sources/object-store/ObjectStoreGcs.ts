/**
 * A bucket of Google Cloud Storage below one prefix as an object store, by its JSON interface.
 */
import { createHash } from "node:crypto"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { badAnswer, type GoogleClient } from "../gcp/GoogleClient.ts"
import { SourceError } from "../SourceError.ts"
import {
  objectChanged,
  objectLimit,
  tooLarge,
  tooManyObjects,
  type ObjectStore,
  type StoredObject
} from "./ObjectStore.ts"

/** A bucket to open. `endpoint` is without a slash at its end. `folder` exists and receives the downloads. */
export interface GcsLocation {
  readonly endpoint: string
  readonly bucket: string
  readonly prefix: string
  readonly folder: string
}

/** What the calls of {@link open} need of the service account. */
export const access = {
  scope: "https://www.googleapis.com/auth/devstorage.read_only",
  role: "Storage Object Viewer on the bucket"
}

const pageSize = 1000
const pageLimit = 10_000
const pageLimitBytes = 16 * 1024 * 1024

const Listing = Schema.parseJson(
  Schema.Struct({
    items: Schema.optionalWith(
      Schema.Array(
        Schema.Struct({
          name: Schema.NonEmptyString,
          size: Schema.NumberFromString.pipe(Schema.nonNegative()),
          /** Counts the contents that the name has had: a new one for each. */
          generation: Schema.String.pipe(Schema.pattern(/^\d+$/)),
          updated: Schema.optional(Schema.String),
          contentEncoding: Schema.optional(Schema.String)
        })
      ),
      { default: () => [] }
    ),
    nextPageToken: Schema.optional(Schema.String)
  })
)

/** Opens a bucket. Nothing is asked of Google yet. */
export const open = (client: GoogleClient, { bucket, endpoint, folder, prefix: given }: GcsLocation): ObjectStore => {
  const isObject = /\.(csv|gz|json|jsonl|ndjson|parquet)$/i.test(given)
  const prefix = given === "" || isObject ? given : `${given.replace(/\/+$/, "")}/`
  const place = `${endpoint}/storage/v1/b/${encodeURIComponent(bucket)}/o`
  const uri = (key: string) => `gs://${bucket}/${key}`

  const page = Effect.fnUntraced(function* (pageToken: string | undefined) {
    const request = HttpClientRequest.get(place).pipe(
      HttpClientRequest.setUrlParams({
        maxResults: String(pageSize),
        fields: "items(name,size,generation,updated,contentEncoding),nextPageToken",
        ...(prefix === "" ? {} : { prefix }),
        ...(pageToken === undefined ? {} : { pageToken })
      })
    )
    const { body } = yield* client.send({ request, target: uri(prefix) }, pageLimitBytes)
    return yield* Effect.mapError(Schema.decode(Listing)(new TextDecoder().decode(body)), () => badAnswer(uri(prefix)))
  })

  const list = Effect.gen(function* () {
    const objects: Array<StoredObject> = []
    const tokens = new Set<string>()
    let token: string | undefined
    for (let pages = 0; pages < pageLimit; pages++) {
      const { items, nextPageToken } = yield* page(token)
      for (const { contentEncoding, generation, name, size, updated } of items) {
        if (name.endsWith("/") || (isObject && name !== prefix)) continue
        if (contentEncoding === "gzip") return yield* transcoded(uri(name))
        objects.push({ key: name, size, etag: generation, ...(updated === undefined ? {} : { lastModified: updated }) })
      }
      if (objects.length > objectLimit) return yield* tooManyObjects(uri(prefix))
      token = nextPageToken
      if (token === undefined || token === "") return objects.sort((a, b) => (a.key < b.key ? -1 : 1))
      if (tokens.has(token)) break
      tokens.add(token)
    }
    return yield* badAnswer(`${uri(prefix)}: the listing does not end`)
  }).pipe(Effect.withSpan("ObjectStoreGcs.list"))

  const get = ({ etag, key }: StoredObject) => ({
    target: uri(key),
    request: HttpClientRequest.get(`${place}/${encodeURIComponent(key)}`).pipe(
      HttpClientRequest.setUrlParams({ alt: "media", ifGenerationMatch: etag })
    )
  })

  /** An object that was listed and is not there any more. */
  const gone = (object: StoredObject) => (error: SourceError) =>
    error.code === "GOOGLE_NOT_FOUND" ? objectChanged(uri(object.key)) : error

  return {
    location: uri(prefix),
    bucket,
    prefix,
    list,
    uri,
    read: (object, limitBytes) =>
      object.size > limitBytes
        ? Effect.fail(tooLarge(uri(object.key), limitBytes))
        : client.send(get(object), limitBytes).pipe(
            Effect.mapError(gone(object)),
            Effect.flatMap(({ body }) =>
              body.length === object.size ? Effect.succeed(body) : Effect.fail(objectChanged(uri(object.key)))
            )
          ),
    localFile: (object, limitBytes) =>
      Effect.gen(function* () {
        if (object.size > limitBytes) return yield* tooLarge(uri(object.key), limitBytes)
        const path = join(folder, createHash("sha256").update(uri(object.key)).digest("hex").slice(0, 32))
        yield* Effect.addFinalizer(() => Effect.promise(() => rm(path, { force: true })))
        yield* Effect.mapError(client.download(get(object), path, object.size), gone(object))
        return path
      })
  }
}

/** Google unpacks such an object while it sends it, so that its size could not be checked. */
const transcoded = (uri: string) =>
  new SourceError({
    kind: "permanent",
    code: "OBJECT_TRANSCODED",
    message: `${uri} is stored with Content-Encoding: gzip`,
    suggestedAction: "store it as a .gz object without a content encoding"
  })
