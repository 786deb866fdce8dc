import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import type { FileFormat } from "../../../src/warehouse/FileMapping.ts"
import { billMapping, fileSource, load, withBill } from "./support.ts"

const header = "identity/LineItemId,lineItem/UnblendedCost"
const many = `${header}\n${Array.from({ length: 20_000 }, (_, index) => `line ${index} ${(index * 7919) % 10_007},1\n`).join("")}`
const packed = gzipSync(many)
const damaged = Buffer.from(packed)
damaged[Math.floor(damaged.length / 2)] = (damaged[Math.floor(damaged.length / 2)] ?? 0) ^ 0xff

interface BadFile {
  readonly content: string | Uint8Array
  readonly reason: RegExp
  readonly line?: number
  readonly format?: FileFormat
}

const badFiles: Readonly<Record<string, BadFile>> = {
  "a missing cell": { content: `${header}\na,1\nb\nc,3\n`, reason: /the row has 1 cells, the header has 2/, line: 3 },
  "a cell too many": { content: `${header}\na,1\nb,2,3\n`, reason: /the row has 3 cells, the header has 2/, line: 3 },
  "an empty cell too many": {
    content: `${header}\na,1\nb,2,\nc,3\n`,
    reason: /the row has 3 cells, the header has 2/,
    line: 3
  },
  "an unterminated quote": { content: `${header}\na,1\n"b,2\nc,3\n`, reason: /a quote is never closed/, line: 3 },
  "text behind a quote": { content: `${header}\n"a"b,1\n`, reason: /quote/, line: 2 },
  "invalid UTF-8": {
    content: Buffer.concat([Buffer.from(`${header}\na,1\n`), Buffer.from([0xff, 0xfe, 0x2c, 0x31, 0x0a])]),
    reason: /unicode|utf-8/i,
    line: 3
  },
  "a header that is not UTF-8": { content: Buffer.from([0x61, 0xff, 0x0a, 0x31, 0x0a]), reason: /UTF-8/, line: 1 },
  "UTF-16": { content: Buffer.from(`\uFEFF${header}\na,1\n`, "utf16le"), reason: /UTF-16/, line: 1 },
  "a ZIP archive": { content: Buffer.from("PK\u0003\u0004rest", "latin1"), reason: /ZIP archive/, line: 1 },
  "nothing in it": { content: "", reason: /no header/, line: 1 },
  "the same column twice": { content: "lineItem/UnblendedCost,a, a\n1,2,3\n", reason: /"a" stands twice/, line: 1 },
  "two columns that mean the same": {
    content: "line_item_unblended_cost,LineItem/Unblended_Cost\n1,2\n",
    reason: /both mean lineItem\/UnblendedCost/,
    line: 1
  },
  "a missing key column": {
    content: "identity/LineItemId\na\n",
    reason: /lineItem\/NetUnblendedCost or lineItem\/UnblendedCost.*cost.*missing/,
    line: 1
  },
  "an empty cell that must have a value": {
    content: `${header}\na,1\nb,\n`,
    reason: /lineItem\/UnblendedCost has no value/,
    line: 3
  },
  "a null word where a value must be": { content: `${header}\na,NULL\n`, reason: /has no value/, line: 2 },
  "gzip cut in the middle": { content: packed.subarray(0, packed.length / 2), reason: /unexpected end of file.*cut/ },
  "gzip cut at its last bytes": {
    content: packed.subarray(0, packed.length - 3),
    reason: /unexpected end of file.*cut/
  },
  "gzip with a flipped byte": { content: damaged, reason: /cannot be unpacked/ },
  "gzip of a gzip": { content: gzipSync(packed), reason: /UTF-8/, line: 1 },
  "a cut NDJSON line": {
    content: '{"lineItem/UnblendedCost":"1"}\n{"lineItem/Unb',
    reason: /the line is no JSON object; it may have been cut/,
    line: 2,
    format: "ndjson"
  },
  ...Object.fromEntries(
    [
      "[1]",
      "null",
      '{"note":"1"} x',
      '{"note":"1"}{"note":"2"}',
      '{"note":{"a":[1,2}}',
      '{"note":{"a" 1}}',
      '{"note":[1,,2]}',
      '{"note":01}',
      '{"note":1.}',
      '{"note":nul}',
      '{"note":"\\x"}',
      '{"note":"\\ud800"}',
      '{"note":"a\tb"}',
      '{"note":1,}',
      `{"note":${"[".repeat(200)}${"]".repeat(200)}}`
    ].map((line): [string, BadFile] => [
      `the NDJSON line ${line.slice(0, 30)}`,
      {
        content: `{"lineItem/UnblendedCost":"1"}\n\n${line}\n`,
        reason: /the line is no JSON object/,
        line: 3,
        format: "ndjson"
      }
    ])
  ),
  "an NDJSON object with the same key twice": {
    content: '{"lineItem/UnblendedCost":"1"}\n{"a":1,"lineItem/UnblendedCost":"1","a":2}\n',
    reason: /the key "a" stands twice/,
    line: 2,
    format: "ndjson"
  },
  "an NDJSON key that is empty": {
    content: '{"lineItem/UnblendedCost":"1","":2}\n',
    reason: /a key is empty/,
    line: 1,
    format: "ndjson"
  },
  "invalid UTF-8 in NDJSON": {
    content: Buffer.from(
      '{"lineItem/UnblendedCost":"1"}\n{"lineItem/UnblendedCost":"1","note":"caf\u00e9"}\n',
      "latin1"
    ),
    reason: /unicode/i,
    line: 2,
    format: "ndjson"
  },
  "an NDJSON line beyond the limit": {
    content: `{"lineItem/UnblendedCost":"1"}\n{"lineItem/UnblendedCost":"1","note":"${"x".repeat(900_000)}"}\n`,
    reason: /the line is longer than 900000 bytes; write one JSON object per line/,
    line: 2,
    format: "ndjson"
  },
  "an NDJSON line without an end": {
    content: gzipSync(`{"lineItem/UnblendedCost":"1","note":"${"x".repeat(9 * 1024 ** 2)}`),
    reason: /the line is longer than 900000 bytes; write one JSON object per line/,
    line: 1,
    format: "ndjson"
  },
  "a CSV row beyond the limit": {
    content: `${header}\na,1\n${"x".repeat(1_000_001)},2\n`,
    reason: /Maximum line size of 1000000 bytes exceeded/,
    line: 3
  },
  "text that is not Parquet": { content: "no magic bytes here", reason: /magic bytes|too small/i, format: "parquet" }
}

