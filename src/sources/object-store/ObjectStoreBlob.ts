/**
 * An Azure Blob Storage container below one prefix as an object store, by its REST API with a bearer token.
 */
import { createHash } from "node:crypto"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type AzureClient, badAnswer, textOf } from "../azure/AzureClient.ts"
import type { SourceError } from "../SourceError.ts"
import {
  objectChanged,
  objectLimit,
  tooLarge,
  tooManyObjects,
  type ObjectStore,
  type StoredObject
} from "./ObjectStore.ts"

/** A container to open. `endpoint` is the account's, without a slash at its end. `folder` exists and receives the downloads. */
export interface BlobLocation {
  readonly endpoint: string
  readonly container: string
  readonly prefix: string
  readonly folder: string
}

/** The service's version that the requests are written for. */
const apiVersion = "2021-12-02"
const pageSize = 5000
const pageLimit = 10_000
const pageLimitBytes = 64 * 1024 * 1024

/** Opens a container. Nothing is asked of Azure yet. */
export const open = Effect.fn("ObjectStoreBlob.open")(function* (client: AzureClient, location: BlobLocation) {
  const { XMLParser } = yield* Effect.promise(() => import("fast-xml-parser"))
  // Numbers stay text: an ETag may look like one.
  const xml = new XMLParser({ parseTagValue: false, ignoreAttributes: false, isArray: (name) => name === "Blob" })
  const calls = client.authorized("https://storage.azure.com/.default")
  const place = `${location.endpoint}/${encodeURIComponent(location.container)}`
  const isObject = /\.(csv|gz|zip|parquet)$/i.test(location.prefix)
  const prefix = location.prefix === "" || isObject ? location.prefix : `${location.prefix.replace(/\/+$/, "")}/`
  const uri = (key: string) => `${place}/${key.split("/").map(encodeURIComponent).join("/")}`

  const page = Effect.fnUntraced(function* (marker: string) {
    const request = HttpClientRequest.get(place).pipe(
      HttpClientRequest.setUrlParams({
        restype: "container",
        comp: "list",
        maxresults: String(pageSize),
        ...(prefix === "" ? {} : { prefix }),
        ...(marker === "" ? {} : { marker })
      }),
      HttpClientRequest.setHeader("x-ms-version", apiVersion)
    )
    const { body } = yield* calls.send({ request, target: place }, pageLimitBytes)
    const parsed = yield* Effect.try({ try: (): unknown => xml.parse(textOf(body)), catch: () => badAnswer(place) })
    return yield* Effect.mapError(Schema.decodeUnknown(Listing)(parsed), () => badAnswer(place))
  })

  const list = Effect.gen(function* () {
    const objects: Array<StoredObject> = []
    const markers = new Set<string>()
    let marker = ""
    for (let pages = 0; pages < pageLimit; pages++) {
      const { EnumerationResults: answer } = yield* page(marker)
      for (const blob of answer.Blobs === "" ? [] : (answer.Blobs.Blob ?? [])) {
        const key = nameOf(blob.Name)
        if (isObject && key !== prefix) continue
        objects.push({
          key,
          size: blob.Properties["Content-Length"],
          etag: blob.Properties.Etag,
          lastModified: blob.Properties["Last-Modified"]
        })
      }
      if (objects.length > objectLimit) return yield* tooManyObjects(uri(prefix))
      marker = answer.NextMarker ?? ""
      if (marker === "") return objects.sort((a, b) => (a.key < b.key ? -1 : 1))
      if (markers.has(marker)) break
      markers.add(marker)
    }
    return yield* badAnswer(`${place}: the listing does not end`)
  }).pipe(Effect.withSpan("ObjectStoreBlob.list"))

  const get = (object: StoredObject) => ({
    target: uri(object.key),
    request: HttpClientRequest.get(uri(object.key)).pipe(
      HttpClientRequest.setHeaders({ "x-ms-version": apiVersion, "if-match": quoted(object.etag) })
    )
  })

  /** A blob that was listed and is not there any more. */
  const gone = (object: StoredObject) => (error: SourceError) =>
    error.code === "AZURE_NOT_FOUND" ? objectChanged(uri(object.key)) : error

  const store: ObjectStore = {
    location: uri(prefix),
    bucket: location.container,
    prefix,
    list,
    uri,
    read: (object, limitBytes) =>
      object.size > limitBytes
        ? Effect.fail(tooLarge(uri(object.key), limitBytes))
        : calls.send(get(object), limitBytes).pipe(
            Effect.mapError(gone(object)),
            Effect.flatMap(({ body }) =>
              body.length === object.size ? Effect.succeed(body) : Effect.fail(objectChanged(uri(object.key)))
            )
          ),
    localFile: (object, limitBytes) =>
      Effect.gen(function* () {
        if (object.size > limitBytes) return yield* tooLarge(uri(object.key), limitBytes)
        const path = join(location.folder, createHash("sha256").update(uri(object.key)).digest("hex").slice(0, 32))
        yield* Effect.addFinalizer(() => Effect.promise(() => rm(path, { force: true })))
        yield* Effect.mapError(calls.download(get(object), path, object.size), gone(object))
        return path
      })
  }
  return store
})

/** Listings write ETags without quotes, conditions need them. */
const quoted = (etag: string) => (etag.startsWith('"') ? etag : `"${etag}"`)

/** A name that XML cannot hold is percent-encoded and says so. */
const nameOf = (name: typeof Name.Type): string => (typeof name === "string" ? name : decodeURIComponent(name["#text"]))

const Name = Schema.Union(Schema.String, Schema.Struct({ "#text": Schema.String, "@_Encoded": Schema.Literal("true") }))

const Blob = Schema.Struct({
  Name,
  Properties: Schema.Struct({
    "Last-Modified": Schema.String,
    Etag: Schema.NonEmptyString,
    "Content-Length": Schema.NumberFromString.pipe(Schema.nonNegative())
  })
})

const Listing = Schema.Struct({
  EnumerationResults: Schema.Struct({
    Blobs: Schema.Union(Schema.Literal(""), Schema.Struct({ Blob: Schema.optional(Schema.Array(Blob)) })),
    NextMarker: Schema.optional(Schema.String)
  })
})
