/**
 * Random GoogleSQL expressions over one row of typed columns, NULLs among them, for a comparison of two engines.
 */
import * as FastCheck from "effect/FastCheck"

type Text = FastCheck.Arbitrary<string>
type Kind = "INT64" | "NUMERIC" | "BIGNUMERIC" | "STRING" | "DATE" | "TIMESTAMP" | "BOOL"

const oneOf = (...texts: ReadonlyArray<string>): Text => FastCheck.constantFrom(...texts)

const decimal = (digits: number, scale: number): Text =>
  FastCheck.tuple(
    FastCheck.bigInt({ min: -(10n ** BigInt(digits)), max: 10n ** BigInt(digits) }),
    FastCheck.integer({ min: 0, max: scale })
  ).map(([value, places]) => {
    const sign = value < 0n ? "-" : ""
    const text = String(value < 0n ? -value : value).padStart(places + 1, "0")
    return places === 0 ? `${sign}${text}` : `${sign}${text.slice(0, -places)}.${text.slice(-places)}`
  })
const letters = FastCheck.stringOf(oneOf("a", "B", "c", " ", "0", "7", "-", ".", "é", "ß", "ı", "日", "%", "_", "x"), {
  maxLength: 8
})
const day = FastCheck.date({ min: new Date("1971-01-01"), max: new Date("2099-12-31") }).map((date) =>
  date.toISOString()
)

/** A literal of each type; the row's columns are made of them. */
const literals: Readonly<Record<Kind, Text>> = {
  INT64: FastCheck.oneof(FastCheck.integer({ min: -50, max: 50 }), FastCheck.maxSafeInteger()).map(String),
  NUMERIC: decimal(12, 9).map((text) => `NUMERIC '${text}'`),
  BIGNUMERIC: decimal(12, 12).map((text) => `BIGNUMERIC '${text}'`),
  STRING: letters.map((text) => `'${text}'`),
  DATE: day.map((text) => `DATE '${text.slice(0, 10)}'`),
  TIMESTAMP: day.map((text) => `TIMESTAMP '${text.slice(0, 10)} ${text.slice(11, 23)}+00'`),
  BOOL: oneOf("TRUE", "FALSE")
}
const kinds: ReadonlyArray<Kind> = ["INT64", "NUMERIC", "BIGNUMERIC", "STRING", "DATE", "TIMESTAMP", "BOOL"]
const zones = oneOf("'UTC'", "'America/Los_Angeles'", "'Europe/Berlin'", "'Asia/Kolkata'")
const small = FastCheck.integer({ min: -40, max: 40 }).map(String)
const places = FastCheck.integer({ min: 0, max: 12 }).map(String)
const dateParts = oneOf("DAY", "WEEK", "ISOWEEK", "MONTH", "QUARTER", "YEAR")
const timeParts = oneOf("SECOND", "MINUTE", "HOUR", "DAY")
const patterns = oneOf("r'[a-c]+'", "r'^.'", "r'[0-9]'", "r'B|x'", "r' $'")

/** `$` stands for the next of the parts. */
const fill = (template: string, ...parts: ReadonlyArray<Text>): Text =>
  FastCheck.tuple(...parts).map((values) => {
    const rest = [...values]
    return template.replaceAll("$", () => rest.shift() ?? "NULL")
  })

/** Forms that every type has. */
const general = (kind: Kind, of: (kind: Kind) => Text): ReadonlyArray<Text> => [
  fill("COALESCE($, $)", of(kind), of(kind)),
  fill("IF($, $, $)", of("BOOL"), of(kind), of(kind)),
  fill("CASE WHEN $ THEN $ WHEN $ THEN $ END", of("BOOL"), of(kind), of("BOOL"), of(kind)),
  fill("NULLIF($, $)", of(kind), of(kind)),
  fill("IFNULL($, $)", of(kind), of(kind))
]

