/**
 * Function calls: only what is listed here or in the tables it reads is known; everything else is refused by name.
 */
import * as Either from "effect/Either"
import { aggregateNames, translateAggregate, windowNames } from "./Aggregates.ts"
import type { Call } from "./Ast.ts"
import { commonType, convert, fits, unify } from "./Coercion.ts"
import { translateDateCall, dateFunctions } from "./FunctionsDate.ts"
import {
  checkPath,
  jsonArray,
  jsonFunctions,
  jsonObject,
  jsonText,
  withKeyTest,
  withPlainTest
} from "./FunctionsJson.ts"
import { numberFunctions } from "./FunctionsNumber.ts"
import { regexpNames, translateRegexp } from "./FunctionsRegexp.ts"
import { textFunctions } from "./FunctionsText.ts"
import { translateFormat } from "./Format.ts"
import { compare, numericOperation, numericType } from "./Operators.ts"
import { applySignature } from "./Signatures.ts"
import {
  emptyScope,
  invalid,
  resolvePath,
  unsupported,
  type Scope,
  type Translate,
  type Translator,
  type Typed,
  type UserFunction
} from "./Translator.ts"
import { resolveType } from "./TypeNames.ts"
import { arrayOf, duckType, isGroupable, scalar, typeName } from "./Types.ts"

const tables = [textFunctions, numberFunctions, jsonFunctions, dateFunctions]

/** One call. */
export const translateCall = (t: Translator, e: Call, scope: Scope): Translate<Typed> =>
  Either.gen(function* () {
    const name = e.path.length === 1 ? (e.path[0] ?? "").toUpperCase() : ""
    const user = yield* userFunction(t, e)
    if (user !== undefined) return yield* inline(t, e, user, scope)
    if (name === "") return yield* unsupported(t, e.at, `the function ${e.path.join(".")}`)
    if (aggregateNames.has(name) || windowNames.has(name)) {
      return e.safe ? yield* unsupported(t, e.at, `SAFE.${name}`) : yield* translateAggregate(t, e, name, scope)
    }
    if (
      e.over !== undefined ||
      e.distinct ||
      e.star ||
      e.nulls !== undefined ||
      e.orderBy.length > 0 ||
      e.limit !== undefined ||
      e.having !== undefined
    ) {
      return yield* unsupported(t, e.at, `${name} as an aggregate or window function`)
    }
    const [named] = e.named
    if (named !== undefined) {
      if (name !== "PARSE_JSON" || named.name !== "wide_number_mode" || e.args.length !== 1 || e.named.length !== 1) {
        return yield* unsupported(t, e.at, `the argument ${named.name} of ${name}`)
      }
      return yield* translateCall(t, { ...e, args: [...e.args, named.value], named: [] }, scope)
    }
    const special = yield* translateDateCall(t, e, name, scope)
    if (special !== undefined) {
      return e.safe && !special.sql.includes("_safe(") ? yield* unsupported(t, e.at, `SAFE.${name}`) : special
    }
    const args: Array<Typed> = []
    if (name === "NORMALIZE" || name === "NORMALIZE_AND_CASEFOLD") return yield* normalize(t, e, name, scope)
    for (const arg of e.args) args.push(yield* t.expr(arg, scope))
    const conditional = yield* translateSpecial(t, e, name, args)
    if (conditional !== undefined) {
      return e.safe && !["SAFE_DIVIDE"].includes(name) ? yield* unsupported(t, e.at, `SAFE.${name}`) : conditional
    }
    if (regexpNames.has(name)) return yield* translateRegexp(t, e, name, args)
    const signatures = tables.map((table) => table.get(name)).find((found) => found !== undefined)
    if (signatures !== undefined) {
      if (/JSON_(VALUE|QUERY|EXTRACT|REMOVE)/.test(name) && args[1] !== undefined) yield* checkPath(t, e.at, args[1])
      const result = yield* applySignature(t, e.at, name, signatures, args, e.safe)
      if (name === "JSON_VALUE") return withKeyTest(result, args)
      return name === "PARSE_JSON" ? withPlainTest(result, args) : result
    }
    return known.has(name) || knownFamilies.test(name)
      ? yield* unsupported(t, e.at, `the function ${name}`)
      : yield* invalid(t, e.at, `Function not found: ${e.path.join(".")}`)
  })