describe("a file with", () => {
  it.effect.each(Object.entries(badFiles))("%s is refused, and the slice keeps its rows", ([, bad]) =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        yield* load(acme, fileSource(given, "before.csv", `${header}\nbefore,1\n`))
        const error = yield* Effect.flip(load(acme, fileSource(given, "bad", bad.content, bad.format)))
        if (error._tag !== "SourceRejected") return yield* error
        expect({ file: error.file, line: error.line }).toEqual({ file: "s3://bucket/bad", line: bad.line })
        expect(error.reason).toMatch(bad.reason)
        expect(error.message).not.toContain(given.folder)
        expect(yield* acme.query("SELECT line_id FROM bill")).toEqual([{ line_id: "before" }])
        expect(readdirSync(join(given.folder, "data", "warehouse", "spill"))).toEqual([])
      })
    )
  )

  it.effect("no file at all is refused", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        const files = [{ path: `${given.folder}/absent.csv`, uri: "s3://bucket/absent.csv" }]
        const error = yield* Effect.flip(load(acme, { _tag: "Files", format: "csv", files, mapping: billMapping }))
        expect(error.message).toBe("s3://bucket/absent.csv: the file does not exist or cannot be read")
      })
    )
  )

  it.effect("a fault behind good files undoes those too", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        yield* load(acme, fileSource(given, "before.csv", `${header}\nbefore,1\n`))
        const good = fileSource(given, "good.csv", `${header}\na,1\n`)
        const bad = fileSource(given, "bad.csv", `${header}\nb\n`)
        if (good._tag !== "Files" || bad._tag !== "Files") return yield* Effect.dieMessage("two files")
        yield* Effect.flip(load(acme, { ...good, files: [...good.files, ...bad.files] }))
        expect(yield* acme.query("SELECT line_id FROM bill")).toEqual([{ line_id: "before" }])
      })
    )
  )

  it.effect("the files behind it are not kept unpacked", () =>
    withBill((acme, given) =>
      Effect.gen(function* () {
        const bad = fileSource(given, "bad.csv", `${header}\nb\n`)
        const good = fileSource(given, "good.csv.gz", packed)
        if (good._tag !== "Files" || bad._tag !== "Files") return yield* Effect.dieMessage("two files")
        const error = yield* Effect.flip(load(acme, { ...good, files: [...bad.files, ...good.files, ...good.files] }))
        expect(error.message).toContain("s3://bucket/bad.csv")
        expect(readdirSync(join(given.folder, "data", "warehouse", "spill"))).toEqual([])
      })
    )
  )
})
