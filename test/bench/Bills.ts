/**
 * Invented bills in the layouts of each cloud's exports, written to a folder of each export below the given one. The same provider and rows
 * give the same bytes.
 */
import { createWriteStream } from "node:fs"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { createGzip } from "node:zlib"
import * as Effect from "effect/Effect"
import { randomFrom } from "../../src/cli/demo/AwsCompany.ts"
import { generateAwsExports } from "../../src/cli/demo/AwsExportGenerator.ts"
import { recordOf } from "../../src/cli/demo/AwsLine.ts"
import { azureLine } from "./AzureLine.ts"
import { gcpLine } from "./GcpLine.ts"
import { ociLine } from "./OciLine.ts"
import type { Usage } from "./Usage.ts"

export const providers = ["aws", "azure", "gcp", "oci"] as const
export type Provider = (typeof providers)[number]

/** Clouds cut large bills into files of this order. */
const rowsPerFile = 500_000
const seed = 7

const days = 31

const csv = (line: (usage: Usage) => Readonly<Record<string, string>>) => ({
  extension: "csv.gz",
  header: (first: Usage) => recordOf(Object.keys(line(first))),
  record: (usage: Usage) => recordOf(Object.values(line(usage)))
})

/** Of Google Cloud's table the export to files of JSON lines. */
const layouts = {
  azure: csv(azureLine),
  gcp: {
    extension: "jsonl.gz",
    header: () => "",
    record: (usage: Usage) => `${JSON.stringify(gcpLine(usage))}\n`
  },
  oci: csv(ociLine)
}

/** Writes a bill of about so many rows. */
export const generate = (provider: Provider, folder: string, rows: number) =>
  provider === "aws"
    ? generateAwsExports({ folder, seed, rows, rowsPerFile })
    : Effect.promise(async () => {
        const { extension, header, record } = layouts[provider]
        const resources = Math.ceil(rows / days)
        const export_ = join(folder, provider)
        await mkdir(export_, { recursive: true })
        for (let first = 0; first < rows; first += rowsPerFile) {
          const random = randomFrom(seed + first)
          const usage = (number: number): Usage => ({
            number,
            resource: number % resources,
            day: Math.floor(number / resources) + 1,
            random
          })
          const lines = function* () {
            yield header(usage(first))
            for (let number = first; number < Math.min(rows, first + rowsPerFile); number++) yield record(usage(number))
          }
          await pipeline(
            Readable.from(lines()),
            createGzip({ level: 3 }),
            createWriteStream(join(export_, `actual-${first / rowsPerFile}.${extension}`))
          )
        }
      })
