import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3"
import * as Effect from "effect/Effect"
import { startFauxqs } from "fauxqs"

/** A real S3 server on the loopback with one bucket; it ends with the scope. `downloads` answers and forgets the keys read so far. */
export const s3Server = Effect.fnUntraced(function* (bucket: string) {
  const server = yield* Effect.acquireRelease(
    Effect.promise(() => startFauxqs({ port: 0, host: "127.0.0.1", logger: false, messageSpies: true })),
    (started) => Effect.promise(() => started.stop())
  )
  server.createBucket(bucket)
  const endpoint = `http://127.0.0.1:${server.port}`
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: "a", secretAccessKey: "b" }
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => client.destroy()))
  return {
    endpoint,
    put: (key: string, body: string | Uint8Array) =>
      Effect.promise(() => client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }))),
    downloads: Effect.sync(() => {
      const events = server.spy.getAllMessages()
      server.spy.clear()
      return events.flatMap((event) => (event.service === "s3" && event.status === "downloaded" ? [event.key] : []))
    })
  }
})