const decimals = (kind: "NUMERIC" | "BIGNUMERIC", of: (kind: Kind) => Text): ReadonlyArray<Text> => [
  fill("($ + $)", of(kind), of(kind)),
  fill("($ - $)", of(kind), of("INT64")),
  fill("($ * $)", of(kind), of(kind)),
  fill("($ / $)", of(kind), of(kind)),
  fill("SAFE_DIVIDE($, $)", of(kind), of(kind)),
  fill("ROUND($, $)", of(kind), places),
  fill("ROUND($, $, 'ROUND_HALF_EVEN')", of(kind), places),
  fill("TRUNC($)", of(kind)),
  fill("CEIL($)", of(kind)),
  fill("FLOOR($)", of(kind)),
  fill("ABS($)", of(kind)),
  fill("-($)", of(kind)),
  fill("GREATEST($, $)", of(kind), of(kind)),
  fill(`CAST($ AS ${kind})`, of("INT64")),
  fill(`SAFE_CAST($ AS ${kind})`, of("STRING"))
]

const forms: Readonly<Record<Kind, (of: (kind: Kind) => Text) => ReadonlyArray<Text>>> = {
  INT64: (of) => [
    fill("($ + $)", of("INT64"), of("INT64")),
    fill("($ * $)", of("INT64"), of("INT64")),
    fill("DIV($, $)", of("INT64"), of("INT64")),
    fill("MOD($, $)", of("INT64"), of("INT64")),
    fill("ABS($)", of("INT64")),
    fill("CAST($ AS INT64)", of("NUMERIC")),
    fill("SAFE_CAST($ AS INT64)", of("STRING")),
    fill("LENGTH($)", of("STRING")),
    fill("BYTE_LENGTH($)", of("STRING")),
    fill("STRPOS($, $)", of("STRING"), of("STRING")),
    fill("DATE_DIFF($, $, $)", of("DATE"), of("DATE"), dateParts),
    fill("TIMESTAMP_DIFF($, $, $)", of("TIMESTAMP"), of("TIMESTAMP"), timeParts),
    fill(
      "EXTRACT($ FROM $)",
      oneOf("YEAR", "MONTH", "DAY", "DAYOFWEEK", "DAYOFYEAR", "ISOWEEK", "QUARTER"),
      of("DATE")
    ),
    fill("EXTRACT($ FROM $ AT TIME ZONE $)", oneOf("HOUR", "DAY", "MONTH", "MINUTE"), of("TIMESTAMP"), zones),
    fill("UNIX_DATE($)", of("DATE")),
    fill("UNIX_SECONDS($)", of("TIMESTAMP")),
    fill("LEAST($, $)", of("INT64"), of("INT64"))
  ],
  NUMERIC: (of) => decimals("NUMERIC", of),
  BIGNUMERIC: (of) => [...decimals("BIGNUMERIC", of), fill("($ + $)", of("BIGNUMERIC"), of("NUMERIC"))],
  STRING: (of) => [
    fill("CONCAT($, $)", of("STRING"), of("STRING")),
    fill("($ || $)", of("STRING"), of("STRING")),
    fill("UPPER($)", of("STRING")),
    fill("LOWER($)", of("STRING")),
    fill("TRIM($)", of("STRING")),
    fill("LTRIM($, $)", of("STRING"), oneOf("'a'", "' x'")),
    fill("SUBSTR($, $, $)", of("STRING"), small, FastCheck.integer({ min: 0, max: 9 }).map(String)),
    fill("SUBSTR($, $)", of("STRING"), small),
    fill("REPLACE($, $, $)", of("STRING"), of("STRING"), of("STRING")),
    fill("LPAD($, $, $)", of("STRING"), FastCheck.integer({ min: 0, max: 12 }).map(String), oneOf("'0'", "'ab'")),
    fill("REVERSE($)", of("STRING")),
    fill("LEFT($, $)", of("STRING"), FastCheck.integer({ min: 0, max: 9 }).map(String)),
    fill("REGEXP_REPLACE($, $, '<>')", of("STRING"), oneOf("r'[a-c]+'", "r'[0-9]'", "r'B'")),
    fill("REGEXP_EXTRACT($, $)", of("STRING"), patterns),
    fill("SPLIT($, '-')[SAFE_OFFSET(0)]", of("STRING")),
    fill("TO_JSON_STRING($)", of("STRING")),
    fill(
      "JSON_VALUE(CONCAT('{\"k\":', TO_JSON_STRING($), '}'), '$.k')".replace("'$.k'", "'\u0001.k'"),
      of("STRING")
    ).map((text) => text.replace("\u0001", "$")),
    fill("FORMAT_DATE('%Y-%m-%d %A %j', $)", of("DATE")),
    fill("FORMAT_TIMESTAMP('%FT%TZ', $, $)", of("TIMESTAMP"), zones),
    ...kinds.filter((kind) => kind !== "STRING").map((kind) => fill("CAST($ AS STRING)", of(kind)))
  ],
  DATE: (of) => [
    fill("DATE_ADD($, INTERVAL $ $)", of("DATE"), small, oneOf("DAY", "WEEK", "MONTH", "QUARTER", "YEAR")),
    fill("DATE_SUB($, INTERVAL $ $)", of("DATE"), small, oneOf("DAY", "MONTH", "YEAR")),
    fill("DATE_TRUNC($, $)", of("DATE"), dateParts),
    fill("LAST_DAY($)", of("DATE")),
    fill("DATE($)", of("TIMESTAMP")),
    fill("DATE($, $)", of("TIMESTAMP"), zones),
    fill("PARSE_DATE('%Y%m%d', FORMAT_DATE('%Y%m%d', $))", of("DATE"))
  ],
  TIMESTAMP: (of) => [
    fill("TIMESTAMP_ADD($, INTERVAL $ $)", of("TIMESTAMP"), small, timeParts),
    fill("TIMESTAMP_SUB($, INTERVAL $ $)", of("TIMESTAMP"), small, timeParts),
    fill("TIMESTAMP_TRUNC($, $)", of("TIMESTAMP"), oneOf("SECOND", "HOUR", "DAY", "MONTH", "YEAR")),
    fill("TIMESTAMP_TRUNC($, $, $)", of("TIMESTAMP"), oneOf("DAY", "MONTH"), zones),
    fill("TIMESTAMP($)", of("DATE")),
    fill("TIMESTAMP($, $)", of("DATE"), zones)
  ],
  BOOL: (of) => [
    ...kinds.flatMap((kind) => [
      FastCheck.oneof(...["=", "<>", "<", ">="].map((operator) => fill(`($ ${operator} $)`, of(kind), of(kind)))),
      fill("($ IS NULL)", of(kind))
    ]),
    fill("($ AND $)", of("BOOL"), of("BOOL")),
    fill("($ OR $)", of("BOOL"), of("BOOL")),
    fill("(NOT $)", of("BOOL")),
    fill("($ IN ($, $))", of("STRING"), of("STRING"), of("STRING")),
    fill("($ BETWEEN $ AND $)", of("NUMERIC"), of("NUMERIC"), of("BIGNUMERIC")),
    fill("($ LIKE $)", of("STRING"), oneOf("'a%'", "'%x'", "'_B%'")),
    fill("STARTS_WITH($, $)", of("STRING"), of("STRING")),
    fill("ENDS_WITH($, $)", of("STRING"), of("STRING")),
    fill("REGEXP_CONTAINS($, $)", of("STRING"), patterns)
  ]
}

