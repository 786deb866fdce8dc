/**
 * Functions that run in this process for DuckDB: typed definitions, NULL in NULL out, and two kinds of refusal.
 *
 * A failure is BigQuery's own runtime error; its twin with `_safe` in the name gives NULL instead. `unsupported` is an answer that this
 * engine cannot give exactly: it is an error in both.
 */
import {
  BIGINT,
  BLOB,
  BOOLEAN,
  DATE,
  DECIMAL,
  DOUBLE,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimal128Vector,
  DuckDBDecimalType,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBScalarFunction,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBTimeValue,
  LIST,
  TIME,
  TIMESTAMP,
  TIMESTAMPTZ,
  VARCHAR,
  type DuckDBType,
  type DuckDBValue
} from "@duckdb/node-api"
import * as Effect from "effect/Effect"
import type { Connection } from "../../duckdb/DuckDb.ts"
import { StatementFailed } from "../../Warehouse.ts"

/** Marks the message of an error that means UnsupportedSql. */
export const unsupportedMark = "unsupported: "

/** A refusal instead of a value. */
export class Refusal {
  readonly message: string
  readonly unsupported: boolean
  constructor(message: string, unsupported: boolean) {
    this.message = message
    this.unsupported = unsupported
  }
}

/** BigQuery's own error. */
export const fail = (message: string): Refusal => new Refusal(message, false)
/** No exact answer here. */
export const unsupported = (reason: string): Refusal => new Refusal(`${unsupportedMark}${reason}`, true)

/** How a value of one engine type is read and written. `read` answers undefined for NULL. */
export interface Codec<T> {
  readonly type: DuckDBType
  readonly read: (value: DuckDBValue) => T | undefined
  readonly write: (value: T) => DuckDBValue
}

const codec = <T>(
  type: DuckDBType,
  read: (value: DuckDBValue) => T | undefined,
  write: (value: T) => DuckDBValue
): Codec<T> => ({ type, read, write })

export const int64 = codec<bigint>(
  BIGINT,
  (value) => (typeof value === "bigint" ? value : undefined),
  (value) => value
)
export const float64 = codec<number>(
  DOUBLE,
  (value) => (typeof value === "number" ? value : undefined),
  (value) => value
)
export const text = codec<string>(
  VARCHAR,
  (value) => (typeof value === "string" ? value : undefined),
  (value) => value
)
export const bool = codec<boolean>(
  BOOLEAN,
  (value) => (typeof value === "boolean" ? value : undefined),
  (value) => value
)
export const bytes = codec<Uint8Array>(
  BLOB,
  (value) => (value instanceof DuckDBBlobValue ? value.bytes : undefined),
  (value) => new DuckDBBlobValue(value)
)
/** Days since 1970-01-01. */
export const date = codec<number>(
  DATE,
  (value) => (value instanceof DuckDBDateValue ? value.days : undefined),
  (value) => new DuckDBDateValue(value)
)
/** Microseconds since 1970-01-01T00:00:00. */
export const datetime = codec<bigint>(
  TIMESTAMP,
  (value) => (value instanceof DuckDBTimestampValue ? value.micros : undefined),
  (value) => new DuckDBTimestampValue(value)
)
/** Microseconds since 1970-01-01T00:00:00Z. */
export const timestamp = codec<bigint>(
  TIMESTAMPTZ,
  (value) => (value instanceof DuckDBTimestampTZValue ? value.micros : undefined),
  (value) => new DuckDBTimestampTZValue(value)
)
/** Microseconds since midnight. */
export const time = codec<bigint>(
  TIME,
  (value) => (value instanceof DuckDBTimeValue ? value.micros : undefined),
  (value) => new DuckDBTimeValue(value)
)
/** The value times 10^scale. */
export const decimal = (scale: number): Codec<bigint> =>
  codec<bigint>(
    DECIMAL(38, scale),
    (value) => (value instanceof DuckDBDecimalValue ? value.value : undefined),
    (value) => new DuckDBDecimalValue(value, 38, scale)
  )
/** A list; a NULL element is null. */
export const list = <T>(element: Codec<T>): Codec<ReadonlyArray<T | null>> =>
  codec<ReadonlyArray<T | null>>(
    LIST(element.type),
    (value) => (value instanceof DuckDBListValue ? value.items.map((item) => element.read(item) ?? null) : undefined),
    (value) => new DuckDBListValue(value.map((item) => (item === null ? null : element.write(item))))
  )