/** Functions that BigQuery has and the adapter has not, so that a misspelt name gets BigQuery's own error. */
const known = new Set(
  `ACOS ACOSH ASIN ASINH ATAN ATAN2 ATANH CBRT COS COSH COSINE_DISTANCE COT COTH CSC CSCH EUCLIDEAN_DISTANCE SEC SECH SIN SINH TAN TANH RAND
   FARM_FINGERPRINT SOUNDEX EDIT_DISTANCE COLLATE TO_BASE32 FROM_BASE32 REGEXP_INSTR CODE_POINTS_TO_STRING APPROX_COUNT_DISTINCT APPROX_QUANTILES
   APPROX_TOP_COUNT APPROX_TOP_SUM CORR COVAR_POP COVAR_SAMP ARRAY_SLICE ARRAY_INCLUDES ARRAY_INCLUDES_ANY ARRAY_INCLUDES_ALL ARRAY_IS_DISTINCT
   ARRAY_FILTER ARRAY_TRANSFORM ARRAY_MAX ARRAY_MIN ARRAY_SUM ARRAY_AVG FLATTEN JSON_SET JSON_STRIP_NULLS JSON_ARRAY_APPEND JSON_ARRAY_INSERT
   JSON_FLATTEN LAX_INT64_ARRAY MAKE_INTERVAL JUSTIFY_DAYS JUSTIFY_HOURS JUSTIFY_INTERVAL GENERATE_TIMESTAMP_ARRAY GENERATE_RANGE_ARRAY RANGE
   SESSION_USER ERROR NET.HOST PERCENTILE_DISC KEYS.NEW_KEYSET TIMESTAMP_BUCKET DATE_BUCKET DATETIME_BUCKET BIT_AND SEARCH
   TO_JSON SAFE_NEGATE NULLIFZERO ZEROIFNULL NTH_VALUE STRING_AGG PARSE_BIGNUMERIC BOOL_ARRAY INT64_ARRAY FLOAT64_ARRAY STRING_ARRAY LAX_BOOL_ARRAY LAX_FLOAT64_ARRAY
   LAX_STRING_ARRAY APPENDS BAG_OF_WORDS EXTERNAL_OBJECT_TRANSFORM EXTERNAL_QUERY GAP_FILL TEXT_ANALYZE TF_IDF TYPEOF VECTOR_SEARCH`.split(
    /\s+/
  )
)

/** Those of geography, ranges and encryption. */
const knownFamilies = /^(ST|S2|RANGE|DETERMINISTIC|DLP)_/

const userFunction = (t: Translator, e: Call): Translate<UserFunction | undefined> =>
  Either.gen(function* () {
    if (e.path.length === 1) return t.environment.functions.get((e.path[0] ?? "").toLowerCase())
    if (["NET", "KEYS", "ST", "HLL_COUNT", "AEAD", "ML"].includes((e.path[0] ?? "").toUpperCase()))
      return yield* unsupported(t, e.at, `the function ${e.path.join(".")}`)
    return t.environment.functions.get((yield* resolvePath(t, e.at, e.path)).toLowerCase())
  })

/** A SQL function is its body with the arguments in place of the parameters. */
const inline = (t: Translator, e: Call, user: UserFunction, scope: Scope): Translate<Typed> =>
  Either.gen(function* () {
    if (e.args.length !== user.parameters.length || e.over !== undefined || e.safe) {
      return yield* unsupported(t, e.at, `this call of ${e.path.join(".")}`)
    }
    const variables = new Map<string, Typed>()
    for (const [index, parameter] of user.parameters.entries()) {
      const arg = e.args[index]
      if (arg === undefined) continue
      const value = yield* t.expr(arg, scope)
      const type = parameter.type === undefined ? value.type : yield* resolveType(t, parameter.type)
      variables.set(parameter.name.toLowerCase(), {
        sql: `(${yield* convert(t, e.at, value, type, `Argument of ${e.path.join(".")}`)})`,
        type
      })
    }
    const body = yield* t.rebind({ ...t.environment, variables }).expr(user.body, emptyScope)
    const type = user.returns ?? body.type
    return { sql: `(${yield* convert(t, e.at, body, type, `Result of ${e.path.join(".")}`)})`, type }
  })

