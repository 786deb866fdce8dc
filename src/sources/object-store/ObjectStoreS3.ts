/**
 * An S3 bucket below one prefix as an object store. The SDK is loaded when the first store is opened, so that it costs the start nothing;
 * it repeats throttled and broken requests itself, and a request sent to the wrong region is sent again to the bucket's own.
 */
import { createHash } from "node:crypto"
import { createWriteStream } from "node:fs"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { Readable, Transform } from "node:stream"
import { pipeline } from "node:stream/promises"
import type { S3Client } from "@aws-sdk/client-s3"
import * as Effect from "effect/Effect"
import { attempt, clientSettings, judge, regionOf, SizeDiffers, type AwsKeys } from "../aws/AwsClient.ts"
import { checkEndpoint } from "../Endpoint.ts"
import { SourceError } from "../SourceError.ts"
import { objectLimit, tooLarge, tooManyObjects, type ObjectStore, type StoredObject } from "./ObjectStore.ts"

/** A bucket to open. `endpoint` replaces AWS's own: https, or http on the loopback. `folder` exists and receives the downloads. */
export interface S3Location {
  readonly bucket: string
  readonly prefix: string
  readonly region: string
  readonly keys: AwsKeys
  readonly endpoint?: string
  readonly folder: string
}

const pageLimit = 10_000

/** Opens a bucket; its connections close with the scope. Nothing is asked of AWS yet. */
export const open = Effect.fn("ObjectStoreS3.open")(function* (location: S3Location) {
  yield* checkEndpoint(location.endpoint)
  const sdk = yield* Effect.promise(() => import("@aws-sdk/client-s3"))
  const isObject = /\.(csv|gz|zip|parquet)$/i.test(location.prefix)
  const prefix = location.prefix === "" || isObject ? location.prefix : `${location.prefix.replace(/\/+$/, "")}/`
  const uri = (key: string) => `s3://${location.bucket}/${key}`

  const clients: Array<S3Client> = []
  const connect = (region: string) => {
    const client = new sdk.S3Client({
      ...clientSettings({ ...location, region }),
      forcePathStyle: location.endpoint !== undefined,
      // Downloads are checked by size and ETag; the SDK's own checksum mode is refused by some S3-compatible stores.
      responseChecksumValidation: "WHEN_REQUIRED"
    })
    clients.push(client)
    return client
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => clients.forEach((client) => client.destroy())))
  let current = connect(location.region)

  const send = <A>(target: string, call: (client: S3Client, signal: AbortSignal) => Promise<A>) =>
    Effect.suspend(() => attempt(target, (signal) => call(current, signal))).pipe(
      Effect.catchAll((failure) => {
        const region = regionOf(failure.cause)
        if (region === undefined) return Effect.fail(failure)
        current = connect(region)
        return attempt(target, (signal) => call(current, signal))
      }),
      Effect.catchAll(judge)
    )

  const page = (token: string | undefined) =>
    send(uri(prefix), (client, abortSignal) =>
      client.send(
        new sdk.ListObjectsV2Command({
          Bucket: location.bucket,
          Prefix: prefix,
          ...(token === undefined ? {} : { ContinuationToken: token })
        }),
        { abortSignal }
      )
    )

  const list = Effect.gen(function* () {
    const objects: Array<StoredObject> = []
    const tokens = new Set<string>()
    let token: string | undefined
    for (let pages = 0; pages < pageLimit; pages++) {
      const answer = yield* page(token)
      for (const { Key, Size, ETag, LastModified } of answer.Contents ?? []) {
        if (Key === undefined || Size === undefined || ETag === undefined || Key.endsWith("/")) continue
        if (isObject && Key !== prefix) continue
        const lastModified = LastModified === undefined ? {} : { lastModified: LastModified.toISOString() }
        objects.push({ key: Key, size: Size, etag: ETag, ...lastModified })
      }
      if (objects.length > objectLimit) return yield* tooManyObjects(uri(prefix))
      if (answer.IsTruncated !== true) return objects.sort((a, b) => (a.key < b.key ? -1 : 1))
      token = answer.NextContinuationToken
      if (token === undefined || tokens.has(token)) break
      tokens.add(token)
    }
    return yield* brokenPaging(uri(prefix))
  }).pipe(Effect.withSpan("ObjectStoreS3.list"))

  /** Streams the object into `sink`; fails unless the whole of the listed object came. */
  const download = Effect.fnUntraced(function* (
    object: StoredObject,
    limitBytes: number,
    sink: () => NodeJS.WritableStream | ((source: AsyncIterable<Uint8Array>) => Promise<void>)
  ) {
    if (object.size > limitBytes) return yield* tooLarge(uri(object.key), limitBytes)
    yield* send(uri(object.key), async (client, signal) => {
      const answer = await client.send(
        new sdk.GetObjectCommand({ Bucket: location.bucket, Key: object.key, IfMatch: object.etag }),
        { abortSignal: signal }
      )
      const body = answer.Body instanceof Readable ? answer.Body : Readable.from([])
      await pipeline(body, ofSize(object.size), sink(), { signal })
    })
  })

  const store: ObjectStore = {
    location: uri(prefix),
    bucket: location.bucket,
    prefix,
    list,
    uri,
    read: (object, limitBytes) =>
      Effect.gen(function* () {
        const chunks: Array<Uint8Array> = []
        yield* download(object, limitBytes, () => async (source) => {
          chunks.length = 0
          for await (const chunk of source) chunks.push(chunk)
        })
        return new Uint8Array(Buffer.concat(chunks))
      }),
    localFile: (object, limitBytes) =>
      Effect.gen(function* () {
        const name = createHash("sha256").update(object.key).digest("hex").slice(0, 32)
        const path = join(location.folder, name)
        yield* Effect.addFinalizer(() => Effect.promise(() => rm(path, { force: true })))
        yield* download(object, limitBytes, () => createWriteStream(path))
        return path
      })
  }
  return store
})

/** Passes bytes on; fails when they are more or fewer than announced. */
const ofSize = (size: number) => {
  let seen = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      seen += chunk.length
      callback(seen > size ? new SizeDiffers("size differs") : null, chunk)
    },
    flush(callback) {
      callback(seen === size ? null : new SizeDiffers("size differs"))
    }
  })
}

const brokenPaging = (location: string) =>
  new SourceError({
    kind: "permanent",
    code: "LISTING_BROKEN",
    message: `the listing of ${location} does not end: a page without or with a repeated continuation token`,
    suggestedAction: "check the endpoint; AWS itself does not answer so"
  })