/** A function ready to register. */
export interface Native {
  readonly name: string
  readonly parameters: ReadonlyArray<DuckDBType>
  readonly returns: DuckDBType
  /** One row; null is NULL. */
  readonly row: (values: ReadonlyArray<DuckDBValue>) => DuckDBValue | Refusal
  /** The same for two decimals as scaled integers, without an object per value: money is multiplied by the million. */
  readonly decimals?: (a: bigint, b: bigint) => bigint | Refusal
}

type Answer<R> = R | null | Refusal

const answer = <R>(codec: Codec<R>, value: Answer<R>): DuckDBValue | Refusal =>
  value === null ? null : value instanceof Refusal ? value : codec.write(value)

/** A function of one argument. */
export const native1 = <A, R>(name: string, a: Codec<A>, r: Codec<R>, run: (a: A) => Answer<R>): Native => ({
  name,
  parameters: [a.type],
  returns: r.type,
  row: ([x = null]) => {
    const first = a.read(x)
    return first === undefined ? null : answer(r, run(first))
  }
})

/** A function of two arguments. */
export const native2 = <A, B, R>(
  name: string,
  a: Codec<A>,
  b: Codec<B>,
  r: Codec<R>,
  run: (a: A, b: B) => Answer<R>
): Native => ({
  name,
  parameters: [a.type, b.type],
  returns: r.type,
  row: ([x = null, y = null]) => {
    const first = a.read(x)
    const second = b.read(y)
    return first === undefined || second === undefined ? null : answer(r, run(first, second))
  }
})

/** A function of three arguments. */
export const native3 = <A, B, C, R>(
  name: string,
  a: Codec<A>,
  b: Codec<B>,
  c: Codec<C>,
  r: Codec<R>,
  run: (a: A, b: B, c: C) => Answer<R>
): Native => ({
  name,
  parameters: [a.type, b.type, c.type],
  returns: r.type,
  row: ([x = null, y = null, z = null]) => {
    const first = a.read(x)
    const second = b.read(y)
    const third = c.read(z)
    return first === undefined || second === undefined || third === undefined
      ? null
      : answer(r, run(first, second, third))
  }
})

/** A function of any number of arguments of one type, none of them NULL. */
export const nativeN = <A, R>(
  name: string,
  count: number,
  a: Codec<A>,
  r: Codec<R>,
  run: (values: ReadonlyArray<A>) => Answer<R>
): Native => ({
  name,
  parameters: Array.from({ length: count }, () => a.type),
  returns: r.type,
  row: (values) => {
    const read: Array<A> = []
    for (const value of values) {
      const item = a.read(value)
      if (item === undefined) return null
      read.push(item)
    }
    return answer(r, run(read))
  }
})

const scalarFunction = (native: Native, safe: boolean): DuckDBScalarFunction =>
  DuckDBScalarFunction.create({
    name: safe ? `${native.name}_safe` : native.name,
    parameterTypes: native.parameters,
    returnType: native.returns,
    specialHandling: true,
    mainFunction: (info, chunk, output) => {
      const columns = native.parameters.map((_type, index) => chunk.getColumnVector(index))
      const [left, right] = columns
      if (
        native.decimals !== undefined &&
        left instanceof DuckDBDecimal128Vector &&
        right instanceof DuckDBDecimal128Vector
      ) {
        const scale = output.type instanceof DuckDBDecimalType ? output.type.scale : 0
        for (let row = 0; row < chunk.rowCount; row++) {
          const a = left.getScaledValue(row)
          const b = right.getScaledValue(row)
          const value = a === null || b === null ? null : native.decimals(a, b)
          if (value instanceof Refusal && (!safe || value.unsupported)) {
            info.setError(value.message)
            return
          }
          output.setItem(
            row,
            value === null || value instanceof Refusal ? null : new DuckDBDecimalValue(value, 38, scale)
          )
        }
        output.flush()
        return
      }
      for (let row = 0; row < chunk.rowCount; row++) {
        const value = native.row(columns.map((column) => column.getItem(row)))
        if (value instanceof Refusal) {
          if (!safe || value.unsupported) {
            info.setError(value.message)
            return
          }
          output.setItem(row, null)
        } else output.setItem(row, value)
      }
      output.flush()
    }
  })

/** Registers a function and its `_safe` twin in the connection's database. */
export const register = (connection: Connection, native: Native): Effect.Effect<void, StatementFailed> =>
  Effect.try({
    try: () => {
      connection.raw.registerScalarFunction(scalarFunction(native, false))
      connection.raw.registerScalarFunction(scalarFunction(native, true))
    },
    catch: (cause) => new StatementFailed({ statement: `GoogleSQL prelude: ${native.name}`, reason: String(cause) })
  })
