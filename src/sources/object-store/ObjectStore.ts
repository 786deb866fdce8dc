/**
 * A place of files that are read by key: a bucket or a local folder of the same layout. Small files are read as bytes, large ones become
 * local files, so that the warehouse's bulk readers take them as they are.
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { SourceError } from "../SourceError.ts"

/** One file of the store, as it was when the store was listed. */
export interface StoredObject {
  /** The whole key in the bucket; for a folder the path below it with `/`. */
  readonly key: string
  readonly size: number
  /** Opaque; changes when the content does. */
  readonly etag: string
  /** ISO 8601; absent for a local folder, where copying changes it though the content is the same. */
  readonly lastModified?: string
}

/** An open store, below one prefix. Reading fails with class `stale` when the object is no longer the one that was listed. */
export interface ObjectStore {
  /** `s3://bucket/prefix` or a folder's path, for people. */
  readonly location: string
  /** The bucket that manifests must name; absent for a local folder, which may be a copy of any bucket. */
  readonly bucket?: string
  /** Keys of the store start with it: empty, or ending in `/`, or one object's whole key. */
  readonly prefix: string
  /** Every object below the prefix, ascending by key; more than {@link objectLimit} is an error. */
  readonly list: Effect.Effect<ReadonlyArray<StoredObject>, SourceError>
  /** The name by which people and lineage know an object. */
  readonly uri: (key: string) => string
  /** The content of a small object. */
  readonly read: (object: StoredObject, limitBytes: number) => Effect.Effect<Uint8Array, SourceError>
  /** A local file with the object's content; removed with the scope if it was made for it. */
  readonly localFile: (object: StoredObject, limitBytes: number) => Effect.Effect<string, SourceError, Scope.Scope>
}

/** Objects of one listing. */
export const objectLimit = 200_000

/** The listing is too long to be meant. */
export const tooManyObjects = (location: string) =>
  new SourceError({
    kind: "permanent",
    code: "LISTING_TOO_LONG",
    message: `${location} holds more than ${objectLimit} objects`,
    suggestedAction: "point the credential's prefix at the one export to read"
  })

/** An object is larger than the reader allows. */
export const tooLarge = (uri: string, limitBytes: number) =>
  new SourceError({
    kind: "permanent",
    code: "OBJECT_TOO_LARGE",
    message: `${uri} is larger than ${limitBytes} bytes`,
    suggestedAction: "check that the prefix points at a billing export; let the export write smaller files"
  })

/** An object is not the one that was listed. */
export const objectChanged = (uri: string) =>
  new SourceError({
    kind: "stale",
    code: "OBJECT_CHANGED",
    message: `${uri} changed or vanished while it was read`,
    suggestedAction: "run again when the provider has finished its delivery"
  })