const normalize = (t: Translator, e: Call, name: string, scope: Scope): Translate<Typed> =>
  Either.gen(function* () {
    const mode = e.args[1]
    const text = mode === undefined ? "NFC" : mode.kind === "path" ? (mode.parts[0] ?? "").toUpperCase() : ""
    if (e.args[0] === undefined || e.args.length > 2 || !["NFC", "NFKC", "NFD", "NFKD"].includes(text))
      return yield* unsupported(t, e.at, `this form of ${name}`)
    const value = yield* convert(t, e.at, yield* t.expr(e.args[0], scope), scalar("STRING"), name)
    return { sql: `bq_${name.toLowerCase()}(${value}, '${text}')`, type: scalar("STRING") }
  })

const arity = (
  t: Translator,
  e: Call,
  name: string,
  args: ReadonlyArray<Typed>,
  ...allowed: ReadonlyArray<number>
): Translate<void> =>
  allowed.includes(args.length)
    ? Either.right(undefined)
    : unsupported(t, e.at, `${name} with ${args.length} arguments`)

const translateSpecial = (
  t: Translator,
  e: Call,
  name: string,
  args: ReadonlyArray<Typed>
): Translate<Typed | undefined> =>
  Either.gen(function* () {
    const [a, b] = args
    switch (name) {
      case "IF": {
        yield* arity(t, e, name, args, 3)
        if (a === undefined) return undefined
        const when = yield* convert(t, e.at, a, scalar("BOOL"), "Condition of IF")
        const values = yield* unify(t, e.at, args.slice(1), "IF")
        return { sql: `(CASE WHEN ${when} THEN ${values.sql[0]} ELSE ${values.sql[1]} END)`, type: values.type }
      }
      case "COALESCE":
      case "IFNULL": {
        if (name === "IFNULL") yield* arity(t, e, name, args, 2)
        if (args.length === 0) return yield* unsupported(t, e.at, "COALESCE without arguments")
        const values = yield* unify(t, e.at, args, name)
        return { sql: `coalesce(${values.sql.join(", ")})`, type: values.type }
      }
      case "NULLIF": {
        yield* arity(t, e, name, args, 2)
        if (a === undefined || b === undefined) return undefined
        const type = yield* commonType(t, e.at, [a, b], name)
        const same = yield* compare(t, e.at, "=", a, b)
        return { sql: `(CASE WHEN ${same.sql} THEN NULL ELSE ${yield* convert(t, e.at, a, type, name)} END)`, type }
      }
      case "GREATEST":
      case "LEAST": {
        if (args.length === 0) return yield* unsupported(t, e.at, `${name} without arguments`)
        const values = yield* unify(t, e.at, args, name)
        if (!isGroupable(values.type) || values.type.kind === "NULL")
          return yield* unsupported(t, e.at, `${name} over ${typeName(values.type)}`)
        const nan =
          values.type.kind === "FLOAT64"
            ? ` WHEN ${values.sql.map((sql) => `isnan(${sql})`).join(" OR ")} THEN CAST('nan' AS DOUBLE)`
            : ""
        const nulls = values.sql.map((sql) => `${sql} IS NULL`).join(" OR ")
        return {
          sql: `(CASE WHEN ${nulls} THEN NULL${nan} ELSE ${name.toLowerCase()}(${values.sql.join(", ")}) END)`,
          type: values.type
        }
      }
      case "SAFE_DIVIDE":
      case "SAFE_MULTIPLY":
      case "SAFE_ADD":
      case "SAFE_SUBTRACT": {
        yield* arity(t, e, name, args, 2)
        if (a === undefined || b === undefined) return undefined
        const operator = { SAFE_DIVIDE: "/", SAFE_MULTIPLY: "*", SAFE_ADD: "+", SAFE_SUBTRACT: "-" }[name]
        const kind = numericType(a, b, operator === "/")
        if (kind === undefined)
          return yield* unsupported(t, e.at, `${name} over ${typeName(a.type)} and ${typeName(b.type)}`)
        return yield* numericOperation(t, e.at, operator, kind, a, b, true)
      }
      case "ROUND": {
        const places =
          args.length === 1 ? "CAST(0 AS BIGINT)" : b !== undefined && b.type.kind === "INT64" ? b.sql : undefined
        if (a?.type.kind !== "BIGNUMERIC" || places === undefined || args.length > 2) return undefined
        if (a.operands === undefined) return roundInEngine(a, b)
        const { operation, left, right, safe } = a.operands
        return {
          sql: `bq_bignumeric_${operation}_round${safe ? "_safe" : ""}(${left}, ${right}, ${places})`,
          type: a.type
        }
      }
      case "FORMAT":
        return yield* translateFormat(t, e, args)
      case "TO_JSON_STRING":
        yield* arity(t, e, name, args, 1)
        return a === undefined ? undefined : { sql: yield* jsonText(t, e.at, a, false), type: scalar("STRING") }
      case "TO_JSON":
        yield* arity(t, e, name, args, 1)
        return a === undefined
          ? undefined
          : { sql: `CAST(${yield* jsonText(t, e.at, a, true)} AS JSON)`, type: scalar("JSON") }
      case "JSON_OBJECT":
        return yield* jsonObject(t, e.at, args)
      case "JSON_ARRAY":
        return yield* jsonArray(t, e.at, args)
      case "ARRAY_LENGTH":
      case "ARRAY_REVERSE":
      case "ARRAY_FIRST":
      case "ARRAY_LAST": {
        yield* arity(t, e, name, args, 1)
        if (a === undefined || a.type.kind !== "ARRAY")
          return yield* unsupported(t, e.at, `${name} over ${a === undefined ? "nothing" : typeName(a.type)}`)
        const list = a.type.element.kind === "NULL" ? `CAST(${a.sql} AS BIGINT[])` : a.sql
        if (name === "ARRAY_LENGTH") return { sql: `CAST(len(${list}) AS BIGINT)`, type: scalar("INT64") }
        if (name === "ARRAY_REVERSE") return { sql: `list_reverse(${list})`, type: a.type }
        const [which, position] = name === "ARRAY_FIRST" ? ["first", "1"] : ["last", "-1"]
        return {
          sql: `(CASE WHEN len(${list}) = 0 THEN error('${name} cannot get the ${which} element of an empty array') ELSE (${list})[${position}] END)`,
          type: a.type.element
        }
      }
      case "ARRAY_CONCAT": {
        if (args.length === 0 || args.some((arg) => arg.type.kind !== "ARRAY" && arg.type.kind !== "NULL"))
          return yield* unsupported(t, e.at, "this ARRAY_CONCAT")
        const values = yield* unify(t, e.at, args, name)
        const list = values.sql.reduce((left, right) => `list_concat(${left}, ${right})`)
        return {
          sql: `(CASE WHEN ${values.sql.map((sql) => `${sql} IS NULL`).join(" OR ")} THEN NULL ELSE ${list} END)`,
          type: values.type
        }
      }
      case "ARRAY_TO_STRING": {
        if (
          a !== undefined &&
          a.type.kind === "ARRAY" &&
          a.type.element.kind === "NULL" &&
          fits(a, arrayOf(scalar("STRING")), true)
        ) {
          const list = `CAST(${a.sql} AS ${duckType(arrayOf(scalar("STRING")))})`
          return yield* applySignature(
            t,
            e.at,
            name,
            textFunctions.get(name) ?? [],
            [{ sql: list, type: arrayOf(scalar("STRING")) }, ...args.slice(1)],
            e.safe
          )
        }
        // The engine joins with all threads, by a constant, and answers NULL where no element is left; an array that is written out is there.
        const isText = a?.type.kind === "ARRAY" && a.type.element.kind === "STRING"
        if (!isText || e.args[0]?.kind !== "array" || b?.literal !== "string" || args.length !== 2 || e.safe)
          return undefined
        return { sql: `coalesce(array_to_string(${a.sql}, ${b.sql}), '')`, type: scalar("STRING") }
      }
      default:
        return undefined
    }
  })

/** ROUND to a number of decimals that is written in the text; the engine rounds half away from zero as BigQuery does. */
const roundInEngine = (value: Typed, places: Typed | undefined): Typed | undefined => {
  const decimals = places?.literal === "int" ? Number(places.text) : 0
  return decimals > 0 && decimals < 24
    ? { sql: `CAST(round(${value.sql}, ${decimals}) AS DECIMAL(38,24))`, type: value.type }
    : undefined
}