const MAXIMUM_DEPTH = 3

const column = (kind: Kind): Text => oneOf(...[1, 2, 3].map((index) => `${kind.toLowerCase()}_${index}`))

/** Arbitraries are made once per type and depth: they are nested in each other. */
const made = new Map<string, Text>()

const expressionOf = (kind: Kind, depth: number): Text => {
  const known = made.get(`${kind} ${depth}`)
  if (known !== undefined) return known
  const of = (inner: Kind) => expressionOf(inner, depth - 1)
  const arbitrary =
    depth === 0
      ? FastCheck.oneof({ weight: 4, arbitrary: column(kind) }, { weight: 1, arbitrary: literals[kind] })
      : FastCheck.oneof(column(kind), ...forms[kind](of), ...general(kind, of))
  made.set(`${kind} ${depth}`, arbitrary)
  return arbitrary
}

/** One row: three columns of each type, the third often NULL. */
const row: Text = FastCheck.tuple(
  ...kinds.map((kind) =>
    FastCheck.tuple(
      literals[kind],
      literals[kind],
      FastCheck.oneof(literals[kind], FastCheck.constant(`CAST(NULL AS ${kind})`))
    ).map((values) => values.map((value, index) => `${value} AS ${kind.toLowerCase()}_${index + 1}`).join(", "))
  )
).map((columns) => columns.join(", "))

/** A query of one row and one text column. */
export const query: Text = FastCheck.tuple(
  FastCheck.constantFrom(...kinds).chain((kind) => expressionOf(kind, MAXIMUM_DEPTH)),
  row
).map(([expression, columns]) => `SELECT CAST(${expression} AS STRING) AS answer FROM (SELECT ${columns})`)
